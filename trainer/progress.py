"""A progress bar for people and a history for machines, fed by the Hugging Face trainer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from trainer.logged import SUMMARY, figures_in
from trainer.progress_bar import progress_bar

SHOWN = ("loss", "eval_loss", "reward", "accuracy", "kl", "completions/mean_length")


class RichProgress(TrainerCallback):
    """Shows steps, time left and the newest figures."""

    def __init__(self, console: Console, title: str) -> None:
        self._title = title
        self._figures = ""
        self._progress = progress_bar(console)
        self._task = self._progress.add_task(title, total=None, figures="")

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Show the bar."""
        self._progress.start()
        self._progress.update(self._task, total=state.max_steps, completed=state.global_step)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Move the bar."""
        self._progress.update(self._task, completed=state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Show the newest figures."""
        shown = [f"{name.split('/')[-1]} {_number(value)}" for name, value in (logs or {}).items() if name in SHOWN]
        if shown:
            self._progress.update(self._task, figures="  ".join(shown))

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Leave the finished bar on the screen."""
        self._progress.stop()

    def close(self) -> None:
        """End the bar, also when training ended with an error."""
        self._progress.stop()


class HistoryFile(TrainerCallback):
    """Writes each logged step as one JSON line; after a resume, the lines past the checkpoint are dropped first."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Keep only what the checkpoint knows of."""
        if not state.is_world_process_zero or not self._path.is_file():
            return
        kept = [line for line in read_history(self._path) if line["step"] <= state.global_step]
        whole = self._path.with_suffix(".part")
        whole.write_text("".join(f"{json.dumps(line)}\n" for line in kept), encoding="utf-8")
        whole.replace(self._path)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Append one line; figures that are not numbers, or not finite, are left out, and so is the summary."""
        if not state.is_world_process_zero or not logs or SUMMARY in logs:
            return
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": state.global_step, **figures_in(logs)}) + "\n")


def read_history(path: Path) -> list[dict[str, Any]]:
    """All logged steps, in order; none where there is no file yet.

    Half a line at the end is left out: a process was killed while it wrote it.
    """
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")  # the last part is empty, or half a line
    return [json.loads(line) for line in lines[:-1]]


def _number(value: Any) -> str:
    try:
        return f"{float(value):.3g}"
    except (TypeError, ValueError):
        return str(value)
