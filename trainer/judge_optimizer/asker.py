"""Asking one role one question: from the kept answers where it was asked before, else within all limits."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, JsonValue

from shared.llm.chat import ChatAnswer, ChatRequest, LlmApi
from shared.llm.client import LlmClient
from shared.llm.errors import LlmFailed, LlmFailureCode
from shared.llm.role import Role
from shared.llm.structured import answer_failed, is_in_language
from trainer.judge_optimizer.answers import AnswerStore, Outcome
from trainer.judge_optimizer.budget import Budget
from trainer.judge_optimizer.errors import LlmDown

AWAY: frozenset[LlmFailureCode] = frozenset(
    {
        "llm_timeout",
        "llm_rate_limited",
        "llm_server_error",
        "llm_unreachable",
        "llm_rejected",
        "llm_limit_wait",
        "llm_circuit_open",
    }
)
"""What says more of the server, or of how it is asked, than of one question."""
DOWN_AFTER = 4
"""So many calls in a row that end like this: nobody is there, and a round of failures would be worth nothing."""

Answer = TypeVar("Answer", bound=BaseModel)
Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[Answer]):
    """One question and what came of it; the same in every replay.

    Attributes:
        role: Who was asked.
        prompt: Version of its prompt, the rules in it included.
        question: What came after the fixed part.
        digest: Under which the answer is kept.
        answer: Typed; None where there is none.
        failure: Why there is none.
        prompt_tokens: By the server's count, whoever paid them.
        completion_tokens: Likewise.
    """

    role: str
    prompt: str
    question: str
    digest: str
    answer: Answer | None
    failure: LlmFailed | None
    prompt_tokens: int
    completion_tokens: int

    def to_json(self) -> dict[str, JsonValue]:
        """For the log."""
        failure = self.failure
        return {
            "role": self.role,
            "prompt": self.prompt,
            "question": self.question,
            "digest": self.digest,
            "answer": None if self.answer is None else self.answer.model_dump(mode="json"),
            "failure": None if failure is None else {"code": failure.failure_code, "detail": failure.detail},
            "tokens": {"prompt": self.prompt_tokens, "completion": self.completion_tokens},
        }


@dataclasses.dataclass(slots=True)
class Tally:
    """What was asked in a round, the same in every replay; and what of it this process paid."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    failures: dict[str, int] = dataclasses.field(default_factory=dict)
    paid_calls: int = 0
    paid_tokens: int = 0

    def count(self, call: Call[Any]) -> None:
        """Add a call."""
        self.calls += 1
        self.prompt_tokens += call.prompt_tokens
        self.completion_tokens += call.completion_tokens
        if call.failure is not None:
            code = f"{call.role}_{call.failure.failure_code}"
            self.failures[code] = self.failures.get(code, 0) + 1


class Asker:
    """Asks one model. At most ``max_in_flight`` questions are under way; a question that is, is not asked twice."""

    def __init__(
        self,
        client: LlmClient,
        api: LlmApi,
        store: AnswerStore,
        budget: Budget,
        *,
        max_in_flight: int,
        heard: Callable[[], None] = lambda: None,
    ) -> None:
        """``heard`` is called after each question."""
        self.tally = Tally()
        """Of this round."""
        self._round = 0
        self._client = client
        self._api: LlmApi = api
        self._store = store
        self._budget = budget
        self._room = asyncio.Semaphore(max_in_flight)
        self._heard = heard
        self._under_way: dict[str, asyncio.Lock] = {}
        self._away_in_a_row = 0
        self._down: LlmDown | None = None

    def begin_round(self, number: int) -> None:
        """From now on, calls and failures are of this round."""
        self._round = number
        self.tally = Tally()

    def end_round(self) -> None:
        """The round is logged: what failed in it has failed for good."""
        self._store.settle(rounds=self._round + 1)

    async def ask(
        self, role: Role[Answer], question: str, *, words: Callable[[Answer], str | None], seed: int | None = None
    ) -> Call[Answer]:
        """Ask, and read the answer.

        Args:
            role: Who is asked.
            question: What comes after the fixed part of its prompt.
            words: What of its answer has to be Chinese; None where there is nothing of that kind in it.
            seed: For answers that are drawn.

        Returns:
            The call; one without a usable answer says why.

        Raises:
            CeilingReached: There is no room for the call.
            LlmDown: Nobody answers any more.
            AnswersUnusable: The answer cannot be kept.
        """
        request = role.request(question, self._api, seed=seed)
        digest = self._client.digest(request)
        async with self._alone(digest):
            outcome = self._store.find(digest, role.name)
            if outcome is None:
                outcome = await self._paid(request, digest, role.name)
        answer: Answer | None = None
        failure: LlmFailed | None = None
        usage = outcome.usage.to_contract() if isinstance(outcome, ChatAnswer) else outcome.usage
        try:
            if isinstance(outcome, LlmFailed):
                raise outcome
            answer = role.read(outcome)
            checked = words(answer)
            if checked is not None and not is_in_language(checked, "zh"):
                raise answer_failed(outcome, "llm_wrong_language", "an answer that is not in Chinese")
        except LlmFailed as error:
            answer, failure = None, error
        call = Call(
            role=role.name,
            prompt=role.version,
            question=question,
            digest=digest,
            answer=answer,
            failure=failure,
            prompt_tokens=usage.prompt_tokens if usage else 0,
            completion_tokens=usage.completion_tokens if usage else 0,
        )
        self.tally.count(call)
        self._heard()
        return call

    async def _paid(self, request: ChatRequest, digest: str, role: str) -> Outcome:
        async with self._room:
            if self._down is not None:
                raise LlmDown(self._down.detail)
            estimate = request.estimated_tokens
            await self._budget.reserve(estimate)
            outcome: Outcome
            try:
                try:
                    outcome = await self._client.ask(request)
                except LlmFailed as error:
                    outcome = error
                self._store.add(digest, role, outcome, round_number=self._round)
            finally:
                await self._budget.settle(estimate, self._store.spent)
            usage = outcome.usage.to_contract() if isinstance(outcome, ChatAnswer) else outcome.usage
            self.tally.paid_calls += 1
            self.tally.paid_tokens += usage.prompt_tokens + usage.completion_tokens if usage else 0
            self._look_whether_down(outcome)
            return outcome

    def _look_whether_down(self, outcome: Outcome) -> None:
        if not (isinstance(outcome, LlmFailed) and outcome.failure_code in AWAY):
            self._away_in_a_row = 0
            return
        self._away_in_a_row += 1
        if self._away_in_a_row >= DOWN_AFTER:
            self._down = LlmDown(
                f"{DOWN_AFTER} calls in a row had no answer, the last one: {outcome.detail} [{outcome.failure_code}]"
            )
            raise LlmDown(self._down.detail)

    @contextlib.asynccontextmanager
    async def _alone(self, digest: str) -> AsyncIterator[None]:
        """One caller at a time for each question: the second one finds the answer of the first."""
        lock = self._under_way.setdefault(digest, asyncio.Lock())
        async with lock:
            yield
        if not lock.locked():
            self._under_way.pop(digest, None)


async def all_of(calls: Iterable[Awaitable[Result]]) -> list[Result]:
    """All results, in the order of the calls, whatever order they end in.

    Where one raises, the others go on to their end first: what they paid is kept. Then the first error is raised.
    """
    results: list[Any] = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
