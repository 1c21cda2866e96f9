"""A service whose scorer does nothing: what is left is the cost of the plumbing."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from pydantic import Field, JsonValue

from shared.errors import InvalidRequest
from shared.schemas import RewardInfo, RewardRange, Rollout
from shared.scorer import Outcome, Scored
from shared.service import create_app, run_service
from shared.settings import REWARD_NAME, ServiceSettings, service_config

NAME = "noop"


class NoopSettings(ServiceSettings):
    """The common settings; a batch may hold many rollouts, since they cost nothing."""

    model_config = service_config(NAME)

    name: str = Field(default=NAME, pattern=REWARD_NAME)
    max_batch_rollouts: int = Field(default=256, ge=1)
    max_batch_tokens: int = Field(default=1_000_000, ge=1)


class NoopScorer:
    """Gives every rollout the same reward at once."""

    def __init__(self, name: str = NAME) -> None:
        self._info = RewardInfo(
            name=name, version=f"{name}@1", range=RewardRange(minimum=1, maximum=1), description="Always 1."
        )

    def info(self) -> RewardInfo:
        return self._info

    async def start(self) -> None:
        return

    async def close(self) -> None:
        return

    async def check(self) -> None:
        return

    def check_options(self, options: Mapping[str, JsonValue]) -> None:
        if options:
            raise InvalidRequest("there are no options")

    def cost(self, rollout: Rollout) -> int:
        return 1

    async def score(self, rollouts: Sequence[Rollout], options: Mapping[str, JsonValue]) -> Sequence[Outcome]:
        return [Scored(reward=1.0)] * len(rollouts)


def main() -> int:
    settings = NoopSettings()
    return run_service(create_app(NoopScorer(settings.name), settings), settings)


if __name__ == "__main__":
    sys.exit(main())
