"""A model whose answers are cached, and a bill for what was really asked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from pydantic import JsonValue

from shared.errors import ScoringFailed
from shared.llm.cache import AnswerCache
from shared.llm.chat import ChatAnswer, ChatRequest, LlmApi
from shared.llm.client import LlmClient
from shared.llm.errors import LlmFailed
from shared.schemas import Usage


@dataclasses.dataclass(slots=True)
class Bill:
    """What asking for one rollout cost: only answers that were really asked for it."""

    asked: int = 0
    answers: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def cached(self) -> bool:
        """Whether nothing was asked for it."""
        return self.answers > 0 and self.asked == 0

    def add(self, usage: Usage | None) -> None:
        """Count one answer that was paid."""
        self.asked += 1
        if usage is not None:
            self.prompt_tokens += usage.prompt_tokens
            self.completion_tokens += usage.completion_tokens

    def charged_to(self, error: ScoringFailed, details: Mapping[str, JsonValue] | None = None) -> ScoringFailed:
        """The same failure with the cost of everything that was asked for its rollout."""
        return ScoringFailed(
            error.detail, code=error.failure_code, retryable=error.may_retry, usage=self.usage(), details=details
        )

    def usage(self) -> Usage:
        """As scores report it."""
        return Usage(prompt_tokens=self.prompt_tokens, completion_tokens=self.completion_tokens)


class CachedLlm:
    """One model of one server, and the cache of its answers."""

    def __init__(
        self, client: LlmClient, cache: AnswerCache | None, *, api: LlmApi, salt: str = "", timeout_seconds: float
    ) -> None:
        """``salt`` tells its cached answers from those of another model of the same name."""
        self.api = api
        self._client = client
        self._cache = cache
        self._salt = salt
        self._timeout_seconds = timeout_seconds

    @property
    def model(self) -> str:
        """Its name."""
        return self._client.model

    async def ask(self, request: ChatRequest, salt: str, bill: Bill) -> ChatAnswer:
        """The answer, from the cache where it is known.

        Args:
            request: The question.
            salt: What else the reading of its answer depends on: versions.
            bill: What it cost is put there.

        Raises:
            LlmFailed: There is no answer.
        """
        bill.answers += 1
        if self._cache is None:
            return await self._paid(request, bill)

        async def ask() -> ChatAnswer:
            return await self._paid(request, bill)

        digest = self._client.digest(request, salt + self._salt)
        answer, _ = await self._cache.get_or_ask(digest, ask, self._timeout_seconds)
        return answer

    async def check(self) -> None:
        """Raise `NotReady` where the model cannot be asked."""
        await self._client.check()

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()

    async def _paid(self, request: ChatRequest, bill: Bill) -> ChatAnswer:
        try:
            answer = await self._client.ask(request)
        except LlmFailed as error:
            bill.add(error.usage)
            raise
        bill.add(answer.usage.to_contract())
        return answer
