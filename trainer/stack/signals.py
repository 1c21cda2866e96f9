"""SIGTERM and a closed terminal end a stack as Ctrl-C does: by an exception, so that every `with` is left in order."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGHUP)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def ending_as_interrupt() -> Iterator[None]:
    """While this is open, SIGTERM and SIGHUP raise KeyboardInterrupt in the main thread.

    A signal that is ignored (nohup) or that somebody else handles already (a trainer that saves a checkpoint) is left
    alone, and outside the main thread, where Python lets nobody set handlers, all are.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    ours = [number for number in ENDING if in_main_thread and signal.getsignal(number) is signal.SIG_DFL]
    try:
        for number in ours:
            signal.signal(number, _interrupt)
        yield
    finally:
        for number in ours:
            if signal.getsignal(number) is _interrupt:
                signal.signal(number, signal.SIG_DFL)
