"""A reward of one's own: is it a couplet (对联)? Two lines of one length, no character in one place of both."""

import sys
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from shared.errors import InvalidRequest, ScoringFailed
from shared.schemas import RewardInfo, RewardRange, Rollout
from shared.scorer import Outcome, Scored
from shared.service import create_app, run_service
from shared.settings import ServiceSettings, service_config


class CoupletSettings(ServiceSettings):
    model_config = service_config("couplet")  # ZHUFU_COUPLET_PORT, ZHUFU_COUPLET_API_KEYS, …


class CoupletScorer:
    def info(self) -> RewardInfo:
        value = RewardRange(minimum=0.0, maximum=1.0)
        return RewardInfo(name="couplet", version="couplet@1", range=value, description="Share of places that differ.")

    async def start(self) -> None: ...  # load a model here; /readyz answers 503 until this returns

    async def close(self) -> None: ...

    async def check(self) -> None: ...  # raise shared.errors.NotReady where it cannot score at the moment

    def check_options(self, options: Mapping[str, JsonValue]) -> None:
        if options:
            raise InvalidRequest("this reward has no options")

    def cost(self, rollout: Rollout) -> int:
        return 1 + len(rollout.completion)  # about its tokens; batches are formed by it

    async def score(self, rollouts: Sequence[Rollout], options: Mapping[str, JsonValue]) -> list[Outcome]:
        return [self.outcome(rollout.completion.split()) for rollout in rollouts]

    def outcome(self, lines: list[str]) -> Outcome:
        if len(lines) != 2 or len(lines[0]) != len(lines[1]):
            return ScoringFailed("two lines of one length are a couplet", code="no_couplet", retryable=False)
        return Scored(reward=sum(one != other for one, other in zip(*lines, strict=True)) / len(lines[0]))


if __name__ == "__main__":
    settings = CoupletSettings()
    sys.exit(run_service(create_app(CoupletScorer(), settings), settings))
