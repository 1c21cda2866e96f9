"""What the queue promises, with real processes and a real Redis: nothing is lost, and nothing counts twice."""

from __future__ import annotations

import asyncio
import collections
import signal
import sys
import time
from pathlib import Path

import pytest

from shared.queue.broker import Broker, connect
from shared.queue.messages import QueuedResults, QueuedRollout
from shared.schemas import Score
from tests.conftest import StartService
from tests.support.greetings import rollout, rollouts
from tests.support.processes import Process, RedisServer, Service
from tests.support.queues import (
    KEYS,
    assert_all_scored,
    begun,
    counted,
    dead_letters_in,
    id_in,
    length_of,
    queue_of,
    reclaimed,
    waiting_in,
)
from tests.support.scorers import FAILS, FAILS_FOR_GOOD, POISON, TOO_LONG
from tests.support.waiting import until

HELD = 32
"""What one process takes ahead: four batches of eight."""
BATCH = 8


def start_unhurried(start_service: StartService, redis: RedisServer, log: Path) -> None:
    """Start a service that scores slowly enough for something to happen meanwhile, and wait until it is ready."""
    service = start_service(
        "--seconds-per-batch", "0.02", "--log", str(log), redis=redis, lease_seconds=1, max_batch_rollouts=BATCH
    )
    service.wait_until()


