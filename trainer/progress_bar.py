"""How progress is shown at a terminal, whatever makes it."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


def progress_bar(console: Console) -> Progress:
    """Steps, time so far and left, and the newest figures: each task is added with the field ``figures``."""
    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}"),
        console=console,
    )


def ticks(progress: Progress) -> Callable[[str], Callable[[int, int], None]]:
    """For work that names its steps and then tells how many of how many are done: one line for each step."""

    def begin(step: str) -> Callable[[int, int], None]:
        task = progress.add_task(step, total=None, figures="")
        return lambda done, total: progress.update(task, completed=done, total=total)

    return begin
