"""The reflection phase: the Detector judges labelled greetings, and the Reflector explains where it was wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from pydantic import JsonValue

from shared.llm.role import Role
from trainer.data.labelled import Labelled
from trainer.judge_optimizer.asker import Asker, Call, all_of
from trainer.judge_optimizer.judging import Judged, judge
from trainer.judge_optimizer.questions import Shown, feedback_line, to_reflect
from trainer.judge_optimizer.roles import Cast, Reflection, Verdict
from trainer.judge_optimizer.strategy import Strategy


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reflected:
    """One labelled greeting; ``reflected`` is there where the Detector's verdict was not the label."""

    judged: Judged
    reflected: Call[Reflection] | None

    def to_json(self) -> dict[str, JsonValue]:
        """For the log."""
        reflected = None if self.reflected is None else self.reflected.to_json()
        return {**self.judged.to_json(), "reflected": reflected}


@dataclasses.dataclass(frozen=True, slots=True)
class ReflectionPhase:
    """A batch of labelled greetings."""

    examples: tuple[Reflected, ...]

    @property
    def wrong(self) -> int:
        """Verdicts that are not the label."""
        return sum(example.judged.is_wrong for example in self.examples)

    @property
    def for_detector(self) -> list[str]:
        """Feedback for S_D."""
        answers = [example.reflected.answer for example in self.examples if example.reflected is not None]
        return [feedback_line(f"{answer.error} {answer.suggestion}") for answer in answers if answer is not None]


async def reflect_all(asker: Asker, cast: Cast, strategy: Strategy, rows: Sequence[Labelled]) -> ReflectionPhase:
    """Judge each, and reflect on what was wrong, side by side."""
    detector = cast.detector(strategy)
    return ReflectionPhase(tuple(await all_of(_reflect(asker, cast, detector, strategy, row) for row in rows)))


async def _reflect(asker: Asker, cast: Cast, detector: Role[Verdict], strategy: Strategy, row: Labelled) -> Reflected:
    judged = await judge(asker, detector, row)
    reflected: Call[Reflection] | None = None
    if judged.is_wrong:
        reason = judged.call.answer.reason if judged.call is not None and judged.call.answer is not None else ""
        question = to_reflect(strategy, Shown.of(row.prompt, row.completion), row.label, reason)
        reflected = await asker.ask(cast.reflector, question, words=lambda answer: answer.error + answer.suggestion)
    return Reflected(judged=judged, reflected=reflected)
