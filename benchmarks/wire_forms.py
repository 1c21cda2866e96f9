"""How servers of a reward model are asked over HTTP, ours and others: path, body, and where the rewards are."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from benchmarks.workload import rendered
from shared.schemas import Rollout, ScoreRequest

Rewards = dict[str, float]
"""By the id of the rollout; those that were not scored are missing."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WireForm:
    """One way to ask.

    Attributes:
        path: Of the route.
        body: Of a request for some rollouts.
        rewards: What an answer to such a request says; raises where it is of another form.
    """

    path: str
    body: Callable[[Sequence[Rollout]], bytes]
    rewards: Callable[[Sequence[Rollout], bytes], Rewards]


def _json(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode()


def _texts(rollouts: Sequence[Rollout]) -> list[str]:
    return [rendered(rollout) for rollout in rollouts]


def _by_id(rollouts: Sequence[Rollout], rewards: Sequence[float]) -> Rewards:
    return {rollout.id: float(reward) for rollout, reward in zip(rollouts, rewards, strict=True)}


def _our_rewards(_: Sequence[Rollout], answer: bytes) -> Rewards:
    scores: list[dict[str, Any]] = json.loads(answer)["scores"]
    return {score["id"]: score["reward"] for score in scores if score["status"] == "scored"}


def _vllm_rewards(rollouts: Sequence[Rollout], answer: bytes) -> Rewards:
    rows: list[dict[str, Any]] = json.loads(answer)["data"]
    return _by_id(rollouts, [row["probs"][0] for row in sorted(rows, key=lambda row: int(row["index"]))])


OURS: Final = "zhufu"
OPENRLHF: Final = "openrlhf"
LITSERVE: Final = "litserve"
VLLM: Final = "vllm"

FORMS: Final[Mapping[str, WireForm]] = {
    OURS: WireForm(
        path="/v1/score",
        body=lambda rollouts: ScoreRequest(rollouts=list(rollouts)).model_dump_json().encode(),
        rewards=_our_rewards,
    ),
    OPENRLHF: WireForm(
        path="/get_reward",
        body=lambda rollouts: _json({"query": _texts(rollouts)}),
        rewards=lambda rollouts, answer: _by_id(rollouts, json.loads(answer)["rewards"]),
    ),
    LITSERVE: WireForm(  # one text a request: that is what its batching puts together
        path="/predict",
        body=lambda rollouts: _json({"text": _texts(rollouts)[0]}),
        rewards=lambda rollouts, answer: _by_id(rollouts, [json.loads(answer)["reward"]]),
    ),
    VLLM: WireForm(
        path="/classify",
        body=lambda rollouts: _json({"input": _texts(rollouts), "use_activation": False}),
        rewards=_vllm_rewards,
    ),
}
