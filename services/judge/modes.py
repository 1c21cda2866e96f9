"""What each way of judging one work asks, and how its answers are read.

A mode draws up the `ChatRequest` of one vote and reads a `Vote` from the answer. An answer that is not what was asked
for raises `LlmFailed` with the tokens that it cost; there is no default for it.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from services.judge.examples import Example, Examples
from services.judge.prompts import JSON_CUE, LABEL_CUE, LOGPROB_TASK, RUBRIC_TASK, VERDICT_TASK, Work, head
from services.judge.rubric import ACCEPTABLE, HIGHEST, LOWEST, WEIGHTS, Rubric
from shared.llm.chat import MAX_TOP_LOGPROBS, ChatAnswer, ChatRequest, LlmApi, TokenLogprobs
from shared.llm.errors import quoted
from shared.llm.prompts import Prefix
from shared.llm.structured import answer_failed, is_in_language, parsed
from shared.principles import Principles

ModeName = Literal["logprob", "verdict", "rubric", "group"]

LOG_ODDS: Final = "log_odds"
REASON_TOKENS: Final = 300
MAX_REASON_CHARACTERS: Final = 2000
ROUNDING: Final = 1e-3
"""Probabilities in half precision add up to 1 no better than this."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One answer, read. ``reward`` is from 0 to 1."""

    reward: float
    verdict: Literal[0, 1]
    components: Mapping[str, float]
    reason: str | None = None

    @property
    def log_odds(self) -> float:
        """Of good against bad, for votes that were read from log-probabilities. Raises KeyError for others."""
        return self.components[LOG_ODDS]


def vote_of(log_odds: float, **components: float) -> Vote:
    """The vote of log-odds: reward = P(good) / (P(good) + P(bad))."""
    reward = 1 / (1 + math.exp(min(700.0, -log_odds)))
    return Vote(reward=reward, verdict=1 if reward >= 0.5 else 0, components={LOG_ODDS: log_odds, **components})


def pooled(votes: Sequence[Vote]) -> float:
    """The reward of several votes: that of their mean log-odds where they have such, else their mean reward."""
    if all(LOG_ODDS in vote.components for vote in votes):
        return vote_of(statistics.fmean(vote.log_odds for vote in votes)).reward
    return statistics.fmean(vote.reward for vote in votes)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ModeSettings:
    """What modes can be told.

    Attributes:
        api: How the model is asked.
        labels: The word for a good work and the word for a bad one.
        least_label_mass: Below this probability of both labels together an answer is no answer.
        few_shot_limit: Examples in a prompt at most.
        temperature: Where several samples are drawn; one sample is always drawn at 0.
    """

    api: LlmApi
    labels: tuple[str, str]
    least_label_mass: float
    few_shot_limit: int
    temperature: float


class Mode(Protocol):
    """One way of judging a single work."""

    def request(self, work: Work, sample: int, samples: int) -> ChatRequest:
        """The question of one vote; ``sample`` counts from 0."""

    def read(self, answer: ChatAnswer) -> Vote:
        """The vote. Raises `LlmFailed` for an answer that is none."""


class LogprobMode:
    """One token: reward = P(good) / (P(good) + P(bad)). Each sample sees the examples in another order."""

    def __init__(self, principles: Principles, examples: Examples, settings: ModeSettings) -> None:
        self._principles = principles
        self._examples = examples
        self._settings = settings
        self._prefix = functools.lru_cache(maxsize=32)(self._make_prefix)

    def request(self, work: Work, sample: int, samples: int) -> ChatRequest:
        """See `Mode`."""
        return ChatRequest(
            messages=self._prefix(sample).messages(work.rendered(), self._settings.api),
            max_tokens=1,
            top_logprobs=MAX_TOP_LOGPROBS,
        )

    def read(self, answer: ChatAnswer) -> Vote:
        """See `Mode`."""
        (good, bad), mass = label_log_probabilities(answer, [[label] for label in self._settings.labels])
        if mass < self._settings.least_label_mass:
            raise answer_failed(answer, "llm_unparsable", f"the labels have a probability of {mass:.3f} together")
        return vote_of(good - bad, label_mass=min(1.0, mass))

    def held_out(self, sample: int) -> list[tuple[Work, Literal[0, 1]]]:
        """The examples that the prompt of one sample does not show, with what they deserve."""
        order = self._examples.in_order(self._examples.seed_of(sample))
        shown = len(self._examples.in_order(self._examples.seed_of(sample), self._settings.few_shot_limit))
        return [(_work(row), row.verdict) for row in order[shown:]]

    def _make_prefix(self, sample: int) -> Prefix:
        good, bad = self._settings.labels
        rows = self._examples.in_order(self._examples.seed_of(sample), self._settings.few_shot_limit)
        return Prefix(
            head=head(self._principles, LOGPROB_TASK.format(good=good, bad=bad)),
            turns=tuple((_work(row).rendered(), good if row.verdict else bad) for row in rows),
            cue=LABEL_CUE,
        )


