"""A real service whose rewards, and failures, follow from the text alone, so that tests can foretell both.

``python -m tests.integration.trainer.scripted_reward --name judge --fails-one-in 3``; further settings: environment.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from shared.errors import InvalidRequest, ScoringFailed
from shared.schemas import RewardInfo, RewardRange, Rollout
from shared.scorer import Outcome, Scored
from shared.service import create_app, run_service
from shared.settings import ServiceSettings, service_config
from tests.support.processes import RedisServer, Service, free_port
from tests.support.waiting import until

HELD_SECONDS = 600.0
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def number_of(name: str, prompt: str, completion: str) -> int:
    """A number that a text has under one reward, and another under another."""
    return int.from_bytes(hashlib.sha256("\0".join((name, prompt, completion)).encode()).digest()[:4])


def reward_of(name: str, prompt: str, completion: str) -> float:
    """The reward that a text gets where it gets one: above 0, at most 1."""
    return (number_of(name, prompt, completion) % 1000 + 1) / 1000


def fails(name: str, prompt: str, completion: str, one_in: int) -> bool:
    """Whether the service fails on a text; never where ``one_in`` is 0, always where it is 1."""
    return one_in > 0 and number_of(name, prompt, completion) // 1000 % one_in == 0


@dataclasses.dataclass(kw_only=True)
class ScriptedScorer:
    """Scores as `reward_of` and `fails` say; from the ``hold_after``-th rollout on it never ends."""

    name: str
    fails_one_in: int = 0
    hold_after: int | None = None
    hold_until: Path | None = None
    """A file that ends the holding."""
    held: Path | None = None
    """A file that is made when the holding begins."""
    seen: int = 0

    def info(self) -> RewardInfo:
        return RewardInfo(
            name=self.name,
            version=f"{self.name}@scripted",
            range=RewardRange(minimum=0.0, maximum=1.0),
            description="A hash of the text.",
        )

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def check(self) -> None:
        pass

    def check_options(self, options: Mapping[str, JsonValue]) -> None:
        if options:
            raise InvalidRequest("there are no options")

    def cost(self, rollout: Rollout) -> int:
        return 1 + len(rollout.completion)

    async def score(self, rollouts: Sequence[Rollout], options: Mapping[str, JsonValue]) -> Sequence[Outcome]:
        self.seen += len(rollouts)
        if self.hold_after is not None and self.seen > self.hold_after:
            if self.held is not None:
                self.held.touch()
            hold_until = self.hold_until
            await until(lambda: hold_until is not None and hold_until.exists(), timeout_seconds=HELD_SECONDS)
        return [self._outcome(rollout) for rollout in rollouts]

    def _outcome(self, rollout: Rollout) -> Outcome:
        if fails(self.name, rollout.prompt, rollout.completion, self.fails_one_in):
            return ScoringFailed("the script says so", code="scripted", retryable=False)
        return Scored(reward=reward_of(self.name, rollout.prompt, rollout.completion))


class ScriptedSettings(ServiceSettings):
    """The common settings, under the name of this service."""

    model_config = service_config("scripted")


@contextlib.contextmanager
def serving(
    folder: Path,
    *,
    name: str = "judge",
    redis: RedisServer | None = None,
    port: int | None = None,
    wait: bool = True,
    **arguments: object,
) -> Iterator[Service]:
    """A scripted service in a process of its own, as long as the context is open.

    Args:
        folder: Where its log goes.
        name: Of the reward, and of its queue.
        redis: Whose queue it serves, if any.
        port: Where it listens; any free port by default.
        wait: Until it is ready.
        arguments: Of the scorer, such as ``fails_one_in=3``.
    """
    environment = {"ZHUFU_LOG_FORMAT": "json", "ZHUFU_DRAIN_TIMEOUT_SECONDS": "1", "ZHUFU_LEASE_SECONDS": "2"}
    if redis is not None:
        environment["ZHUFU_REDIS_URL"] = redis.url
    options = [part for key, value in arguments.items() for part in (f"--{key.replace('_', '-')}", str(value))]
    command = [sys.executable, "-m", "tests.integration.trainer.scripted_reward", "--name", name, *options]
    service = Service(command, folder / f"{name}.log", environment, port or free_port())
    try:
        if wait:
            service.wait_until()
        yield service
    finally:
        service.end()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--fails-one-in", type=int, default=0)
    parser.add_argument("--hold-after", type=int)
    parser.add_argument("--hold-until", type=Path)
    parser.add_argument("--held", type=Path)
    arguments = parser.parse_args()
    settings = ScriptedSettings()
    return run_service(create_app(ScriptedScorer(**vars(arguments)), settings), settings)


if __name__ == "__main__":
    sys.exit(main())
