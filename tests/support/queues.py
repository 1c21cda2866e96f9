"""Looking at a queue from outside, and asking through it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shared.client.queue import QueueRewardClient
from shared.queue.keys import QueueKeys
from shared.queue.messages import DeadLetter
from shared.schemas import Rollout, Score
from tests.support.processes import RedisServer, Service

KEYS = QueueKeys("greetings")


def queue_of(
    redis: RedisServer, *, timeout_seconds: float = 120.0, max_queued_rollouts: int = 50_000
) -> QueueRewardClient:
    """A requester."""
    return QueueRewardClient(
        redis.url, KEYS.reward, timeout_seconds=timeout_seconds, max_queued_rollouts=max_queued_rollouts
    )


def length_of(redis: RedisServer) -> int:
    """How many rollouts wait or are in work."""
    with redis.client() as client:
        return int(client.xlen(KEYS.rollouts))


def waiting_in(redis: RedisServer) -> list[dict[str, str]]:
    """The fields of all entries of the stream of rollouts."""
    with redis.client() as client:
        return _fields(client.xrange(KEYS.rollouts))


def dead_letters_in(redis: RedisServer, keys: QueueKeys = KEYS) -> list[DeadLetter]:
    with redis.client() as client:
        return [DeadLetter.model_validate_json(fields["data"]) for fields in _fields(client.xrange(keys.dead))]


def _fields(entries: Any) -> list[dict[str, str]]:
    return [fields for _, fields in entries]


def id_in(letter: DeadLetter) -> str:
    """Which rollout a dead letter is of."""
    return str(json.loads(letter.data)["rollout"]["id"])


def begun(log: Path) -> list[str]:
    """The ids of the rollouts whose scoring began, as often as it did."""
    return log.read_text().split() if log.exists() else []


def counted(service: Service, status: str, door: str = "queue") -> int:
    """How many outcomes of one kind a service has counted."""
    name = f'zhufu_score_requests_total{{door="{door}",reward="{KEYS.reward}",status="{status}"}}'
    return int(service.metrics().get(name, 0))


def reclaimed(service: Service) -> int:
    """How many rollouts a service took over from others."""
    return int(service.metrics()[f'zhufu_queue_reclaimed_total{{reward="{KEYS.reward}"}}'])


def assert_all_scored(asked: Sequence[Rollout], scores: Sequence[Score]) -> None:
    """Exactly one reward for each rollout, in order."""
    assert [score.id for score in scores] == [each.id for each in asked]
    others = [score for score in scores if score.status != "scored"]
    assert not others, others[:5]


def keys_without_ttl(server: RedisServer) -> list[str]:
    """Keys that stay for ever and should not: all but dead letters, principles, and an empty stream of rollouts."""
    with server.client() as client:
        return [
            key
            for key in client.scan_iter()
            if client.ttl(key) == -1
            and not key.endswith((":dead", ":principles"))
            and not (key.endswith(":rollouts") and client.xlen(key) == 0)
        ]
