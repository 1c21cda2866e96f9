"""How a monitor ends a run."""

from __future__ import annotations

from typing import Final

from shared.errors import ZhufuError

EXIT_STATUS: Final = 3
"""Of ``zhufu train grpo`` when a monitor has stopped it: 1 is any other error, 2 a wrong command line."""


class MonitorStopped(ZhufuError):
    """A monitor has stood beyond its bound for long enough; the run stopped with a checkpoint and can be resumed."""

    code = "monitor_stopped"

    def __init__(self, detail: str, *, monitor: str, step: int) -> None:
        super().__init__(detail)
        self.monitor = monitor
        self.step = step
