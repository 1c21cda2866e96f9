"""Names of all keys of the queue. The hash tag keeps all keys of one reward in one slot of a Redis Cluster."""

from __future__ import annotations

import dataclasses

GROUP = "scorers"


@dataclasses.dataclass(frozen=True, slots=True)
class QueueKeys:
    """The keys of one reward's queue."""

    reward: str

    @property
    def rollouts(self) -> str:
        """Stream of rollouts to be scored: entries that wait and entries in work."""
        return f"zhufu:{{{self.reward}}}:rollouts"

    @property
    def dead(self) -> str:
        """Stream of rollouts that were given up, with their errors; for people to look at. It has no TTL."""
        return f"zhufu:{{{self.reward}}}:dead"

    @property
    def repetitions(self) -> str:
        """Hash: entry id → how often it was tried again."""
        return f"zhufu:{{{self.reward}}}:repetitions"

    @property
    def info(self) -> str:
        """What the reward is, as JSON, kept alive by the processes that serve it."""
        return f"zhufu:{{{self.reward}}}:info"

    def results(self, request: str) -> str:
        """Stream of one request's results."""
        return f"zhufu:{{{self.reward}}}:results:{request}"

    def enqueued(self, request: str) -> str:
        """Set of the rollout ids that one request has added; while it exists, somebody waits for them."""
        return f"zhufu:{{{self.reward}}}:enqueued:{request}"
