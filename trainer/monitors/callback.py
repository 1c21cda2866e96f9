"""Monitors within a Hugging Face trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import structlog
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from trainer.logged import SUMMARY
from trainer.metrics import TrainerMetrics
from trainer.monitors.errors import MonitorStopped
from trainer.monitors.record import Segment, write_segment
from trainer.monitors.threshold import Level
from trainer.monitors.watch import Reading, Watch, Watches

log = structlog.get_logger(__name__)


class MonitorCallback(TrainerCallback):
    """Reads what is logged of each step, adds ``monitor/NAME`` to it, warns, and stops the run with a checkpoint.

    It stands before what writes the log to a file. In several processes that train together all of them decide alike:
    what is logged is of all.
    """

    def __init__(
        self,
        watches: Watches,
        metrics: TrainerMetrics,
        record: Path,
        *,
        shadows: list[str],
        shadow_every: int,
    ) -> None:
        self._watches = watches
        self._metrics = metrics
        self._record = record
        self._shadows = shadows
        self._shadow_every = shadow_every
        self._step = 0
        self._speaks = True
        for watch in watches.watches:
            metrics.expect_monitor(watch.monitor.name, watch.threshold.warn, watch.threshold.stop)

    def error(self) -> MonitorStopped | None:
        """Why the run was stopped, where it was."""
        watch = self._watches.stopped
        if watch is None:
            return None
        name = watch.monitor.name
        how = f"resume it with --watch {name}=off or another bound"
        detail = f"stopped by a monitor at step {self._step}: {watch.told(Level.STOP)}; {how}"
        return MonitorStopped(detail, monitor=name, step=self._step)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Know what the run knew when its checkpoint was taken.

        Raises:
            MonitorStopped: That was enough to stop it, and is still.
        """
        self._speaks = bool(state.is_world_process_zero)
        self._step = state.global_step
        for logged in state.log_history:
            if SUMMARY not in logged and logged["step"] <= state.global_step:
                self._observe(logged, told=False)
        if (error := self.error()) is not None:
            raise error
        if self._speaks:
            write_segment(
                self._record,
                Segment(
                    after_step=state.global_step,
                    thresholds={watch.monitor.name: watch.threshold for watch in self._watches.watches},
                    shadows=self._shadows,
                    shadow_every=self._shadow_every,
                ),
            )

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Look at one step. What is logged is logged before a checkpoint is taken: it is in there."""
        if not logs or SUMMARY in logs:
            return
        self._step = state.global_step
        for name, reading in self._observe(logs, told=self._speaks).items():
            if reading.steady is not None:
                logs[f"monitor/{name}"] = reading.steady
        if (error := self.error()) is not None:
            if self._speaks:
                log.error("stopping", reason=error.detail, step=self._step)
            control.should_save = True
            control.should_training_stop = True

    def _observe(self, logged: dict[str, Any], *, told: bool) -> dict[str, Reading]:
        before = {watch.monitor.name: watch.level for watch in self._watches.watches}
        readings = self._watches.observe(logged)
        for watch in self._watches.watches:
            if (reading := readings.get(watch.monitor.name)) is not None:
                self._metrics.show_monitor(watch.monitor.name, reading.steady, int(reading.level))
            if told:
                _tell(watch, before[watch.monitor.name], logged.get("step", self._step))
        return readings


def _tell(watch: Watch, before: Level, step: int) -> None:
    """Once when it begins to warn, and once when it is over."""
    if watch.level is Level.WARN and before is Level.CALM:
        log.warning("monitor_warns", monitor=watch.monitor.name, step=step, why=watch.told(Level.WARN))
    elif watch.level is Level.CALM and before is Level.WARN:
        log.info("monitor_calm", monitor=watch.monitor.name, step=step)
