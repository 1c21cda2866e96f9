"""Replicas are restarted one after the other while 32 clients score: no request fails, no rollout is lost.

By HTTP the replicas stand behind HAProxy, which asks /readyz. Either it passes on what a replica refuses, or the
replicas leave slowly and it tries nothing again. Its clients never do. By queue the replicas share a stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import itertools
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from shared.schemas import Rollout, ScoreResponse
from tests.conftest import StartService
from tests.support.greetings import rollouts
from tests.support.processes import RedisServer, Service, free_port
from tests.support.queues import begun, length_of, queue_of
from tests.support.waiting import until

CLIENTS = 32
REPLICAS = 3
ROLLOUTS_OF_A_REQUEST = 4
SECONDS_PER_BATCH = "0.02"
SETTLED_SECONDS = 0.5
"""Between two restarts, so that clients score on all replicas again."""
REQUEST_SECONDS = 30.0

needs_haproxy = pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not installed")


@dataclasses.dataclass
class Load:
    """What clients were answered.

    Attributes:
        outcomes: Rollouts by status.
        failures: Requests that had no answer, or another than 200.
        asked: Ids of all rollouts.
    """

    outcomes: Counter[str] = dataclasses.field(default_factory=Counter)
    failures: list[str] = dataclasses.field(default_factory=list)
    asked: list[str] = dataclasses.field(default_factory=list)

    @property
    def answered(self) -> int:
        """How many rollouts or requests have come back."""
        return sum(self.outcomes.values()) + len(self.failures)

    def has(self, answered: int) -> bool:
        """Whether so many have."""
        return self.answered >= answered


Ask = Callable[[Sequence[Rollout], Load], Awaitable[None]]


async def keep_scoring(ask: Ask, load: Load, client: int, over: asyncio.Event) -> None:
    """One request after the other until it is over; the one under way is finished."""
    for number in itertools.count():
        if over.is_set():
            return
        asked = [
            each.model_copy(update={"id": f"{client}-{number}-{each.id}"}) for each in rollouts(ROLLOUTS_OF_A_REQUEST)
        ]
        load.asked += [each.id for each in asked]
        await ask(asked, load)


async def restarted_under_load(ask: Ask, replicas: list[Service], start: Callable[[int], Service]) -> Load:
    """Restart every replica in turn while all clients score."""
    load, over = Load(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for client in range(CLIENTS):
            group.create_task(keep_scoring(ask, load, client, over))
        try:
            for place, replica in enumerate(replicas):
                enough = load.answered + CLIENTS
                await until(functools.partial(load.has, enough), "clients score")
                assert await asyncio.to_thread(replica.terminate) == 0
                replicas[place] = start(replica.port)
                await asyncio.to_thread(replicas[place].wait_until)
                await asyncio.sleep(SETTLED_SECONDS)
        finally:
            over.set()
    return load


TRIES_AGAIN = """
  retries 3
  option redispatch 1
  retry-on conn-failure empty-response 503
  option http-server-close
  http-reuse never"""
"""Of a proxy that tries another replica; one connection for each request, as one that is kept may end as it is used."""
TRIES_ONCE = """
  retries 0
  retry-on none
  http-reuse always"""


@contextlib.contextmanager
def balanced(replicas: Sequence[Service], folder: Path, tries: str) -> Iterator[str]:
    """The URL of an HAProxy in front of replicas."""
    port = free_port()
    servers = "\n".join(f"  server replica{n} 127.0.0.1:{each.port} check" for n, each in enumerate(replicas))
    config = folder / "haproxy.cfg"
    config.write_text(
        f"""
global
  maxconn 1000
defaults
  mode http
  timeout connect 2s
  timeout check 5s
  timeout client {REQUEST_SECONDS:.0f}s
  timeout server {REQUEST_SECONDS:.0f}s
frontend scores
  bind 127.0.0.1:{port}
  default_backend replicas
backend replicas
  balance roundrobin{tries}
  option httpchk GET /readyz
  default-server inter 100ms fall 3 rise 1
{servers}
""",
        encoding="utf-8",
    )
    proxy = Service([shutil.which("haproxy") or "haproxy", "-db", "-f", str(config)], folder / "haproxy.log", {}, port)
    try:
        proxy.wait_until()
        yield proxy.url
    finally:
        proxy.end()


@needs_haproxy
@pytest.mark.parametrize(
    ("leave_seconds", "tries"), [(0, TRIES_AGAIN), (2, TRIES_ONCE)], ids=["proxy-tries-again", "replicas-leave-slowly"]
)
async def test_no_request_fails_while_replicas_behind_a_proxy_are_restarted(
    start_service: StartService, tmp_path: Path, leave_seconds: int, tries: str
) -> None:
    def start(port: int) -> Service:
        return start_service("--seconds-per-batch", SECONDS_PER_BATCH, port=port, leave_seconds=leave_seconds)

    replicas = [start(free_port()) for _ in range(REPLICAS)]
    for replica in replicas:
        replica.wait_until()
    with balanced(replicas, tmp_path, tries) as url:
        limits = httpx.Limits(max_connections=CLIENTS)
        async with httpx.AsyncClient(timeout=REQUEST_SECONDS, limits=limits, trust_env=False) as http:

            async def ask(asked: Sequence[Rollout], load: Load) -> None:
                body = {"rollouts": [each.model_dump() for each in asked]}
                try:
                    response = await http.post(f"{url}/v1/score", json=body)
                except httpx.HTTPError as error:
                    load.failures.append(repr(error))
                    return
                if response.status_code != 200:
                    load.failures.append(f"{response.status_code} {response.text}")
                    return
                scores = ScoreResponse.model_validate_json(response.content).scores
                assert [score.id for score in scores] == [each.id for each in asked]
                load.outcomes.update(score.status for score in scores)

            load = await restarted_under_load(ask, replicas, start)
    assert load.failures == []
    assert load.outcomes == {"scored": len(load.asked)}


async def test_no_rollout_is_lost_or_scored_twice_while_replicas_at_a_queue_are_restarted(
    start_service: StartService, redis_server: RedisServer, tmp_path: Path
) -> None:
    log = tmp_path / "log"

    def start(port: int) -> Service:
        return start_service("--seconds-per-batch", SECONDS_PER_BATCH, "--log", str(log), redis=redis_server, port=port)

    replicas = [start(free_port()) for _ in range(REPLICAS)]
    for replica in replicas:
        replica.wait_until()
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(queue_of(redis_server, timeout_seconds=60)) for _ in range(CLIENTS)]
        free = itertools.cycle(clients)

        async def ask(asked: Sequence[Rollout], load: Load) -> None:
            scores = await next(free).score(asked)
            assert [score.id for score in scores] == [each.id for each in asked]
            load.outcomes.update(score.status for score in scores)

        load = await restarted_under_load(ask, replicas, start)
        assert load.outcomes == {"scored": len(load.asked)}
        await until(lambda: length_of(redis_server) == 0, "the stream is empty")
    assert Counter(begun(log)) == Counter(load.asked)
