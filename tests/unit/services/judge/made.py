"""What the judge's unit tests are made of: answers as a server would give them, rules, settings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry

from services.judge.examples import Example, Examples
from services.judge.modes import ModeSettings
from services.judge.settings import JudgeSettings
from shared.llm.cached import CachedLlm
from shared.llm.chat import ChatAnswer, ChatRequest, LlmUsage, Message, TokenLogprobs
from shared.llm.client import LlmClient
from shared.llm.limits import LimitSettings, LocalLimiter
from shared.llm.metrics import LlmMetrics
from shared.llm.settings import LlmSettings
from shared.principles import Principles

PROMPT_TOKENS, COMPLETION_TOKENS = 40, 3


def answer(text: str, top: Mapping[str, float] | None = None, *, logprob: float = -9.0) -> ChatAnswer:
    """An answer, with log-probabilities of its only token where ``top`` gives them."""
    tokens = () if top is None else (TokenLogprobs(token=text, logprob=logprob, top=tuple(top.items())),)
    usage = LlmUsage(prompt_tokens=PROMPT_TOKENS, cached_prompt_tokens=32, completion_tokens=COMPLETION_TOKENS)
    return ChatAnswer(text=text, tokens=tokens, finish_reason="stop", model="test-model", usage=usage)


def principles(**changes: Any) -> Principles:
    values = {"id": "test-v1", "obtained": "为测试而写", "rules": ["切合请求。", "情意真切。"], **changes}
    return Principles.model_validate(values)


def mode_settings(**changes: Any) -> ModeSettings:
    values: dict[str, Any] = {
        "api": "chat",
        "labels": ("好", "差"),
        "least_label_mass": 0.2,
        "few_shot_limit": 32,
        "temperature": 0.7,
    }
    return ModeSettings(**{**values, **changes})


def examples(prompts: int = 2, **changes: Any) -> Examples:
    """Examples of some prompts, a good one and a bad one for each."""
    rows = [
        Example(prompt=f"请求{number}", completion=f"{'好' if good else '平'}祝福{number}", verdict=good, **changes)
        for number in range(prompts)
        for good in (1, 0)
    ]
    return Examples(id="test-examples", examples=rows)


class ScriptedClient(LlmClient):
    """Answers, or fails, as it is told; it keeps what it was asked."""

    def __init__(self, script: Callable[[ChatRequest], ChatAnswer | Exception]) -> None:
        settings = LlmSettings(llm_url="http://127.0.0.1:1", llm_model="test-model")
        super().__init__(settings, limiter=LocalLimiter(LimitSettings()), metrics=LlmMetrics(CollectorRegistry()))
        self.asked: list[ChatRequest] = []
        self.under_way = 0
        self.most_under_way = 0
        self._script = script

    async def ask(self, request: ChatRequest, *, timeout_seconds: float | None = None) -> ChatAnswer:
        self.asked.append(request)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        return self._outcome(request)

    async def check(self) -> None:
        self._outcome(ChatRequest(messages=(Message(role="user", content="?"),), max_tokens=1))

    def _outcome(self, request: ChatRequest) -> ChatAnswer:
        outcome = self._script(request)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def panelist(script: Callable[[ChatRequest], ChatAnswer | Exception] | ChatAnswer | Exception) -> CachedLlm:
    """A model of a panel that has no cache."""
    outcome = script
    client = ScriptedClient(outcome if callable(outcome) else lambda _: outcome)
    return CachedLlm(client, None, api="chat", timeout_seconds=1)


def settings(**changes: Any) -> JudgeSettings:
    return JudgeSettings.model_validate({"llm_url": "http://127.0.0.1:1/v1", "llm_model": "test-model", **changes})
