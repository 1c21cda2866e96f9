"""A progress bar over the prompts of a bulk run."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console

from trainer.progress_bar import progress_bar
from trainer.sampling.journal import Entry, Journal
from trainer.sampling.outcome import Outcome


class SamplingProgress:
    """Shows prompts, time left, pairs, failures and tokens; a `trainer.sampling.sampler.Watcher`."""

    def __init__(self, console: Console, journal: Journal, prompts: int) -> None:
        self._journal = journal
        self._pairs = sum(entry.choice is not None and entry.choice.pair is not None for entry in _entries(journal))
        self._progress = progress_bar(console)
        self._task = self._progress.add_task("sample", total=prompts, completed=len(journal.entries), figures="")
        self._failed = 0
        self._show()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def on_outcome(self, outcome: Outcome) -> None:
        """Move the bar."""
        self._pairs += outcome.sample is not None and outcome.choice().pair is not None
        self._failed += outcome.failure is not None
        self._show()

    def _show(self) -> None:
        paid = self._journal.paid
        tokens = paid.prompt_tokens + paid.completion_tokens
        self._progress.update(
            self._task,
            completed=len(self._journal.entries),
            figures=f"pairs {self._pairs:,}  failures {self._failed:,}  tokens {tokens:,}",
        )


def _entries(journal: Journal) -> list[Entry]:
    return list(journal.entries.values())
