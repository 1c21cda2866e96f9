from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from trainer.stack.signals import ENDING, ending_as_interrupt


@pytest.fixture(autouse=True)
def _default_handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in ENDING}
    for number in ENDING:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ENDING)
def test_an_ending_signal_interrupts_while_open_and_not_after(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), ending_as_interrupt():
        signal.raise_signal(number)
    assert signal.getsignal(number) is signal.SIG_DFL


def test_a_signal_that_somebody_handles_or_ignores_is_left_alone() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def save_checkpoint(*_: object) -> None: ...

    signal.signal(signal.SIGTERM, save_checkpoint)
    with ending_as_interrupt():
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) is save_checkpoint
    assert signal.getsignal(signal.SIGTERM) is save_checkpoint


def test_a_handler_that_was_set_meanwhile_stays() -> None:
    def save_checkpoint(*_: object) -> None: ...

    with ending_as_interrupt():
        signal.signal(signal.SIGTERM, save_checkpoint)
    assert signal.getsignal(signal.SIGTERM) is save_checkpoint


def test_outside_the_main_thread_nothing_is_set() -> None:
    seen: list[object] = []

    def enter() -> None:
        with ending_as_interrupt():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join(60)
    assert seen == [signal.SIG_DFL]
