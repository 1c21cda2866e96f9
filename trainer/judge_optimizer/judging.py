"""The Detector's verdicts about labelled greetings, one by one and over a matched set."""

from __future__ import annotations

import dataclasses

from pydantic import JsonValue

from shared.llm.role import Role
from trainer.data.labelled import Labelled
from trainer.data.matching import MatchedSet
from trainer.judge_optimizer.asker import Asker, Call, all_of
from trainer.judge_optimizer.gate import Measurement
from trainer.judge_optimizer.gate import Verdict as VerdictValue
from trainer.judge_optimizer.questions import Shown, to_judge
from trainer.judge_optimizer.roles import Cast, Verdict
from trainer.judge_optimizer.strategy import Strategy


@dataclasses.dataclass(frozen=True, slots=True)
class Judged:
    """A labelled greeting and what the Detector made of it; ``call`` is None where nothing was left to be judged."""

    row: Labelled
    call: Call[Verdict] | None

    @property
    def verdict(self) -> VerdictValue | None:
        """None where the call failed; 0, as the judge serves it, where nothing was left to be judged."""
        if self.call is None:
            return 0
        if self.call.answer is None:
            return None
        return 1 if self.call.answer.verdict else 0

    @property
    def is_wrong(self) -> bool:
        """Whether there is a verdict, and it is not the label."""
        return self.verdict is not None and self.verdict != self.row.label

    def to_json(self) -> dict[str, JsonValue]:
        """For the log."""
        return {
            "id": self.row.id,
            "label": self.row.label,
            "verdict": self.verdict,
            "judged": None if self.call is None else self.call.to_json(),
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Sitting:
    """All verdicts of a strategy about a matched set."""

    measurement: Measurement
    judged: tuple[Judged, ...]

    def to_json(self) -> dict[str, JsonValue]:
        """For the log."""
        return {**self.measurement.to_json(), "rows": [each.to_json() for each in self.judged]}


async def judge(asker: Asker, detector: Role[Verdict], row: Labelled) -> Judged:
    """One verdict."""
    shown = Shown.of(row.prompt, row.completion)
    if not shown.has_words:
        return Judged(row, None)
    return Judged(row, await asker.ask(detector, to_judge(shown), words=lambda answer: answer.reason))


async def measure(asker: Asker, cast: Cast, strategy: Strategy, data: MatchedSet) -> Sitting:
    """Judge all of a matched set, side by side."""
    detector = cast.detector(strategy)
    judged = await all_of(judge(asker, detector, row) for row in data.rows)
    return Sitting(Measurement(strategy, tuple(each.verdict for each in judged)), tuple(judged))