@pytest.mark.parametrize("replacement", ["another", "restarted"])
async def test_after_kill_9_in_the_middle_of_a_batch_every_rollout_still_gets_exactly_one_result(
    replacement: str, start_service: StartService, redis_server: RedisServer, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    stuck = ("--score-when", str(tmp_path / "never"), "--log", str(log))
    doomed = start_service(*stuck, redis=redis_server, lease_seconds=1, max_batch_rollouts=BATCH)
    doomed.wait_until()
    asked = rollouts(200)
    broker = Broker(connect(redis_server.url), KEYS.reward)
    payloads = [
        (each.id, QueuedRollout(request="r1", rollout=each, options={}, trace="t").model_dump_json()) for each in asked
    ]
    assert await broker.enqueue("r1", payloads, max_length=1000, left_ms=120_000) == 200
    await until(lambda: len(begun(log)) == BATCH, "a batch is in work")
    other: Service | None = None
    if replacement == "another":
        other = start_service(redis=redis_server, lease_seconds=1, max_batch_rollouts=BATCH)
        other.wait_until()
    doomed.kill()
    if other is None:
        other = start_service(redis=redis_server, lease_seconds=1, max_batch_rollouts=BATCH)
    await until(lambda: length_of(redis_server) == 0, "all are done")
    saved = await broker.read_results("r1", "0", 1000)
    results = [score for _, data in saved for score in QueuedResults.model_validate_json(data).scores]
    await broker.aclose()
    assert sorted(score.id for score in results) == sorted(each.id for each in asked)
    assert {score.status for score in results} == {"scored"}
    assert BATCH <= reclaimed(other) <= HELD
    assert counted(other, "scored") == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_restart_of_redis_in_the_middle_loses_no_rollout_and_doubles_none(
    number: signal.Signals, start_service: StartService, own_redis: RedisServer, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    start_unhurried(start_service, own_redis, log)
    asked = rollouts(600)
    async with queue_of(own_redis) as client:
        scoring = asyncio.create_task(client.score(asked))
        await until(lambda: len(begun(log)) >= 100)
        if number == signal.SIGKILL:
            own_redis.kill()
        else:
            own_redis.stop()
        await asyncio.sleep(0.5)
        assert not scoring.done()
        own_redis.start()
        assert_all_scored(asked, await scoring)
    await until(lambda: length_of(own_redis) == 0, "nothing is left over")
    assert set(begun(log)) == {each.id for each in asked}


async def test_when_redis_loses_everything_the_requester_restores_what_is_open(
    start_service: StartService, own_redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.client.queue.RESTORE_INTERVAL_SECONDS", 1.0)
    log = tmp_path / "log"
    start_unhurried(start_service, own_redis, log)
    asked = rollouts(400)
    async with queue_of(own_redis) as client:
        scoring = asyncio.create_task(client.score(asked))
        await until(lambda: len(begun(log)) >= 100)
        with own_redis.client() as admin:
            admin.flushall()
        assert_all_scored(asked, await scoring)
    await until(lambda: length_of(own_redis) == 0, "nothing is left over")


async def test_a_rollout_that_fails_every_time_is_dead_after_n_tries_and_harms_no_other(
    start_service: StartService, redis_server: RedisServer, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    service = start_service("--log", str(log), redis=redis_server, max_attempts=4, retry_wait_seconds=0.02)
    service.wait_until()
    asked = [*rollouts(40), rollout(40, FAILS), rollout(41, FAILS_FOR_GOOD), rollout(42, TOO_LONG)]
    async with queue_of(redis_server) as client:
        scores = await client.score(asked)
    assert_all_scored(asked[:40], scores[:40])
    assert [(score.status, score.reward, score.error.code if score.error else None) for score in scores[40:]] == [
        ("failed", None, "judge_unsure"),
        ("failed", None, "refused"),
        ("failed", None, "text_too_long"),
    ]
    assert not any(score.error.retryable for score in scores if score.error)
    letters = {id_in(letter): letter for letter in dead_letters_in(redis_server)}
    assert {id_: letter.attempts for id_, letter in letters.items()} == {
        asked[40].id: 4,
        asked[41].id: 1,
        asked[42].id: 1,
    }
    assert letters[asked[40].id].error.detail == "this one fails every time"
    tries = collections.Counter(begun(log))
    assert (tries[asked[40].id], tries[asked[41].id], tries[asked[42].id]) == (4, 1, 0)
    assert all(tries[each.id] == 1 for each in asked[:40])
    assert service.metrics()['zhufu_dead_letter_total{reward="greetings"}'] == 3


async def test_a_rollout_that_kills_its_process_is_dead_after_n_tries_and_those_beside_it_are_scored(
    start_service: StartService, redis_server: RedisServer, tmp_path: Path
) -> None:
    log = tmp_path / "log"

    def start() -> Service:
        return start_service(
            "--log", str(log), redis=redis_server, lease_seconds=1, max_attempts=3, max_batch_rollouts=BATCH
        )

    async def supervise() -> None:
        """Start a process, and another one when it died, as Kubernetes would."""
        while True:
            services.append(start())
            await until(lambda: not services[-1].running, timeout_seconds=600)
            statuses.append(services[-1].wait())

    services: list[Service] = []
    statuses: list[int] = []
    supervisor = asyncio.create_task(supervise())
    asked = [rollout(number, POISON if number == 11 else "") for number in range(40)]
    async with queue_of(redis_server) as client:
        scores = await client.score(asked)
    supervisor.cancel()
    await asyncio.gather(supervisor, return_exceptions=True)
    poisoned = scores.pop(11)
    assert (poisoned.id, poisoned.status) == (asked[11].id, "failed")
    assert poisoned.error is not None
    assert poisoned.error.code == "attempts_exhausted"
    assert_all_scored([*asked[:11], *asked[12:]], scores)
    (letter,) = dead_letters_in(redis_server)
    assert (id_in(letter), letter.attempts) == (asked[11].id, 3)
    assert statuses == [70, 70, 70]
    assert collections.Counter(begun(log))[asked[11].id] == 3


async def test_rollouts_of_a_requester_who_gave_up_expire_unscored(
    start_service: StartService, redis_server: RedisServer, tmp_path: Path
) -> None:
    gate, log = tmp_path / "gate", tmp_path / "log"
    service = start_service("--score-when", str(gate), "--log", str(log), redis=redis_server, max_batch_rollouts=BATCH)
    service.wait_until()
    async with queue_of(redis_server) as client:
        scoring = asyncio.create_task(client.score(rollouts(200)))
        await until(lambda: len(begun(log)) == BATCH and length_of(redis_server) == 200)
        scoring.cancel()
        with pytest.raises(asyncio.CancelledError):
            await scoring
    gate.touch()
    await until(lambda: length_of(redis_server) == 0)
    await until(lambda: counted(service, "scored") + counted(service, "expired") == 200)
    assert len(begun(log)) == counted(service, "scored") <= HELD
    assert dead_letters_in(redis_server) == []


async def test_rollouts_of_a_requester_who_was_killed_expire_unscored_after_their_deadline(
    start_service: StartService, redis_server: RedisServer, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    program = (
        "import asyncio, sys\n"
        "from tests.support.greetings import rollouts\n"
        "from shared.client import RewardClient\n"
        "client = RewardClient.from_url(sys.argv[1], timeout_seconds=4)\n"
        "asyncio.run(client.score(rollouts(100)))\n"
    )
    command = [sys.executable, "-c", program, f"{redis_server.url}?reward={KEYS.reward}"]
    requester = Process(command, tmp_path / "requester.log")
    try:
        await until(lambda: length_of(redis_server) == 100, requester.printed())
    finally:
        requester.kill()
    deadline = max(int(fields["deadline"]) for fields in waiting_in(redis_server)) / 1000
    with redis_server.client() as client:
        left = deadline - float(client.time()[0])
    await asyncio.sleep(max(0.0, left) + 1.0)
    service = start_service("--log", str(log), redis=redis_server)
    service.wait_until()
    await until(lambda: length_of(redis_server) == 0)
    assert begun(log) == []
    assert counted(service, "expired") == 100


async def test_what_is_not_scored_in_time_is_expired_and_no_zero(redis_server: RedisServer) -> None:
    async with queue_of(redis_server, timeout_seconds=1.0) as client:
        scores = await client.score(rollouts(5))
        assert {score.status for score in scores} == {"expired"}
        assert all(score.reward is None and score.error is not None for score in scores)
    with redis_server.client() as admin:
        admin.delete(KEYS.rollouts)


async def test_while_the_queue_is_full_producers_wait_and_nothing_is_dropped(
    start_service: StartService, redis_server: RedisServer, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    service = start_service(
        "--seconds-per-batch", "0.02", "--log", str(log), redis=redis_server, max_batch_rollouts=BATCH
    )
    service.wait_until()
    lengths: list[int] = []

    async def watch() -> None:
        while True:
            lengths.append(length_of(redis_server))
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    first, second = rollouts(150), rollouts(150, first=1000)
    async with (
        queue_of(redis_server, max_queued_rollouts=20) as one,
        queue_of(redis_server, max_queued_rollouts=20) as two,
    ):
        answers = await asyncio.gather(one.score(first), two.score(second))
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert_all_scored(first, answers[0])
    assert_all_scored(second, answers[1])
    assert 10 < max(lengths) <= 20
    assert sorted(begun(log)) == sorted(each.id for each in [*first, *second])


async def test_two_processes_share_the_work_and_score_nothing_twice(
    start_service: StartService, redis_server: RedisServer, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    arguments = ("--seconds-per-batch", "0.05", "--log", str(log))
    services = [start_service(*arguments, redis=redis_server, max_batch_rollouts=BATCH) for _ in range(2)]
    for service in services:
        service.wait_until()
    asked = rollouts(800)
    async with queue_of(redis_server) as client:
        assert_all_scored(asked, await client.score(asked))
    assert sorted(begun(log)) == sorted(each.id for each in asked)
    shares = [counted(service, "scored") for service in services]
    assert sum(shares) == 800
    assert min(shares) > 100
    assert [reclaimed(service) for service in services] == [0, 0]


async def test_a_scorer_slower_than_its_lease_is_not_taken_over(
    start_service: StartService, redis_server: RedisServer, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    arguments = ("--seconds-per-batch", "5", "--log", str(log))
    services = [
        start_service(*arguments, redis=redis_server, lease_seconds=1.5, max_padding_share=0.9) for _ in range(2)
    ]
    for service in services:
        service.wait_until()
    asked = rollouts(10)
    async with queue_of(redis_server) as client:
        assert_all_scored(asked, await client.score(asked))
    assert sorted(begun(log)) == sorted(each.id for each in asked)
    assert [reclaimed(service) for service in services] == [0, 0]


async def test_sigterm_hands_what_is_unfinished_to_another_process_at_once(
    start_service: StartService, redis_server: RedisServer, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    lease_seconds = 100
    leaving = start_service(
        "--score-when",
        str(tmp_path / "never"),
        "--log",
        str(log),
        redis=redis_server,
        lease_seconds=lease_seconds,
        drain_timeout_seconds=1,
        max_batch_rollouts=BATCH,
    )
    leaving.wait_until()
    asked = rollouts(20)
    async with queue_of(redis_server) as client:
        scoring = asyncio.create_task(client.score(asked))
        await until(lambda: len(begun(log)) == BATCH)
        staying = start_service(redis=redis_server, lease_seconds=lease_seconds)
        staying.wait_until()
        told = time.monotonic()
        assert await asyncio.to_thread(leaving.terminate) == 0
        assert_all_scored(asked, await scoring)
    assert time.monotonic() - told < lease_seconds / 3
    assert reclaimed(staying) == 20


async def test_sigterm_finishes_what_can_be_finished_and_saves_it(
    start_service: StartService, redis_server: RedisServer, tmp_path: Path
) -> None:
    gate, log = tmp_path / "gate", tmp_path / "log"
    service = start_service(
        "--score-when",
        str(gate),
        "--log",
        str(log),
        redis=redis_server,
        drain_timeout_seconds=60,
        max_batch_rollouts=BATCH,
    )
    service.wait_until()
    asked = rollouts(20)
    async with queue_of(redis_server) as client:
        scoring = asyncio.create_task(client.score(asked))
        await until(lambda: len(begun(log)) == BATCH)
        service.send(signal.SIGTERM)
        await until(lambda: "Waiting for application shutdown" in service.printed())
        gate.touch()
        assert await asyncio.to_thread(service.wait) == 0
        assert_all_scored(asked, await scoring)
    assert sorted(begun(log)) == sorted(each.id for each in asked)


async def test_entries_that_nobody_can_read_end_as_dead_letters_and_stop_nothing(
    start_service: StartService, redis_server: RedisServer
) -> None:
    with redis_server.client() as client:
        client.xadd(KEYS.rollouts, {"data": "祝福, but no JSON", "deadline": "99999999999999"})
        client.xadd(KEYS.rollouts, {"data": '{"request": "r"}', "deadline": "soon"})
        client.xadd(KEYS.rollouts, {"something": "else"})
        client.xadd(KEYS.rollouts, {"data": "{}", "deadline": "9" * 5000})
    service = start_service(redis=redis_server)
    service.wait_until()
    async with queue_of(redis_server) as client:
        assert_all_scored(rollouts(5), await client.score(rollouts(5)))
    await until(lambda: length_of(redis_server) == 0)
    assert [letter.error.code for letter in dead_letters_in(redis_server)] == ["unreadable_entry"] * 4
    service.wait_until("/healthz")


async def test_the_same_result_twice_counts_once(redis_server: RedisServer) -> None:
    def result(number: int, reward: float) -> str:
        score = Score(id=rollout(number).id, status="scored", reward=reward, version="v", latency_seconds=0)
        return QueuedResults(scores=[score]).model_dump_json()

    async with queue_of(redis_server) as client:
        scoring = asyncio.create_task(client.score(rollouts(2)))
        await until(lambda: length_of(redis_server) == 2)
        request = QueuedRollout.model_validate_json(waiting_in(redis_server)[0]["data"]).request
        with redis_server.client() as admin:
            for data in (result(0, 0.1), result(0, 0.9), result(7, 0.7), result(0, 0.1)):
                admin.xadd(KEYS.results(request), {"data": data})
            await asyncio.sleep(0.2)
            assert not scoring.done()
            admin.xadd(KEYS.results(request), {"data": result(1, 0.2)})
        assert [score.reward for score in await scoring] == [0.1, 0.2]
    with redis_server.client() as admin:
        admin.delete(KEYS.rollouts)


async def test_requests_with_the_same_rollout_ids_do_not_meet(
    start_service: StartService, redis_server: RedisServer
) -> None:
    start_service(redis=redis_server).wait_until()
    async with queue_of(redis_server) as client:
        asked = [[rollout(number, repeat=1 + index) for number in range(3)] for index in range(20)]
        answers = await asyncio.gather(*map(client.score, asked))
    for request, scores in zip(asked, answers, strict=True):
        assert [score.reward for score in scores] == [len(each.completion) / 1000 for each in request]


async def test_a_request_id_travels_through_the_queue_into_the_log(
    start_service: StartService, redis_server: RedisServer
) -> None:
    service = start_service(redis=redis_server, log_level="debug")
    service.wait_until()
    async with queue_of(redis_server) as client:
        await client.score(rollouts(1), request_id="run-7/step-41")
    assert '"request_id": "run-7/step-41"' in service.printed()
