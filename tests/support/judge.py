"""Real judge processes, and language models for them that judge by what a test wrote into a text.

`Taste` answers as a model would that likes texts by the number in them, such as 「力3」, and places by themselves: in
logprob mode with labels, in group mode with letters. What the policy wrote is found by the judge's fences.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from pydantic import JsonValue

from shared.schemas import Rollout, Score, ScoreRequest, ScoreResponse
from tests.support.llm_server import LlmServer, Reply, fitting, said
from tests.support.processes import RedisServer, Service, free_port
from tests.support.waiting import GENEROUS_SECONDS

COMMAND = (sys.executable, "-m", "services.judge.app")
GOOD, BAD = "好", "差"
LABELS = {GOOD: math.log(0.6), BAD: math.log(0.2)}
"""Gives a reward of 0.75."""
PROMPT_TOKENS, COMPLETION_TOKENS = 40, 3
"""What `tests.support.llm_server.Said` tells of its cost."""
REASON = "意象新鲜，情意真切。"

_FENCED = re.compile(r"【祝福语(?: ([A-P]))? ([0-9a-f]+)】\n(.*?)\n【祝福语(?: [A-P])?完 \2】", re.DOTALL)
_POWER = re.compile(r"力(-?\d+)")


class StartJudge(Protocol):
    """Starts a judge that ends with the test; it does not wait until the judge is ready."""

    def __call__(
        self, llm: LlmServer | str, redis: RedisServer | None = None, port: int | None = None, **settings: object
    ) -> Service:
        """Start one.

        Args:
            llm: Whom it asks.
            redis: Its queue, cache and limits, if any.
            port: Where it listens; any free port by default.
            settings: Of the judge, such as ``samples=2``; mappings and lists are written as JSON.
        """


def judge_service(
    output: Path, llm: LlmServer | str, redis: RedisServer | None = None, port: int | None = None, **settings: object
) -> Service:
    """Start a judge; the caller ends it.

    Unless ``settings`` say so, nothing is tried again, so that failures are quick, and the model is asked only about
    what is to be scored.
    """
    values = {
        "llm_url": llm if isinstance(llm, str) else llm.url,
        "llm_model": "test-model",
        "llm_max_tries": 1,
        "llm_retry_wait_seconds": 0,
        "calibrate": False,
        "drain_timeout_seconds": 5,
        "log_format": "json",
        **settings,
    }
    environment = {f"ZHUFU_JUDGE_{name.upper()}": _written(value) for name, value in values.items()}
    if redis is not None:
        environment["ZHUFU_REDIS_URL"] = redis.url
    return Service(COMMAND, output, environment, port or free_port())


@contextlib.contextmanager
def ended(*services: Service) -> Iterator[None]:
    """End services whatever happens, and show the end of what they logged."""
    try:
        yield
    finally:
        for service in services:
            service.end()
            sys.stdout.write(f"--- {service.output.name}\n{service.printed()[-3000:]}\n")


def _written(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


# What the model reads


def messages_of(body: Any) -> list[str]:
    """The contents of a question's messages, or its one text."""
    return [message["content"] for message in body["messages"]] if "messages" in body else [body["prompt"]]


def shown_in(body: Any) -> list[str]:
    """What the policy wrote, as the question shows it: one text, or the candidates in their order."""
    last = messages_of(body)[-1].rpartition("请求：")[2]  # a base model reads the examples in the same text
    return [text for _, _, text in _FENCED.findall(last)]


def is_comparison(body: Any) -> bool:
    return "【祝福语 A " in messages_of(body)[-1]


# Models


def labelled(good: float, bad: float | None = None, **changes: Any) -> Reply:
    """An answer in logprob mode, by the probabilities of the labels."""
    top = {GOOD: math.log(good), BAD: math.log(0.999 - good if bad is None else bad)}
    return said(max(top, key=lambda label: top[label]), top=top, finish_reason="length", **changes)


def judged(verdict: int = 1, reason: str = REASON, **changes: Any) -> Reply:
    """An answer in verdict mode."""
    return said(json.dumps({"reason": reason, "verdict": verdict}, ensure_ascii=False), **changes)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Taste:
    """A model that likes texts by the number in them; use it as the script of an `LlmServer`.

    Attributes:
        bias: By how much it likes each place in a comparison, in log-odds.
        leaning: By how much it likes the good label whatever it reads, in log-odds.
        delay_seconds: How long it thinks.
    """

    bias: Sequence[float] = ()
    leaning: float = 0.0
    delay_seconds: float = 0.0

    def __call__(self, body: Any) -> Reply:
        powers = [power_of(text) for text in shown_in(body)]
        if is_comparison(body):
            logits = [power + bias for power, bias in zip(powers, [*self.bias, *[0.0] * 16], strict=False)]
            top = dict(zip("ABCDEFGHIJKLMNOP", log_softmax(logits), strict=False))
            return said(max(top, key=lambda each: top[each]), top=top, delay_seconds=self.delay_seconds)
        odds = powers[0] + self.leaning
        return labelled(0.99 * sigmoid(odds), 0.99 * sigmoid(-odds), delay_seconds=self.delay_seconds)


