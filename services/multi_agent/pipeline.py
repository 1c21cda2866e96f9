"""Retrieval, then positive beside negative, then judge, then reflect; and all of it but retrieval perhaps once more.

The order and the parts are those of the paper (section on the reward model). The reflect agent changes the judge's
verdict only with a reason, and has the greeting weighed again only so often. An agent that gives no usable answer ends
the evaluation with a failure of its own: there is no verdict in its place.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

from pydantic import BaseModel, JsonValue

from services.multi_agent.agents import Agent, AgentFailed, Agents
from services.multi_agent.answers import Flaws, Judgement, Merits, Reflection
from services.multi_agent.evaluation import Evaluation, Record, Step
from services.multi_agent.metrics import MultiAgentMetrics
from services.multi_agent.questions import (
    Example,
    Matter,
    about_points,
    about_reflection,
    about_verdict,
    suspicious,
)
from services.multi_agent.retrieval.corpus import folded
from services.multi_agent.retrieval.retriever import Hit
from services.multi_agent.task import Plan
from shared.errors import ScoringFailed
from shared.llm.service_settings import OnAttack
from shared.untrusted import has_words, inspect

Answer = TypeVar("Answer", bound=BaseModel)

NOTHING_LEFT: Final = "no words are left to judge"
LEAST_REASON_LETTERS: Final = 4
"""A reason has words, else it is none."""
SIMILARITY_DIGITS: Final = 4
"""In transcripts: what lies beyond is rounding, which may differ between machines."""


class Retrieves(Protocol):
    """Finds examples: `services.multi_agent.retrieval.retriever.Retriever`."""

    async def retrieve(self, prompt: str, *, exclude: Sequence[str] = ()) -> list[Hit]:
        """The best examples for a prompt, but none whose completion is one of ``exclude``."""


class Pipeline:
    """Evaluates greetings."""

    def __init__(
        self, agents: Agents, retriever: Retrieves | None, metrics: MultiAgentMetrics, *, on_attack: OnAttack = "cut"
    ) -> None:
        """``retriever`` is None where there is no index: then no evaluation has examples."""
        self.agents: Final = agents
        self._retriever = retriever
        self._metrics = metrics
        self._on_attack = on_attack

    async def retrieve(
        self, prompt: str, plan: Plan, record: Record, *, exclude: Sequence[str] = ()
    ) -> list[Hit] | None:
        """Examples for a prompt; None where none are to be looked for.

        Raises:
            ScoringFailed: They could not be looked for.
        """
        if self._retriever is None or "retrieval" in plan.without:
            return None
        step = Step(step="retrieval", round=0)
        record.begin(step)
        try:
            hits = await self._retriever.retrieve(prompt, exclude=exclude)
        except ScoringFailed as error:
            self._metrics.failures.labels("retrieval", error.failure_code).inc()
            step.error = error.failure_code
            record.tell(step)
            raise
        step.answer = [hit_json(hit) for hit in hits]
        record.tell(step)
        return hits

    async def evaluate(
        self, prompt: str, completion: str, plan: Plan, record: Record, *, known: Sequence[Hit] | None = None
    ) -> Evaluation:
        """Evaluate one greeting.

        Args:
            prompt: What was asked for.
            completion: What was written for it.
            plan: How.
            record: Steps and costs are put there, also of an evaluation that fails.
            known: Examples that were retrieved for this prompt; they serve where this greeting is not one of them.

        Raises:
            AgentFailed: An agent gave no usable answer.
            ScoringFailed: Retrieval failed, or the greeting is an attack and such shall fail.
        """
        seen = inspect(completion)
        self._metrics.inspection.count(seen.flags)
        if seen.flags and self._on_attack == "fail":
            raise ScoringFailed(
                f"signs of an attack on the agents: {', '.join(seen.flags)}", code="attack_flagged", retryable=False
            )
        if not has_words(seen.shown):
            return Evaluation(verdict=0, reason=NOTHING_LEFT, rounds=0, flags=seen.flags, grading=plan.grading)
        if known is not None and folded(completion) not in {folded(hit.document.completion) for hit in known}:
            hits: Sequence[Hit] | None = known
        else:
            hits = await self.retrieve(prompt, plan, record, exclude=[completion])
        weighed = await self._weigh(
            Matter(prompt=prompt, completion=seen.shown, examples=examples_of(hits)), plan, record
        )
        return dataclasses.replace(weighed, flags=seen.flags)

    async def _weigh(self, matter: Matter, plan: Plan, record: Record) -> Evaluation:
        """One round, and another one for as long as the reflect agent asks for it with a reason and may."""
        number = 0
        while True:
            number += 1
            merits, flaws = await self._points(matter, plan, record, number)
            judgement = reflection = None
            if "judge" not in plan.without:
                question = about_verdict(matter, merits, flaws)
                judgement = await self._ask(self.agents.judge, question, record, number)
                self._metrics.verdicts.labels("judge", str(judgement.verdict)).inc()
            if "reflect" not in plan.without:
                question = about_reflection(matter, merits, flaws, judgement)
                reflection = await self._ask(self.agents.reflect, question, record, number)
                self._metrics.verdicts.labels("reflect", str(reflection.verdict)).inc()
            if reflection is None or not self._goes_on(reflection, plan, record.steps[-1], number):
                break
            self._metrics.reevaluations.inc()
            matter = dataclasses.replace(matter, opinion=reflection.reason)
        verdict, reason, overridden = self._settled(judgement, reflection, record.steps[-1])
        if record.steps[-1].notes:
            record.tell(record.steps[-1])
        return Evaluation(
            verdict=1 if verdict else 0,
            merits=merits,
            flaws=flaws,
            reason=reason,
            rounds=number,
            overridden=overridden,
            grading=plan.grading,
        )

    async def _points(
        self, matter: Matter, plan: Plan, record: Record, number: int
    ) -> tuple[Merits | None, Flaws | None]:
        """Merits and flaws, asked for at the same time; None where the one or the other is left out."""
        question = about_points(matter)
        positive, negative = await asyncio.gather(
            self._list(self.agents.positive, question, plan, record, number),
            self._list(self.agents.negative, question, plan, record, number),
            return_exceptions=True,
        )
        failures = [each for each in (positive, negative) if isinstance(each, BaseException)]
        for failure in failures:
            if not isinstance(failure, ScoringFailed):
                raise failure
        if failures:  # one that is for good comes first: another try of the rest would not help
            raise min(failures, key=lambda each: isinstance(each, ScoringFailed) and each.may_retry)
        if isinstance(positive, BaseException) or isinstance(negative, BaseException):
            raise AssertionError("unreachable: failures are raised above")
        return positive, negative

    async def _list(
        self, agent: Agent[Listed], question: str, plan: Plan, record: Record, number: int
    ) -> Listed | None:
        if agent.name in plan.without:
            return None
        step = _step(agent, question, number)
        record.begin(step)
        found = await self._told(agent, question, step, record)
        if suspicious(found.points):
            step.notes.append("suspicious_text")
            record.tell(step)
            self._metrics.agent_text_flags.labels(agent.name).inc()
        return found

    async def _ask(self, agent: Agent[Answer], question: str, record: Record, number: int) -> Answer:
        step = _step(agent, question, number)
        record.begin(step)
        return await self._told(agent, question, step, record)

    async def _told(self, agent: Agent[Answer], question: str, step: Step, record: Record) -> Answer:
        try:
            told = await agent.ask(question, record.bill)
        except AgentFailed as error:
            step.error = error.failure_code
            record.tell(step)
            raise
        step.take(told.answer, told.usage)
        record.tell(step)
        return told.answer

    def _goes_on(self, reflection: Reflection, plan: Plan, step: Step, number: int) -> bool:
        """Whether there is another round; if one is asked for in vain, the step says why."""
        if not reflection.reevaluate:
            return False
        if not _is_reason(reflection.reason):
            step.notes.append("reevaluation_without_reason")
            return False
        if number > plan.max_reevaluations:
            step.notes.append("reevaluation_bound")
            return False
        return True

    def _settled(self, judgement: Judgement | None, reflection: Reflection | None, step: Step) -> tuple[int, str, bool]:
        """The final verdict, its reason, and whether it is not the judge's."""
        if reflection is None:
            if judgement is None:
                raise AssertionError("unreachable: options without judge and reflect agent are refused")
            return judgement.verdict, judgement.reason, False
        if judgement is None:
            return reflection.verdict, reflection.reason, False
        if reflection.verdict == judgement.verdict:
            return judgement.verdict, reflection.reason or judgement.reason, False
        if not _is_reason(reflection.reason):
            step.notes.append("override_without_reason")
            return judgement.verdict, judgement.reason, False
        step.notes.append("override")
        self._metrics.overrides.inc()
        return reflection.verdict, reflection.reason, True


Listed = TypeVar("Listed", Merits, Flaws)


def hit_json(hit: Hit) -> dict[str, JsonValue]:
    """A retrieved example, as transcripts and samples hold it."""
    return {
        "prompt": hit.document.prompt,
        "completion": hit.document.completion,
        "engagement": hit.document.engagement,
        "similarity": round(hit.similarity, SIMILARITY_DIGITS),
    }


def examples_of(hits: Sequence[Hit] | None) -> list[Example] | None:
    """Examples as prompts may hold them; those of which nothing is left are dropped."""
    if hits is None:
        return None
    shown = (Example.of(hit.document.prompt, hit.document.completion) for hit in hits)
    return [example for example in shown if has_words(example.completion)]


def _step(agent: Agent[Answer], question: str, number: int) -> Step:
    return Step(step=agent.name, round=number, prompt_version=agent.version, question=question)


def _is_reason(text: str) -> bool:
    return sum(map(str.isalpha, text)) >= LEAST_REASON_LETTERS
