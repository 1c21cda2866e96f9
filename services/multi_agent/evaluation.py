"""What comes of an evaluation, and the record of how it came about."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, JsonValue

from services.multi_agent.answers import Flaws, Merits
from shared.llm.cached import Bill
from shared.llm.chat import LlmUsage

Grading = Literal["verdict", "quality"]
Verdict = Literal[0, 1]


@dataclasses.dataclass(slots=True, kw_only=True)
class Step:
    """One step of an evaluation. It tells no times and nothing of caches: a replay has the same steps.

    Attributes:
        step: The agent's name, or ``retrieval``.
        round: Counted from 1; 0 for what comes before the first.
        prompt_version: Of the agent's instructions and shots.
        question: What came behind them.
        answer: Of the agent, as it was given; the hits of retrieval.
        error: Code of the failure, where there is no answer.
        notes: What the pipeline made of it.
        usage: Of the answer as the server counted it, also where it came from the cache.
    """

    step: str
    round: int
    prompt_version: str | None = None
    question: str | None = None
    answer: JsonValue = None
    error: str | None = None
    notes: list[str] = dataclasses.field(default_factory=list)
    usage: LlmUsage | None = None

    def take(self, answer: BaseModel, usage: LlmUsage) -> None:
        """Note what an agent answered."""
        self.answer = answer.model_dump(mode="json")
        self.usage = usage

    def to_json(self) -> dict[str, JsonValue]:
        """As transcripts hold it; what there is not is left out, but ``answer``."""
        told: dict[str, JsonValue] = {"step": self.step, "round": self.round}
        if self.prompt_version is not None:
            told["prompt_version"] = self.prompt_version
        if self.question is not None:
            told["question"] = self.question
        told["answer"] = self.answer
        if self.error is not None:
            told["error"] = self.error
        if self.notes:
            told["note"] = ", ".join(self.notes)
        if self.usage is not None:
            tokens: dict[str, JsonValue] = {
                "prompt": self.usage.prompt_tokens,
                "completion": self.usage.completion_tokens,
            }
            told["tokens"] = tokens
        return told


def _nobody(_: Step) -> None:
    """Hears of a step that nobody watches."""


@dataclasses.dataclass(slots=True)
class Record:
    """What is kept of an evaluation while it is under way, so that a failure has its cost and its steps, too.

    ``tell`` is called with a step when it begins, and whenever something is added to it.
    """

    bill: Bill = dataclasses.field(default_factory=Bill)
    steps: list[Step] = dataclasses.field(default_factory=list)
    tell: Callable[[Step], None] = _nobody

    def begin(self, step: Step) -> None:
        """Put down a step that begins."""
        self.steps.append(step)
        self.tell(step)

    @property
    def transcript(self) -> list[JsonValue]:
        """All steps so far."""
        return [step.to_json() for step in self.steps]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One greeting, evaluated.

    Attributes:
        verdict: The final one.
        merits: None where they were not collected.
        flaws: None where they were not collected.
        reason: Of the final verdict.
        rounds: How often the greeting was weighed; 0 where nothing was left to weigh.
        overridden: Whether the reflect agent changed the judge's verdict.
        flags: Signs of an attack in the greeting.
        reward: By the grading that was asked for.
    """

    verdict: Verdict
    merits: Merits | None = None
    flaws: Flaws | None = None
    reason: str
    rounds: int
    overridden: bool = False
    flags: Sequence[str] = ()
    grading: Grading = "verdict"

    @property
    def quality(self) -> float:
        """From 0 to 1, by the verdict first and the balance of merits and flaws second; 0 where nothing was weighed."""
        if not self.rounds:
            return 0.0
        return quality_of(self.verdict, _count(self.merits), _count(self.flaws))

    @property
    def reward(self) -> float:
        """From 0 to 1."""
        return self.quality if self.grading == "quality" else float(self.verdict)

    @property
    def components(self) -> Mapping[str, float]:
        """What else is told in numbers; a list that was not collected has none."""
        counts = {
            name: float(found.count)
            for name, found in (("merits", self.merits), ("flaws", self.flaws))
            if found is not None
        }
        return {"quality": self.quality, **counts, "rounds": float(self.rounds), "overridden": float(self.overridden)}


def quality_of(verdict: int, merits: int, flaws: int) -> float:
    """Above one half for good, below for bad; within, the share of merits, counted as if one more of each was found."""
    return (verdict + (1 + merits) / (2 + merits + flaws)) / 2


def _count(found: Merits | Flaws | None) -> int:
    return 0 if found is None else found.count