def judge_or_agents(body: Any) -> Reply:
    """Of agents, what fits their schema; of a judge, by its taste: one model for a whole stack."""
    return fitting(body) if "response_format" in body else Taste()(body)


def power_of(text: str) -> float:
    found = _POWER.search(text)
    return float(found[1]) if found else 0.0


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def log_softmax(logits: Sequence[float]) -> list[float]:
    highest = max(logits)
    total = highest + math.log(math.fsum(math.exp(logit - highest) for logit in logits))
    return [logit - total for logit in logits]


def chances(powers: Sequence[float]) -> list[float]:
    """The rewards that a comparison of such texts gives: the mean chance to be preferred to each other one."""
    return [
        math.fsum(sigmoid(own - other) for at, other in enumerate(powers) if at != index) / (len(powers) - 1)
        for index, own in enumerate(powers)
    ]


# Rollouts and scores


def greeting(number: int, power: int = 0, **changes: Any) -> Rollout:
    """A rollout that differs from all others by its number."""
    values = {
        "id": f"贺{number}",
        "prompt": "给外婆的八十岁生日祝福",
        "completion": f"第{number}则祝福，力{power}，愿您天天有热汤。",
    }
    return Rollout.model_validate({**values, **changes})


def failure_code(score: Score) -> str:
    """Of a failed score; it has no reward, no verdict and no components either."""
    assert score.status == "failed", score
    assert score.reward is None
    assert score.verdict is None
    assert score.components == {}
    assert score.error is not None
    return score.error.code


def reward_of(score: Score) -> float:
    assert score.reward is not None, score.error
    return score.reward


def spent(scores: Sequence[Score]) -> tuple[int, int]:
    """Prompt and completion tokens that scores tell together."""
    usages = [score.usage for score in scores if score.usage is not None]
    return sum(usage.prompt_tokens for usage in usages), sum(usage.completion_tokens for usage in usages)


def asked(service: Service, *rollouts: Rollout, key: str = "", **options: JsonValue) -> list[Score]:
    """The scores of one request over HTTP; quicker than a `RewardClient` made for it."""
    body = ScoreRequest(rollouts=list(rollouts), options=options).model_dump_json()
    status, answer = called(service, "POST", "/v1/score", body, key)
    assert status == 200, answer
    return ScoreResponse.model_validate_json(answer).scores


def called(service: Service, method: str, path: str, body: str | None = None, key: str = "") -> tuple[int, bytes]:
    """Status and body of a plain HTTP request."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=GENEROUS_SECONDS)) as door:
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        door.request(method, path, None if body is None else body.encode(), headers)
        answer = door.getresponse()
        return answer.status, answer.read()


class Counters:
    """How much the counters of services, together, have risen since this was made."""

    def __init__(self, *services: Service) -> None:
        self._services = services
        self._before = self._now()
        self._after: Mapping[str, float] | None = None

    def stop(self) -> None:
        """Look no more; `risen` is then of what was so far."""
        self._after = self._now()

    def risen(self, name: str, **labels: str) -> float:
        """One counter by its labels in any order; without labels, all of its samples together."""
        now = self._after or self._now()
        return sum(
            value - self._before.get(key, 0.0)
            for key, value in now.items()
            if key.partition("{")[0] == name and all(f'{label}="{wanted}"' in key for label, wanted in labels.items())
        )

    def tokens(self) -> tuple[float, float]:
        """Prompt and completion tokens of the language model."""
        return (
            self.risen("zhufu_llm_tokens_total", kind="prompt"),
            self.risen("zhufu_llm_tokens_total", kind="completion"),
        )

    def _now(self) -> Mapping[str, float]:
        total: dict[str, float] = {}
        for service in self._services:
            for line in called(service, "GET", "/metrics")[1].decode().splitlines():
                key, _, value = line.rpartition(" ")
                if not line.startswith("#"):
                    total[key] = total.get(key, 0.0) + float(value)
        return total
