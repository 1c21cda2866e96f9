"""The one thing that a service writes itself: how rollouts become outcomes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from pydantic import JsonValue

from shared.errors import ScoringFailed
from shared.schemas import RewardInfo, Rollout, Usage


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A rollout that got its reward.

    ``reward`` must be finite; a scorer that computes anything else returns a `ScoringFailed` for that rollout.
    ``version`` names what scored it where that may differ within a batch (a checkpoint swapped in between); by default
    it is the version that `Scorer.info` gives. ``details`` is what else was asked for, such as a transcript.
    """

    reward: float
    verdict: Literal[0, 1] | None = None
    components: Mapping[str, float] = dataclasses.field(default_factory=dict)
    reason: str | None = None
    flags: Sequence[str] = ()
    cached: bool = False
    usage: Usage | None = None
    version: str | None = None
    details: Mapping[str, JsonValue] | None = None


Outcome = Scored | ScoringFailed


class Scorer(Protocol):
    """Turns rollouts into outcomes. `shared.service.create_app` gives it both doors, health, metrics and limits.

    All methods run on the service's event loop: work that blocks belongs into a thread of the scorer's own.
    """

    def info(self) -> RewardInfo:
        """Name, current version, range and options of this reward. Cheap; called for every request."""

    async def start(self) -> None:
        """Load what is needed. `/readyz` answers 503 until this returns; an exception ends the service."""

    async def close(self) -> None:
        """Give back what `start` took. Called once, after the last batch."""

    async def check(self) -> None:
        """Raise `shared.errors.NotReady` where the scorer cannot score at the moment."""

    def check_options(self, options: Mapping[str, JsonValue]) -> None:
        """Raise `shared.errors.InvalidRequest` for options that this reward does not take."""

    def cost(self, rollout: Rollout) -> int:
        """About how many tokens this rollout is; batches are formed by it. At least 1.

        Raises `shared.errors.TextTooLong` for a rollout that this scorer does not take.
        """

    async def score(self, rollouts: Sequence[Rollout], options: Mapping[str, JsonValue]) -> Sequence[Outcome]:
        """Score a batch: one outcome for each rollout, in order.

        A rollout that cannot be scored gets a `ScoringFailed` in its place. An exception means that the whole batch
        failed; the service then tries its halves, so that one rollout cannot take the others with it.
        """
