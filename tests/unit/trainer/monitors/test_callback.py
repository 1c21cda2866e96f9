"""Monitors in a trainer: what they add to the log, when they stop it, and what they know after a resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from transformers import TrainerControl, TrainerState, TrainingArguments

from trainer.metrics import TrainerMetrics
from trainer.monitors.callback import MonitorCallback
from trainer.monitors.errors import MonitorStopped
from trainer.monitors.record import read_segments
from trainer.monitors.threshold import Threshold
from trainer.monitors.variety import Duplicates
from trainer.monitors.watch import Watches

FIGURE = "policy/duplicates"


class Run:
    """A callback, and a trainer that logs what it is told."""

    def __init__(self, folder: Path, *, warn: float | None = 0.3, stop: float | None = 0.8, steps: int = 2) -> None:
        self.metrics = TrainerMetrics()
        self.record = folder / "monitors.json"
        watches = Watches([Duplicates()], {"duplicates": Threshold(warn=warn, stop=stop, steps=steps)})
        self.callback = MonitorCallback(watches, self.metrics, self.record, shadows=[], shadow_every=1)
        self.state = TrainerState()
        self.control = TrainerControl()
        self._arguments = TrainingArguments(output_dir=str(folder), report_to="none", use_cpu=True)

    def begin(self) -> Run:
        self.callback.on_train_begin(self._arguments, self.state, self.control)
        return self

    def log(self, value: float | None, **more: object) -> dict[str, Any]:
        """One step; the logs as callbacks after this one see them."""
        self.state.global_step += 1
        logs: dict[str, Any] = {"reward": 1.0, FIGURE: value, **more}
        self.state.log_history.append({**logs, "step": self.state.global_step})
        self.callback.on_log(self._arguments, self.state, self.control, logs=logs)
        return logs

    def shown(self, what: str = "") -> float | None:
        return self.metrics.registry.get_sample_value(f"zhufu_trainer_monitor{what}", {"monitor": "duplicates"})


def test_what_is_compared_is_logged_and_shown_from_the_step_on_that_has_enough(tmp_path: Path) -> None:
    run = Run(tmp_path).begin()
    assert "monitor/duplicates" not in run.log(0.5)
    assert run.log(0.4)["monitor/duplicates"] == 0.4
    assert (run.shown(), run.shown("_level")) == (0.4, 1.0)
    assert "monitor/duplicates" not in run.log(None), "a step without a value"
    assert not run.control.should_training_stop


def test_a_warning_is_told_once_and_so_is_its_end(tmp_path: Path) -> None:
    run = Run(tmp_path).begin()
    with capture_logs() as told:
        for value in (0.1, 0.5, 0.5, 0.5, 0.5, 0.1, 0.1):
            run.log(value)
    assert [(line["event"], line["monitor"], line["step"]) for line in told] == [
        ("monitor_warns", "duplicates", 3),
        ("monitor_calm", "duplicates", 6),
    ]
    assert not run.control.should_training_stop
    assert run.callback.error() is None


def test_a_stop_takes_a_checkpoint_first_and_says_what_to_do(tmp_path: Path) -> None:
    run = Run(tmp_path).begin()
    asked = []
    for _ in range(2):
        run.log(0.9)
        asked.append((run.control.should_save, run.control.should_training_stop))
    assert asked == [(False, False), (True, True)]
    error = run.callback.error()
    assert error is not None
    assert (error.monitor, error.step, error.code) == ("duplicates", 2, "monitor_stopped")
    assert "stopped by a monitor at step 2: duplicates is 0.9" in error.detail
    assert "--watch duplicates=off" in error.detail
    assert run.shown("_level") == 2.0


def test_the_summary_at_the_end_is_of_no_step(tmp_path: Path) -> None:
    run = Run(tmp_path).begin()
    run.log(0.9)
    run.log(0.9, train_runtime=12.0)
    assert not run.control.should_training_stop


def resumed(run: Run, folder: Path, **bounds: float | None) -> Run:
    """A new process with the state of the checkpoint."""
    again = Run(folder, **bounds)  # type: ignore[arg-type]
    again.state.global_step = run.state.global_step
    again.state.log_history = list(run.state.log_history)
    return again


def test_a_resumed_run_has_the_window_of_its_checkpoint_and_repeats_no_warning(tmp_path: Path) -> None:
    run = Run(tmp_path).begin()
    for value in (0.5, 0.5):
        run.log(value)
    with capture_logs() as told:
        again = resumed(run, tmp_path).begin()
        assert (again.shown(), again.shown("_level")) == (0.5, 1.0)
        assert again.log(0.6)["monitor/duplicates"] == 0.5
    assert told == []


def test_a_run_that_was_stopped_is_not_resumed_with_the_same_bound(tmp_path: Path) -> None:
    run = Run(tmp_path).begin()
    run.log(0.9)
    run.log(0.9)
    with pytest.raises(MonitorStopped, match="stopped by a monitor at step 2"):
        resumed(run, tmp_path).begin()
    again = resumed(run, tmp_path, stop=0.95).begin()
    again.log(0.9)
    assert not again.control.should_training_stop
    first, second = read_segments(run.record)
    assert (first.after_step, second.after_step) == (0, 2)
    assert second.thresholds["duplicates"].stop == 0.95
