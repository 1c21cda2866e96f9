"""Lets OpenRLHF's own executor fetch rewards: reads what to do as JSON, writes what came of it as JSON.

Real: `openrlhf.utils.agent` and aiohttp, and what its trainer makes of the answer (`samples_generator`). Stand-ins at
import, which the called code never uses: deepspeed, torchdata, pylatexenc, ray, vllm. The language model is a stub that
has written the completion already; what is tested comes after it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from types import SimpleNamespace
from typing import Any

from tests.support.trainers.stand_ins import arm, stand_in

sys.path.append(os.environ["TRAINER_PACKAGES"])
stand_in("deepspeed", "torchdata", "pylatexenc", "ray", "vllm")

from openrlhf.trainer.ppo_utils.samples_generator import SamplesGenerator  # noqa: E402
from openrlhf.utils.agent import SingleTurnAgentExecutor  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402

arm()


class Writer:
    """An engine that has written this completion."""

    def __init__(self, token_ids: list[int]) -> None:
        self._token_ids = token_ids

    async def generate(self, *_: Any, **__: Any) -> Any:
        """As vLLM answers."""
        output = SimpleNamespace(token_ids=self._token_ids, finish_reason="stop", logprobs=None)
        return SimpleNamespace(outputs=[output])


async def executed(case: dict[str, Any], tokenizer: Any) -> dict[str, Any]:
    """`execute` of one prompt: prompt and completion in, reward out; then what the trainer makes of it."""
    completion = tokenizer(case["completion"], add_special_tokens=False)["input_ids"]
    response = await SingleTurnAgentExecutor(case["urls"]).execute(
        case["prompt"],
        case["label"],
        SimpleNamespace(max_tokens=case["max_tokens"], logprobs=None),
        case["max_length"],
        tokenizer,
        Writer(completion),
    )
    experience = SamplesGenerator._process_response_into_experience(None, response)
    return {
        "reward": response["reward"],
        "scores": response["scores"],
        "extra_logs": response["extra_logs"],
        "trained_on": None if experience.rewards is None else experience.rewards.flatten().tolist(),
        "logged": sorted(experience.info),
    }


async def fetched(case: dict[str, Any]) -> Any:
    """`_fetch_rewards_via_http`, or the words of what it raised."""
    executor = SingleTurnAgentExecutor(case["urls"])
    try:
        return await executor._fetch_rewards_via_http(case["queries"], case["prompts"], case["labels"])
    except RuntimeError as error:
        return str(error)


async def main() -> None:
    """All cases at once: most of their time they wait."""
    asked = json.load(sys.stdin)
    tokenizer = AutoTokenizer.from_pretrained(asked["tokenizer"])
    names = [*asked["execute"], *asked["fetch"]]
    work = [executed(case, tokenizer) for case in asked["execute"].values()]
    work += [fetched(case) for case in asked["fetch"].values()]
    print(json.dumps(dict(zip(names, await asyncio.gather(*work), strict=True))))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main())
