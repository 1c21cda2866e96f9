"""/metrics of a real service: the names of the design, and counters that add up."""

from __future__ import annotations

from pathlib import Path

from shared.client import RewardClient
from shared.queue.broker import Broker, connect
from shared.queue.messages import QueuedRollout
from tests.conftest import StartService
from tests.support.greetings import rollout, rollouts
from tests.support.processes import RedisServer
from tests.support.queues import KEYS, counted, queue_of
from tests.support.scorers import FAILS, FAILS_FOR_GOOD, RAISES
from tests.support.waiting import until

OF_EVERY_SERVICE = {
    "zhufu_ready",
    "zhufu_reward_mean",
    "zhufu_reward_deviation",
    "zhufu_score_requests_total",
    "zhufu_score_latency_seconds",
    "zhufu_queue_wait_seconds",
    "zhufu_batch_size",
    "zhufu_batch_tokens",
    "zhufu_queue_depth",
    "zhufu_queue_oldest_seconds",
    "zhufu_queue_reclaimed_total",
    "zhufu_dead_letter_total",
    "zhufu_reward",
    "zhufu_verdicts_total",
    "zhufu_completion_characters",
    "zhufu_reward_length_correlation",
    "zhufu_duplicate_ratio",
    "process_resident_memory_bytes",
    "python_gc_collections_total",
}


async def test_all_names_of_the_design_are_there_and_outcomes_add_up_to_what_was_sent(
    start_service: StartService, redis_server: RedisServer, tmp_path: Path
) -> None:
    service = start_service(redis=redis_server, max_attempts=2, retry_wait_seconds=0.01)
    service.wait_until()
    bad = [rollout(number, marker) for number, marker in enumerate([FAILS, FAILS_FOR_GOOD, RAISES])]
    async with RewardClient.from_url(service.url) as direct, queue_of(redis_server) as queued:
        await direct.score([*bad, *rollouts(97, first=100)])
        await queued.score([*bad, *rollouts(57, first=100)])
    late = [
        (each.id, QueuedRollout(request="late", rollout=each, options={}, trace="t").model_dump_json())
        for each in rollouts(20)
    ]
    broker = Broker(connect(redis_server.url), KEYS.reward)
    await broker.enqueue("late", late, max_length=100, left_ms=0)
    await broker.aclose()
    await until(lambda: counted(service, "expired") == 20)

    assert [counted(service, status, "http") for status in ("scored", "failed", "expired")] == [97, 3, 0]
    assert [counted(service, status, "queue") for status in ("scored", "failed", "expired")] == [57, 3, 20]
    samples = service.metrics()
    labels = f'reward="{KEYS.reward}"'
    assert sum(value for name, value in samples.items() if name.startswith("zhufu_score_requests_total")) == 180
    assert sum(value for name, value in samples.items() if name.startswith("zhufu_verdicts_total")) == 154
    assert samples[f"zhufu_dead_letter_total{{{labels}}}"] == 3
    for name in ("zhufu_reward_count", "zhufu_completion_characters_count"):
        assert samples[f"{name}{{{labels}}}"] == 154
    for door, count in (("http", 100), ("queue", 80)):
        assert samples[f'zhufu_score_latency_seconds_count{{door="{door}",{labels}}}'] == count
    names = {line.split()[2] for line in service.metrics_text().splitlines() if line.startswith("# TYPE")}
    assert names >= OF_EVERY_SERVICE


async def test_the_state_of_the_queue_is_shown_while_redis_answers_and_removed_when_it_does_not(
    start_service: StartService, own_redis: RedisServer
) -> None:
    service = start_service(redis=own_redis, lease_seconds=1)
    service.wait_until()
    depth, oldest = (f'zhufu_queue_{name}{{reward="{KEYS.reward}"}}' for name in ("depth", "oldest_seconds"))
    await until(lambda: depth in service.metrics())
    assert (service.metrics()[depth], service.metrics()[oldest]) == (0, 0)
    own_redis.stop()
    await until(lambda: depth not in service.metrics())
    assert oldest not in service.metrics()
    own_redis.start()
    await until(lambda: depth in service.metrics())


async def test_every_outcome_is_there_as_a_zero_before_the_first_rollout(start_service: StartService) -> None:
    service = start_service()
    service.wait_until()
    assert [
        counted(service, status, door) for door in ("http", "queue") for status in ("scored", "failed", "expired")
    ] == [0] * 6
    assert sum(name.startswith("zhufu_score_requests_total{") for name in service.metrics()) == 6


async def test_the_metrics_tell_whether_a_process_can_score(
    start_service: StartService, own_redis: RedisServer, tmp_path: Path
) -> None:
    may_start = tmp_path / "may-start"
    service = start_service("--start-when", str(may_start), redis=own_redis)
    ready = f'zhufu_ready{{reward="{KEYS.reward}"}}'
    service.wait_until("/healthz")
    assert service.metrics()[ready] == 0
    may_start.touch()
    await until(lambda: service.metrics()[ready] == 1)
    own_redis.stop()
    await until(lambda: service.metrics()[ready] == 0)
    own_redis.start()
    await until(lambda: service.metrics()[ready] == 1)


async def test_labels_carry_no_ids_and_no_text(start_service: StartService) -> None:
    service = start_service()
    service.wait_until()
    async with RewardClient.from_url(service.url) as client:
        await client.score(rollouts(60), {"mode": "polite"}, request_id="run-7")
    text = service.metrics_text()
    assert text.isascii()
    assert "run-7" not in text
    assert "polite" not in text