class _JsonMode:
    """An answer in JSON of a schema, with a reason before what it is the reason for."""

    name: str
    task: str
    schema: Mapping[str, JsonValue]

    def __init__(self, principles: Principles, examples: Examples, settings: ModeSettings) -> None:
        self._principles = principles
        self._settings = settings
        rows = examples.in_order(examples.seed_of(0), settings.few_shot_limit)
        self._prefix = Prefix(
            head=head(principles, self.task),
            turns=tuple(
                (_work(row).rendered(), json.dumps(shown, ensure_ascii=False))
                for row in rows
                if (shown := self._example(row)) is not None
            ),
            cue=JSON_CUE,
        )

    def request(self, work: Work, sample: int, samples: int) -> ChatRequest:
        """See `Mode`."""
        return ChatRequest(
            messages=self._prefix.messages(work.rendered(), self._settings.api),
            max_tokens=REASON_TOKENS,
            temperature=self._settings.temperature if samples > 1 else 0.0,
            seed=sample,
            json_schema=self.schema,
            schema_name=self.name,
        )

    def _example(self, row: Example) -> dict[str, Any] | None:
        raise NotImplementedError

    def _checked_reason(self, answer: ChatAnswer, reason: str) -> str:
        if not is_in_language(reason, self._principles.language):
            what = f"a reason that is not in the language asked for ({self._principles.language}): '{quoted(reason)}'"
            raise answer_failed(answer, "llm_wrong_language", what)
        return reason


class _Verdict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    reason: str = Field(max_length=MAX_REASON_CHARACTERS)
    verdict: int = Field(ge=0, le=1)


class VerdictMode(_JsonMode):
    """JSON with a reason and 0 or 1, as in the paper."""

    name = "verdict"
    task = VERDICT_TASK
    schema: Mapping[str, JsonValue] = {
        "type": "object",
        "properties": {
            "reason": {"type": "string", "maxLength": 120},
            "verdict": {"type": "integer", "enum": [0, 1]},
        },
        "required": ["reason", "verdict"],
        "additionalProperties": False,
    }

    def read(self, answer: ChatAnswer) -> Vote:
        """See `Mode`."""
        read = parsed(answer, _Verdict)
        reason = self._checked_reason(answer, read.reason)
        return Vote(reward=float(read.verdict), verdict=1 if read.verdict else 0, components={}, reason=reason)

    def _example(self, row: Example) -> dict[str, Any] | None:
        return None if row.reason is None else {"reason": row.reason, "verdict": row.verdict}


class _Rated(Rubric):
    reason: str = Field(max_length=MAX_REASON_CHARACTERS)


class RubricMode(_JsonMode):
    """JSON with a reason and the points of the paper's rubric; reward = (weighted mean - 1) / 2."""

    name = "rubric"
    task = RUBRIC_TASK
    schema: Mapping[str, JsonValue] = {
        "type": "object",
        "properties": {
            "reason": {"type": "string", "maxLength": 120},
            **{name: {"type": "integer", "enum": list(range(LOWEST, HIGHEST + 1))} for name in WEIGHTS},
        },
        "required": ["reason", *WEIGHTS],
        "additionalProperties": False,
    }

    def read(self, answer: ChatAnswer) -> Vote:
        """See `Mode`."""
        read = parsed(answer, _Rated)
        reason = self._checked_reason(answer, read.reason)
        mean = read.weighted_mean
        return Vote(
            reward=(mean - LOWEST) / (HIGHEST - LOWEST),
            verdict=1 if mean >= ACCEPTABLE - 1e-9 else 0,
            components={**{name: float(getattr(read, name)) for name in WEIGHTS}, "weighted_mean": mean},
            reason=reason,
        )

    def _example(self, row: Example) -> dict[str, Any] | None:
        if row.reason is None or row.rubric is None:
            return None
        return {"reason": row.reason, **row.rubric.model_dump()}


MODES: Final[Mapping[ModeName, type[LogprobMode] | type[VerdictMode] | type[RubricMode]]] = {
    "logprob": LogprobMode,
    "verdict": VerdictMode,
    "rubric": RubricMode,
}
"""Those that judge one work by itself; ``group`` is in `services.judge.comparison`."""


def _work(row: Example) -> Work:
    return Work(prompt=row.prompt, completion=row.completion)


def first_token(answer: ChatAnswer) -> TokenLogprobs:
    """The token that holds a label.

    Raises:
        LlmFailed: The server gave no log-probabilities.
    """
    if not answer.tokens or not answer.tokens[0].top:
        raise answer_failed(answer, "llm_unparsable", "no log-probabilities in the answer")
    return answer.tokens[0]


def label_log_probabilities(answer: ChatAnswer, labels: Sequence[Sequence[str]]) -> tuple[list[float], float]:
    """Log-probability of each label as the first token; a label may have several spellings.

    A label that is not among the tokens that the server told is no likelier than any of these, and than all that they
    leave over: the smaller of the two is its upper bound, and is taken for it.

    Returns:
        The log-probabilities, and the probability of those labels together that were really seen. Callers check that
        it is enough: bounds alone say nothing of the work.
    """
    token = first_token(answer)
    told = dict([(token.token, token.logprob), *token.top])
    left_over = 1 - math.fsum(map(math.exp, told.values()))
    bound = min(*told.values(), math.log(max(left_over, ROUNDING)))
    logs: list[float] = []
    seen: list[float] = []
    for spellings in labels:
        spelt = [value for text, value in told.items() if text.strip() in spellings]
        logs.append(_log_sum(spelt) if spelt else bound)
        seen += spelt
    return logs, math.fsum(map(math.exp, seen))


def _log_sum(values: Sequence[float]) -> float:
    highest = max(values)
    return highest + math.log(sum(math.exp(value - highest) for value in values))
