"""What a bulk run comes to: counts by reason, tokens, and how much longer the chosen texts are than the rejected."""

from __future__ import annotations

import collections
import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from trainer.data.records import Skipped
from trainer.evaluation.intervals import Interval, bootstrap_difference
from trainer.sampling.journal import Journal
from trainer.sampling.outcome import SampledPair
from trainer.sampling.prompts import Prompts
from trainer.sampling.results import whole_file
from trainer.sampling.sampler import Ending


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LengthGap:
    """Characters of chosen and rejected texts; ``difference`` is chosen minus rejected, with 95 % interval."""

    chosen: float
    rejected: float
    difference: Interval
    chosen_longer_share: float
    length_matched_share: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FailedPrompt:
    """A prompt without a sample, and why."""

    id: str
    code: str
    detail: str
    retryable: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What was paid, over all runs of the journal. ``unpriced``: answers that did not say, mostly none at all."""

    prompt: int
    completion: int
    ceiling: int | None
    unpriced: int

    @property
    def total(self) -> int:
        """Both kinds."""
        return self.prompt + self.completion


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Prompts = pairs + those without a pair + failed + open."""

    ending: Ending
    prompts: int
    open: int
    pairs: Sequence[SampledPair]
    no_pair: Mapping[str, int]
    failed: Sequence[FailedPrompt]
    skipped: Sequence[Skipped]
    repeated: Sequence[Skipped]
    tokens: Tokens
    lengths: LengthGap | None
    seconds: float
    versions: Mapping[str, int]
    settings: Mapping[str, JsonValue]

    @property
    def complete(self) -> bool:
        """Whether every prompt has an outcome."""
        return self.ending is Ending.COMPLETE

    @property
    def without_pair(self) -> int:
        """Prompts whose candidates gave no pair."""
        return sum(self.no_pair.values())

    @property
    def failures(self) -> dict[str, int]:
        """Failed prompts by code, the most frequent first."""
        return _counted(failed.code for failed in self.failed)

    @property
    def to_retry(self) -> int:
        """Failed prompts that another try may mend."""
        return sum(failed.retryable for failed in self.failed)

    @property
    def prompts_per_minute(self) -> float | None:
        """Over all runs of the journal; None where no time has passed."""
        return 60 * (self.prompts - self.open) / self.seconds if self.seconds > 0 else None

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "complete": self.complete,
            "ending": self.ending.value,
            "prompts": self.prompts,
            "open": self.open,
            "pairs": len(self.pairs),
            "without_pair": self.without_pair,
            "no_pair": dict(self.no_pair),
            "failed": len(self.failed),
            "failures": self.failures,
            "to_retry": self.to_retry,
            "rows_skipped": len(self.skipped),
            "rows_repeated": len(self.repeated),
            "tokens": {**dataclasses.asdict(self.tokens), "total": self.tokens.total},
            "lengths": None if self.lengths is None else dataclasses.asdict(self.lengths),
            "seconds": round(self.seconds, 3),
            "prompts_per_minute": None if self.prompts_per_minute is None else round(self.prompts_per_minute, 3),
            "versions": dict(self.versions),
            "settings": dict(self.settings),
            "failed_prompts": [dataclasses.asdict(failed) for failed in self.failed],
            "skipped_rows": [dataclasses.asdict(skipped) for skipped in self.skipped],
            "repeated_rows": [dataclasses.asdict(repeated) for repeated in self.repeated],
        }


def sum_up(
    prompts: Prompts, journal: Journal, ending: Ending, *, ceiling: int | None, settings: Mapping[str, JsonValue]
) -> Summary:
    """Count what a journal holds."""
    entries = [(prompt, journal.entries.get(index)) for index, prompt in enumerate(prompts.asked)]
    choices = [entry.choice for _, entry in entries if entry is not None and entry.choice is not None]
    pairs = [choice.pair for choice in choices if choice.pair is not None]
    failed = [
        FailedPrompt(
            id=prompt.id, code=entry.failure.code, detail=entry.failure.detail, retryable=entry.failure.retryable
        )
        for prompt, entry in entries
        if entry is not None and entry.failure is not None
    ]
    return Summary(
        ending=ending,
        prompts=len(prompts.asked),
        open=sum(entry is None for _, entry in entries),
        pairs=pairs,
        no_pair=_counted(choice.no_pair for choice in choices if choice.no_pair is not None),
        failed=failed,
        skipped=prompts.skipped,
        repeated=prompts.repeated,
        tokens=Tokens(
            prompt=journal.paid.prompt_tokens,
            completion=journal.paid.completion_tokens,
            ceiling=ceiling,
            unpriced=journal.unpriced,
        ),
        lengths=length_gap(pairs),
        seconds=journal.seconds,
        versions=_counted(entry.version for _, entry in entries if entry is not None and entry.choice is not None),
        settings=settings,
    )


def write_summary(summary: Summary, path: Path) -> None:
    """Write it as JSON; whole or not at all."""
    with whole_file(path) as file:
        file.write(json.dumps(summary.document(), ensure_ascii=False, indent=2) + "\n")


def length_gap(pairs: Sequence[SampledPair]) -> LengthGap | None:
    """How the lengths of chosen and rejected texts differ; None where there are no pairs."""
    if not pairs:
        return None
    chosen = [len(pair.chosen) for pair in pairs]
    rejected = [len(pair.rejected) for pair in pairs]
    return LengthGap(
        chosen=sum(chosen) / len(pairs),
        rejected=sum(rejected) / len(pairs),
        difference=bootstrap_difference(rejected, chosen),
        chosen_longer_share=sum(one > other for one, other in zip(chosen, rejected, strict=True)) / len(pairs),
        length_matched_share=sum(pair.length_matched for pair in pairs) / len(pairs),
    )


def _counted(values: Iterable[str | None]) -> dict[str, int]:
    """The most frequent first; those equally frequent by name."""
    counts = collections.Counter(value or "unknown" for value in values)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
