"""What other trainers send about a rollout, and how they read the reward out of the answer.

The texts are of this project; the forms are those that the trainers' own code sends (docs/trainers.md says which).
"""

from __future__ import annotations

import base64
import dataclasses
import json
import struct
from collections.abc import Callable
from typing import Any

ASKED = "给外婆的八十岁生日祝福"
GIVEN = f"<|im_start|>user\n{ASKED}<|im_end|>\n<|im_start|>assistant\n"
"""The prompt as ChatML's template makes it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One form of asking for the reward of one completion."""

    path: str
    body: Callable[[str], Any]
    """The body of a request about a completion."""
    reward: Callable[[Any], float]
    """Of an answer."""


def openrlhf(completion: str) -> Any:
    """As `SingleTurnAgentExecutor` sends it; the end of the turn is decoded with the rest."""
    return {"query": [f"{GIVEN}{completion}<|im_end|>"], "prompts": [GIVEN], "labels": [""]}


def slime(completion: str) -> Any:
    """As `remote_rm` sends it with ``--apply-chat-template``."""
    return {"prompt": GIVEN, "response": f"{completion}<|im_end|>", "label": None}


def slime_messages(completion: str) -> Any:
    """As `remote_rm` sends it without ``--apply-chat-template``, for a data set of conversations."""
    return {"prompt": [{"role": "user", "content": ASKED}], "response": completion, "label": "外婆"}


def verl_vllm(completion: str) -> Any:
    """As `compute_score_disrm` asks vLLM."""
    return {"model": "Qwen/reward", "input": f"{GIVEN}{completion}<|im_end|>\n", "use_activation": False}


def verl_sglang(completion: str) -> Any:
    """As `compute_score_disrm` asks SGLang."""
    return {"model": "Qwen/reward", "input": f"{GIVEN}{completion}<|im_end|>\n"}


def openai_embeddings(completion: str) -> Any:
    """As the ``openai`` client sends it."""
    return {"model": "judge", "input": [f"{GIVEN}{completion}<|im_end|>\n"], "encoding_format": "base64"}


def nemo_gym(completion: str) -> Any:
    """As `SimpleAgent` sends it, with a field of the data set."""
    return {
        "responses_create_params": {"input": [{"role": "user", "content": ASKED}], "temperature": 1.0},
        "response": {
            "id": "resp_1",
            "created_at": 1.0,
            "model": "policy",
            "object": "response",
            "output": [
                {"type": "reasoning", "id": "rs_1", "summary": []},
                {
                    "type": "message",
                    "id": "msg_1",
                    "role": "assistant",
                    "status": "completed",
                    "content": [{"type": "output_text", "text": completion, "annotations": []}],
                },
            ],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
        },
        "occasion": "八十寿辰",
        "_ng_task_index": 7,
    }


DIALECTS = {
    "openrlhf": Dialect(path="/get_reward", body=openrlhf, reward=lambda answer: answer["rewards"][0]),
    "slime": Dialect(path="/remote_rm", body=slime, reward=float),
    "slime-keyed": Dialect(path="/remote_rm?keyed=true", body=slime_messages, reward=lambda answer: answer["reward"]),
    "verl-vllm": Dialect(path="/classify", body=verl_vllm, reward=lambda answer: answer["data"][-1]["probs"][-1]),
    "verl-sglang": Dialect(
        path="/v1/embeddings", body=verl_sglang, reward=lambda answer: answer["data"][-1]["embedding"][-1]
    ),
    "openai": Dialect(
        path="/v1/embeddings",
        body=openai_embeddings,
        reward=lambda answer: struct.unpack("<f", base64.b64decode(answer["data"][0]["embedding"]))[0],
    ),
    "nemo-gym": Dialect(path="/verify", body=nemo_gym, reward=lambda answer: answer["reward"]),
    "nemo-gym-observed": Dialect(path="/ng-rollout/7-0/verify", body=nemo_gym, reward=lambda answer: answer["reward"]),
}


def written(dialect: Dialect, completion: str) -> str:
    """The body of a request as JSON."""
    return json.dumps(dialect.body(completion), ensure_ascii=False)
