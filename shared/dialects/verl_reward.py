"""A reward function for verl: asks a zhufu service. Copy this file to where verl runs; it imports nothing of zhufu.

    reward.custom_reward_function.path=/shared/verl_reward.py
    +reward.custom_reward_function.reward_kwargs.url=http://judge:8001
    +reward.custom_reward_function.reward_kwargs.prompt_key=question

verl hands it a completion and a row of the data set, but not the prompt; that is taken from the row's ``extra_info``.
Read for verl 0.9: ``verl/trainer/ppo/reward.py``, ``verl/experimental/reward_loop/reward_manager``.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import time
import uuid
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

TIMEOUT_SECONDS = 240.0
"""How long one reward is waited for, outages of the service included; shorter than verl's ``reward.timeout``."""
CONNECT_TIMEOUT_SECONDS = 5.0
MAX_CONNECTIONS = 64
MAX_WAIT_SECONDS = 10.0
PROMPT_KEYS = ("prompt", "question")
TRY_AGAIN = (429, 502, 503, 504)

_clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = weakref.WeakKeyDictionary()
"""One for each event loop: to make one for each reward would load all certificates each time."""


class RewardMissing(BaseException):
    """A completion got no reward, so that training cannot go on with this batch.

    No `Exception`: verl's ``RateLimitedRewardManager`` makes a reward of 0 of each of those, and of a time-out, without
    a word to the training run.
    """


async def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: Mapping[str, Any] | None = None,
    *,
    url: str | None = None,
    prompt_key: str | None = None,
    options: Mapping[str, Any] | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
    **_: Any,
) -> float:
    """The reward of one completion.

    Args:
        data_source: Of the data set; sent along as metadata.
        solution_str: What the policy wrote.
        ground_truth: Of the data set; sent along as ``metadata.label`` where it is a text or a number.
        extra_info: Of the data set; has the prompt, as a text or as messages, whose last one of the user counts.
        url: Of the service; by default the environment's ``ZHUFU_REWARD_URL``. Its key is ``ZHUFU_API_KEY``.
        prompt_key: Where in ``extra_info`` the prompt is; by default the first of `PROMPT_KEYS` that is there.
        options: Of the reward, such as ``{"mode": "rubric"}``; ``GET /v1/reward`` says which there are.
        timeout_seconds: How long to wait at most; keep verl's ``reward.timeout`` longer.
        _: What verl adds where it has a reward model of its own.

    Raises:
        RewardMissing: There is no reward, and why.
    """
    base = (url or os.environ.get("ZHUFU_REWARD_URL") or "").rstrip("/")
    if not base:
        raise RewardMissing("no URL: set reward_kwargs.url or ZHUFU_REWARD_URL")
    rollout = {
        "id": uuid.uuid4().hex,
        "prompt": prompt_in(extra_info or {}, prompt_key),
        "completion": solution_str,
        "metadata": {"data_source": str(data_source), **_label(ground_truth)},
    }
    body = json.dumps({"rollouts": [rollout], "options": dict(options or {})}, default=_plain).encode()
    troubles = ["no answer"]
    try:
        async with asyncio.timeout(timeout_seconds):
            return await _ask(f"{base}/v1/score", body, troubles)
    except TimeoutError:
        raise RewardMissing(f"no reward within {timeout_seconds:g} seconds; at last: {troubles[-1]}") from None
    except asyncio.CancelledError:  # the time-out of verl's manager, of which it would make a reward of 0
        raise RewardMissing(f"verl ended the wait; set reward.timeout above {timeout_seconds:g} seconds") from None


def prompt_in(extra_info: Mapping[str, Any], prompt_key: str | None = None) -> str:
    """The prompt of a row; raises `RewardMissing` where there is none."""
    keys = PROMPT_KEYS if prompt_key is None else (prompt_key,)
    value = next((extra_info[key] for key in keys if extra_info.get(key) is not None), None)
    if value is not None and not isinstance(value, str):  # messages, in an array where they come from parquet
        asked = [message for message in value if isinstance(message, Mapping) and message.get("role") == "user"]
        value = asked[-1].get("content") if asked else None
    if not isinstance(value, str) or not value.strip():
        raise RewardMissing(f"no prompt in extra_info at {' or '.join(map(repr, keys))}; set reward_kwargs.prompt_key")
    return value


async def _ask(url: str, body: bytes, troubles: list[str]) -> float:
    """Until there is a reward, or an answer that no other try would change; notes why it goes on."""
    pause = 0.25
    while True:
        begun = time.monotonic()
        try:
            answer = await _client().post(url, content=body, headers=_headers())
        except (httpx.TransportError, OSError) as error:
            troubles[:] = [f"{type(error).__name__}: {error}"]
            wanted = None
        else:
            if answer.status_code == httpx.codes.OK:
                reward = _reward_in(answer, troubles)
                if reward is not None:
                    return reward
            elif answer.status_code in TRY_AGAIN:
                troubles[:] = [f"the service answered {answer.status_code}: {answer.text[:500]}"]
            else:
                raise RewardMissing(f"the service answered {answer.status_code}: {answer.text[:500]}")
            wanted = answer.headers.get("retry-after")
        pause = min(2 * pause, MAX_WAIT_SECONDS)
        wait = min(float(wanted), MAX_WAIT_SECONDS) if wanted and wanted.isdecimal() else pause
        await asyncio.sleep(max(0.0, wait * random.uniform(0.75, 1.25) - (time.monotonic() - begun)))


def _reward_in(answer: httpx.Response, troubles: list[str]) -> float | None:
    """None, and noted why, where the rollout failed in a way that another try may mend."""
    try:
        (score,) = answer.json()["scores"]
        if score["status"] == "scored":
            return float(score["reward"])
        error = score["error"]
        told, may_retry = f"{error['code']}: {error['detail']}", bool(error["retryable"])
    except (ValueError, KeyError, TypeError) as broken:
        raise RewardMissing("the answer is not that of a zhufu service") from broken
    if not may_retry:
        raise RewardMissing(told)
    troubles[:] = [told]
    return None


def _client() -> httpx.AsyncClient:
    loop = asyncio.get_running_loop()
    client = _clients.get(loop)
    if client is None:
        client = _clients[loop] = httpx.AsyncClient(
            timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_SECONDS),  # `compute_score` sets the limit
            limits=httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS),
            trust_env=False,
        )
    return client


def _headers() -> dict[str, str]:
    key = os.environ.get("ZHUFU_API_KEY")
    return {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}


def _label(ground_truth: Any) -> dict[str, Any]:
    if isinstance(ground_truth, float) and not math.isfinite(ground_truth):
        return {}
    plain = isinstance(ground_truth, str | int | float) and ground_truth != ""
    return {"label": ground_truth} if plain else {}


def _plain(value: Any) -> Any:
    """Of a part of verl's configuration, which `json` does not know."""
    return dict(value) if isinstance(value, Mapping) else list(value)


async def aclose() -> None:
    """Close the connections of this event loop; verl's workers need not."""
    client = _clients.pop(asyncio.get_running_loop(), None)
    if client is not None:
        await client.aclose()


__all__: Sequence[str] = ["RewardMissing", "aclose", "compute_score", "prompt_in"]
