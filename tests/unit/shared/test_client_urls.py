"""What `RewardClient.from_url` takes, and how rollouts are split into requests."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.client import RewardClient
from shared.client.base import check_request
from shared.client.http import (
    CHARACTERS_PER_REQUEST,
    MAX_RETRY_AFTER_SECONDS,
    ROLLOUTS_PER_REQUEST,
    HttpRewardClient,
    _retry_after,
    split,
)
from shared.client.queue import QueueRewardClient
from shared.errors import InvalidRequest, InvalidUrl
from shared.schemas import Rollout
from tests.support.greetings import rollout, rollouts


@pytest.mark.parametrize("url", ["http://127.0.0.1:8001", "https://judge.example.org/reward/", "http://[::1]:8001"])
async def test_http_urls_lead_to_a_service(url: str) -> None:
    async with RewardClient.from_url(url, api_key="a-long-enough-key") as client:
        assert isinstance(client, HttpRewardClient)


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:6379/0?reward=judge",
        "rediss://user:p%40ss@cache.example.org:6380/1?reward=judge",
        "redis://host?reward=judge&socket_read_size=1024",
    ],
)
async def test_redis_urls_lead_to_a_queue(url: str) -> None:
    async with RewardClient.from_url(url) as client:
        assert isinstance(client, QueueRewardClient)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "judge:8001",
        "ftp://judge",
        "http://",
        "http://judge:port",
        "http://judge:99999",
        "http://[::1",
        "http://judge:8001/\x01",
        "redis://host:6379/0",
        "redis://host:6379/0?reward=",
        "redis://host:6379/0?rewards=judge",
        "redis://host:6379/0?reward=judge&socket_timeout=long",
        "redis:///0?reward=judge",
    ],
)
def test_other_urls_are_refused_with_a_typed_error(url: str) -> None:
    with pytest.raises(InvalidUrl):
        RewardClient.from_url(url)


def test_no_part_of_a_password_stands_in_an_error() -> None:
    with pytest.raises(InvalidUrl) as caught:
        RewardClient.from_url("redis://:half/hidden@host:6379/0?reward=judge")
    assert "half" not in str(caught.value)


async def test_errors_name_the_service_without_the_credentials_of_its_url() -> None:
    client = HttpRewardClient("http://name:hidden@127.0.0.1:9/judge", timeout_seconds=0.2)
    async with client:
        with pytest.raises(Exception, match=r"127\.0\.0\.1:9/judge") as caught:
            await client.score([rollout(1)])
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("key", ["带汉字的钥匙", "two\nlines-of-key"])
def test_a_key_that_no_header_can_carry_is_refused_at_once_and_not_repeated(key: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        RewardClient.from_url("http://127.0.0.1:8001", api_key=key)
    assert key not in str(caught.value)


@given(lengths=st.lists(st.integers(0, 200_000), max_size=200))
def test_splitting_keeps_order_and_limits(lengths: list[int]) -> None:
    texts = {length: "福" * length for length in lengths}
    asked = [Rollout(id=str(n), prompt="祝", completion=texts[length]) for n, length in enumerate(lengths)]
    parts = split(asked)
    assert [each for part in parts for each in part] == asked
    for part in parts:
        assert 1 <= len(part) <= ROLLOUTS_PER_REQUEST
        characters = sum(len(each.prompt) + len(each.completion) for each in part)
        assert characters <= CHARACTERS_PER_REQUEST or len(part) == 1


def test_one_rollout_longer_than_a_request_goes_alone() -> None:
    long = Rollout(id="长", prompt="祝", completion="福" * (CHARACTERS_PER_REQUEST + 1))
    assert [len(part) for part in split([rollout(0), long, rollout(1)])] == [1, 1, 1]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("3", 3.0), ("0", 0.0), ("86400", MAX_RETRY_AFTER_SECONDS), ("9" * 500, MAX_RETRY_AFTER_SECONDS)]
    + [(value, None) for value in ("", "soon", "-1", "1.5", "²", "Wed, 21 Oct 2026 07:28:00 GMT")],
)
def test_retry_after_is_read_in_seconds_and_bounded(value: str, seconds: float | None) -> None:
    headers = httpx.Headers([(b"Retry-After", value.encode("latin-1"))])
    assert _retry_after(httpx.Response(429, headers=headers)) == seconds


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "redis://127.0.0.1:9/0?reward=judge"])
async def test_both_ways_refuse_the_same_bad_requests_before_anything_is_sent(url: str) -> None:
    async with RewardClient.from_url(url) as client:
        assert await client.score([]) == []
        with pytest.raises(InvalidRequest, match="ids"):
            await client.score([*rollouts(200), rollout(0)])
        with pytest.raises(InvalidRequest, match="options"):
            await client.score(rollouts(2), {"temperature": float("nan")})
        with pytest.raises(InvalidRequest, match="request id"):
            await client.score(rollouts(2), request_id="步骤\n7")


def test_options_come_back_checked() -> None:
    assert check_request(rollouts(2), {"mode": "polite"}, "step-7") == {"mode": "polite"}
    assert check_request(rollouts(2), None, None) == {}
