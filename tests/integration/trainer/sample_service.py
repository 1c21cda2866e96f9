"""A real service that answers samples as the multi-agent service does, but by a script: what comes of a prompt follows
from its text, so that tests can foretell it.

``python -m tests.integration.trainer.sample_service --tokens 100``; further settings: environment.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import hashlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from shared.errors import InvalidRequest, ScoringFailed, TextTooLong
from shared.schemas import RewardInfo, RewardRange, Rollout, Usage
from shared.scorer import Outcome, Scored
from shared.service import create_app, run_service
from shared.settings import ServiceSettings, service_config
from tests.integration.trainer.scripted_reward import ONE_THREAD
from tests.support.processes import RedisServer, Service, free_port

NAME = "multi_agent"
VERSION = f"{NAME}@scripted"
FAILS = "【总是失败】"
"""The prompt fails, and might not the next time (but does)."""
FAILS_FOR_GOOD = "【不予评分】"
"""The prompt fails, and another try is of no use."""
TOO_LONG = "【太长】"
"""The prompt is longer than the service takes."""
NO_SAMPLE = "【没有样本】"
"""There is a score, but no sample."""
BROKEN_SAMPLE = "【坏样本】"
"""The sample has neither a pair nor a reason for none."""
UNPRICED = "【不报价】"
"""The answer does not say what it cost."""
FAILURE_TOKENS = 7
"""What a failure costs."""
OPTIONS = {"task", "candidates", "pair_by", "least_margin", "length", "without", "temperature", "seed"}
REASONS = ("all_good", "all_bad", "no_length_match")


def number_of(prompt: str) -> int:
    """A number that follows from a text."""
    return int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:4])


def no_pair_of(prompt: str) -> str | None:
    """Why there is no pair for a prompt; None where there is one."""
    return REASONS[number_of(prompt) // 7 % 3] if number_of(prompt) % 4 == 0 else None


def texts_of(prompt: str, candidates: int) -> list[str]:
    """The candidates of a prompt."""
    return [f"{index}：{prompt}，" + "福" * (10 + number_of(f"{prompt}{index}") % 30) for index in range(candidates)]


def sample_of(prompt: str, options: Mapping[str, Any]) -> dict[str, JsonValue]:
    """The whole document."""
    texts = texts_of(prompt, options["candidates"])
    reason = no_pair_of(prompt)
    chosen, rejected = texts[0], texts[1]
    pair: dict[str, JsonValue] = {
        "chosen": chosen,
        "rejected": rejected,
        "chosen_index": 0,
        "rejected_index": 1,
        "margin": number_of(prompt) % 100 / 100,
        "length_ratio": len(rejected) / len(chosen),
        "length_matched": abs(len(chosen) - len(rejected)) <= 0.2 * max(len(chosen), len(rejected)),
    }
    return {
        "prompt": prompt,
        "pair": None if reason else pair,
        "no_pair": reason,
        "rule": {"by": options["pair_by"]},
        "candidates": [{"index": index, "text": text, "transcript": []} for index, text in enumerate(texts)],
        "retrieved": [],
        "versions": {"generator": f"seed {options['seed']}"},
    }


@dataclasses.dataclass(kw_only=True)
class ScriptedSampler:
    """Answers as `sample_of` and the markers say."""

    seconds: float = 0.0
    """The longest that one prompt takes; how long it is follows from its text."""
    tokens: int = 100
    """What one prompt costs, prompt and completion."""
    broken: Path | None = None
    """While this file is there, everything fails as it does without a language model."""
    log: Path | None = None
    """Gets a line "BEGIN or END, id, how many are under way" for each prompt."""
    under_way: int = 0

    def info(self) -> RewardInfo:
        return RewardInfo(
            name=NAME, version=VERSION, range=RewardRange(minimum=0.0, maximum=1.0), description="Scripted samples."
        )

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def check(self) -> None:
        pass

    def check_options(self, options: Mapping[str, JsonValue]) -> None:
        if unknown := sorted(set(options) - OPTIONS):
            raise InvalidRequest(f"unknown options: {', '.join(unknown)}")
        if options.get("task") != "sample":
            raise InvalidRequest("this service only samples")
        if options.get("seed") == 13:
            raise InvalidRequest("seed: 13 is not served here")

    def cost(self, rollout: Rollout) -> int:
        if TOO_LONG in rollout.prompt:
            raise TextTooLong("the prompt is longer than this service takes")
        return 1 + len(rollout.prompt)

    async def score(self, rollouts: Sequence[Rollout], options: Mapping[str, JsonValue]) -> Sequence[Outcome]:
        return [await self._outcome(rollout, options) for rollout in rollouts]

    async def _outcome(self, rollout: Rollout, options: Mapping[str, JsonValue]) -> Outcome:
        self.under_way += 1
        self._note("BEGIN", rollout)
        try:
            await asyncio.sleep(self.seconds * (number_of(rollout.prompt) % 10 + 1) / 10)
        finally:
            self.under_way -= 1
        self._note("END", rollout)
        usage = Usage(prompt_tokens=self.tokens - self.tokens // 4, completion_tokens=self.tokens // 4)
        failed = Usage(prompt_tokens=FAILURE_TOKENS)
        if self.broken is not None and self.broken.exists():
            return ScoringFailed("no language model", code="judge_llm_unreachable", retryable=True)
        if FAILS in rollout.prompt:
            return ScoringFailed("fails every time", code="judge_llm_timeout", retryable=True, usage=failed)
        if FAILS_FOR_GOOD in rollout.prompt:
            return ScoringFailed("will not", code="generator_llm_refused", retryable=False, usage=failed)
        details: dict[str, JsonValue] = {"sample": sample_of(rollout.prompt, options)}
        if NO_SAMPLE in rollout.prompt:
            details = {}
        if BROKEN_SAMPLE in rollout.prompt:
            details = {"sample": {"pair": None, "no_pair": None}}
        return Scored(reward=1.0, verdict=1, details=details, usage=None if UNPRICED in rollout.prompt else usage)

    def _note(self, what: str, rollout: Rollout) -> None:
        if self.log is not None:
            with self.log.open("ab", buffering=0) as file:
                os.write(file.fileno(), f"{what} {rollout.id} {self.under_way}\n".encode())


class ScriptedSettings(ServiceSettings):
    """The common settings, under the name of the real service."""

    model_config = service_config(NAME)


@contextlib.contextmanager
def sampling(
    folder: Path,
    *,
    redis: RedisServer | None = None,
    port: int | None = None,
    api_key: str | None = None,
    wait: bool = True,
    **arguments: object,
) -> Iterator[Service]:
    """A scripted service in a process of its own, as long as the context is open.

    Args:
        folder: Where its log goes.
        redis: Whose queue it serves, if any.
        port: Where it listens; any free port by default.
        api_key: What it asks for.
        wait: Until it is ready.
        arguments: Of the sampler, such as ``tokens=100``.
    """
    environment = {
        **ONE_THREAD,
        "ZHUFU_LOG_FORMAT": "json",
        "ZHUFU_DRAIN_TIMEOUT_SECONDS": "1",
        "ZHUFU_LEASE_SECONDS": "2",
        "ZHUFU_RETRY_WAIT_SECONDS": "0",
        "ZHUFU_MAX_BATCH_ROLLOUTS": "1",
        "ZHUFU_MAX_CONCURRENT_BATCHES": "16",
    }
    if redis is not None:
        environment["ZHUFU_REDIS_URL"] = redis.url
    if api_key is not None:
        environment["ZHUFU_API_KEYS"] = api_key
    options = [part for key, value in arguments.items() for part in (f"--{key}", str(value))]
    command = [sys.executable, "-m", "tests.integration.trainer.sample_service", *options]
    service = Service(command, folder / f"{NAME}.log", environment, port or free_port())
    try:
        if wait:
            service.wait_until()
        yield service
    finally:
        service.end()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--broken", type=Path)
    parser.add_argument("--log", type=Path)
    arguments = parser.parse_args()
    settings = ScriptedSettings()
    return run_service(create_app(ScriptedSampler(**vars(arguments)), settings), settings)


if __name__ == "__main__":
    sys.exit(main())
