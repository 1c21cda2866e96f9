"""Fixtures of all tests: a real Redis, and real service processes that are ended whatever happens."""

from __future__ import annotations

import functools
import signal
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import hypothesis
import pytest
import structlog

from tests.support.judge import StartJudge, ended, judge_service
from tests.support.llm_server import LlmServer
from tests.support.processes import RedisServer, Service, free_port, service_command
from tests.support.queues import keys_without_ttl

# The machine may be busy with other things: how long one example takes says nothing.
hypothesis.settings.register_profile("zhufu", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("zhufu")

# Whoever runs the tests in the background (&) may ignore SIGINT; what tests start and interrupt would inherit that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# One context for all HTTP clients of a run: to load the certificates of the world's authorities takes 70 ms of a core,
# and a service is asked many times a second whether it is ready.
ssl.create_default_context = functools.cache(ssl.create_default_context)  # type: ignore[assignment]

# structlog's own defaults render rich tracebacks, a second each; what tests provoke on purpose is told plainly.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


UNIT = Path(__file__).parent / "unit"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Short files last, in whatever order they are: else one of two workers may end alone with a long one."""
    items.sort(key=lambda item: item.path.is_relative_to(UNIT))


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The one Redis of this run, emptied before each test that uses it; tests that stop Redis take `own_redis`."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of this test alone, to be stopped, killed and started again."""
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(autouse=True)
def _no_key_is_left_without_ttl(request: pytest.FixtureRequest) -> Iterator[None]:
    names = [name for name in ("redis_server", "own_redis") if name in request.fixturenames]
    servers: list[RedisServer] = [request.getfixturevalue(name) for name in names]
    for server in servers:
        with server.client() as client:
            client.flushall()
    yield
    for server in servers:
        left = keys_without_ttl(server)
        assert not left, f"keys without a TTL: {left}"


class StartService(Protocol):
    """Starts a `tests.support.scorer_process` that ends with the test."""

    def __call__(
        self, *arguments: str, redis: RedisServer | None = None, port: int | None = None, **settings: object
    ) -> Service:
        """Start one.

        Args:
            arguments: Of the command.
            redis: Whose queue it serves, if any.
            port: Where it listens; any free port by default.
            settings: Of the service, such as ``lease_seconds=1``.
        """


@pytest.fixture
def start_service(tmp_path: Path) -> Iterator[StartService]:
    """A function that starts services. It does not wait until they are ready."""
    started: list[Service] = []

    def start(
        *arguments: str, redis: RedisServer | None = None, port: int | None = None, **settings: object
    ) -> Service:
        values = {"drain_timeout_seconds": 5, "log_format": "json", **settings}
        environment = {f"ZHUFU_{name.upper()}": str(value) for name, value in values.items()}
        if redis is not None:
            environment["ZHUFU_REDIS_URL"] = redis.url
        output = tmp_path / f"service-{len(started)}.log"
        service = Service(service_command(*arguments), output, environment, port or free_port())
        started.append(service)
        return service

    yield start
    for service in started:
        if service.running:
            service.send(signal.SIGTERM)
    for service in started:
        service.end()
        sys.stdout.write(f"--- {service.output.name}\n{service.printed()[-3000:]}\n")


@pytest.fixture
def start_judge(tmp_path: Path) -> Iterator[StartJudge]:
    """A function that starts judges."""
    started: list[Service] = []

    def start(
        llm: LlmServer | str, redis: RedisServer | None = None, port: int | None = None, **settings: object
    ) -> Service:
        service = judge_service(tmp_path / f"judge-{len(started)}.log", llm, redis, port, **settings)
        started.append(service)
        return service

    yield start
    for service in started:
        if service.running:
            service.send(signal.SIGTERM)
    with ended(*started):
        pass


@pytest.fixture
def llm() -> Iterator[LlmServer]:
    """A language model as a test tells it to be."""
    with LlmServer() as server:
        yield server
