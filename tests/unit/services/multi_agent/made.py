"""What the multi-agent unit tests are made of: evaluations, candidates, agents whose model a test plays."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry

from services.multi_agent.agents import Agents, load_agents
from services.multi_agent.answers import Flaw, FlawAspect, Flaws, Merit, MeritAspect, Merits
from services.multi_agent.evaluation import Evaluation, Verdict
from services.multi_agent.metrics import MultiAgentMetrics
from services.multi_agent.pairs import Candidate
from services.multi_agent.pipeline import Pipeline
from services.multi_agent.retrieval.corpus import Document
from services.multi_agent.retrieval.retriever import Hit
from services.multi_agent.settings import MultiAgentSettings
from shared.llm.cached import CachedLlm
from shared.llm.chat import ChatAnswer, ChatRequest, LlmUsage
from shared.llm.client import LlmClient
from shared.llm.errors import LlmFailed
from shared.llm.limits import LimitSettings, LocalLimiter
from shared.llm.metrics import LlmMetrics
from shared.llm.settings import LlmSettings
from tests.support.multi_agent import DEFAULTS

MERIT_ASPECTS: Sequence[MeritAspect] = ("language", "fluency", "feeling", "creativity", "specificity")
FLAW_ASPECTS: Sequence[FlawAspect] = ("errors", "awkwardness", "flatness", "staleness", "mismatch")


def merits(count: int) -> Merits:
    return Merits(merits=[Merit(aspect=aspect, why="真切") for aspect in MERIT_ASPECTS[:count]])


def flaws(count: int) -> Flaws:
    return Flaws(flaws=[Flaw(aspect=aspect, why="平常") for aspect in FLAW_ASPECTS[:count]])


def evaluation(verdict: Verdict, merit_count: int = 1, flaw_count: int = 1, **changes: Any) -> Evaluation:
    values: dict[str, Any] = {
        "verdict": verdict,
        "merits": merits(merit_count),
        "flaws": flaws(flaw_count),
        "reason": "有理有据",
        "rounds": 1,
    }
    return Evaluation(**{**values, **changes})


def candidate(index: int, text: str | None, verdict: Verdict | None = None, *counts: int, **changes: Any) -> Candidate:
    """A candidate; without a verdict, one whose evaluation failed."""
    done = None if verdict is None else evaluation(verdict, *counts, **changes)
    return Candidate(index=index, text=text, evaluation=done)


def settings(**changes: Any) -> MultiAgentSettings:
    return MultiAgentSettings.model_validate({"llm_url": "http://127.0.0.1:1/v1", "llm_model": "test-model", **changes})


Played = Mapping[str, Any] | LlmFailed


class PlayedClient(LlmClient):
    """Plays every agent, by the name of the schema; keeps what it was asked."""

    def __init__(self, **parts: Callable[[str], Played]) -> None:
        super().__init__(
            LlmSettings(llm_url="http://127.0.0.1:1", llm_model="test-model"),
            limiter=LocalLimiter(LimitSettings()),
            metrics=LlmMetrics(CollectorRegistry()),
        )
        self.asked: list[tuple[str, str]] = []
        self.under_way: set[str] = set()
        self.together: set[frozenset[str]] = set()
        self._parts = parts

    async def ask(self, request: ChatRequest, *, timeout_seconds: float | None = None) -> ChatAnswer:
        agent, question = request.schema_name, request.messages[-1].content
        self.asked.append((agent, question))
        self.under_way.add(agent)
        await asyncio.sleep(0)
        self.together.add(frozenset(self.under_way))
        self.under_way.discard(agent)
        part = self._parts.get(agent)
        answer = DEFAULTS[agent] if part is None else part(question)
        if isinstance(answer, Exception):
            raise answer
        usage = LlmUsage(prompt_tokens=40, cached_prompt_tokens=0, completion_tokens=3)
        text = json.dumps(answer, ensure_ascii=False)
        return ChatAnswer(text=text, tokens=(), finish_reason="stop", model="test-model", usage=usage)


def agents(client: LlmClient, metrics: MultiAgentMetrics | None = None) -> Agents:
    llm = CachedLlm(client, None, api="chat", timeout_seconds=1)
    return load_agents(llm, metrics or MultiAgentMetrics("multi_agent", CollectorRegistry()))


class Library:
    """Retrieves what it holds, but what is excluded; notes what it was asked."""

    def __init__(self, *completions: str) -> None:
        self.asked: list[tuple[str, Sequence[str]]] = []
        self._completions = completions

    async def retrieve(self, prompt: str, *, exclude: Sequence[str] = ()) -> list[Hit]:
        self.asked.append((prompt, exclude))
        return [
            Hit(Document(prompt="旧请求", completion=text, engagement=1.0), 0.9, row)
            for row, text in enumerate(self._completions)
            if text not in exclude
        ]


def pipeline(client: LlmClient, library: Library | None = None, **changes: Any) -> Pipeline:
    metrics = MultiAgentMetrics("multi_agent", CollectorRegistry())
    return Pipeline(agents(client, metrics), library, metrics, **changes)
