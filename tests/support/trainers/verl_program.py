"""Lets verl's own reward loop ask for rewards: reads what to do as JSON, writes what came of it as JSON.

Real: `verl.experimental.reward_loop` (worker, managers), `verl.trainer.ppo.reward`, `verl.protocol.DataProto`,
tensordict, omegaconf and aiohttp. Stand-ins at import, which the called code never uses: ray, hydra, codetiming,
pylatexenc. The rollouts are made here as verl's agent loop makes them.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from tests.support.trainers.stand_ins import arm, stand_in

sys.path.append(os.environ["TRAINER_PACKAGES"])
stand_in("ray", "hydra", "codetiming", "pylatexenc")

import aiohttp  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from omegaconf import OmegaConf  # noqa: E402
from tensordict import TensorDict  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402
from verl import DataProto  # noqa: E402
from verl.experimental.reward_loop import RewardLoopWorker, reward_manager  # noqa: E402
from verl.trainer.ppo.reward import load_reward_manager  # noqa: E402

arm()

MANAGERS = reward_manager.__all__
"""Imported before `arm`, as verl would only do so later, with decorators of ray."""
PADDING = 5


def config_of(asked: dict[str, Any], case: dict[str, Any]) -> Any:
    """The parts of verl's configuration that its reward loop reads."""
    return OmegaConf.create(
        {
            "actor_rollout_ref": {"model": {"path": asked["tokenizer"], "tokenizer_path": None}},
            "reward": {
                "num_workers": 1,
                "max_concurrent": 8,
                "timeout": case.get("timeout", 300.0),
                "custom_reward_function": case.get("function", {"path": None, "name": "compute_score"}),
                "reward_manager": {"source": "register", "name": case.get("manager", "naive")},
                "reward_model": {
                    "enable": "engine" in case,
                    "model_path": asked["tokenizer"],
                    "rollout": {"name": case.get("engine")},
                },
                "sandbox_fusion": {"url": None},
            },
        }
    )


def rollout_of(case: dict[str, Any], tokenizer: Any) -> DataProto:
    """One rollout, padded as in a batch with a longer one."""
    chat = [{"role": "user", "content": case["prompt"]}]
    given = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    prompt = tokenizer(given, add_special_tokens=False)["input_ids"]
    written = tokenizer(case["completion"], add_special_tokens=False)["input_ids"]
    responses = torch.tensor([written + [tokenizer.pad_token_id] * PADDING])
    mask = torch.tensor([[1] * (len(prompt) + len(written)) + [0] * PADDING])
    rows = {
        "raw_prompt": chat,
        "data_source": "greetings",
        "reward_model": {"ground_truth": "", "style": "model"},
        "extra_info": case.get("extra_info", {"question": case["prompt"]}),
    }
    arrays = {}
    for name, value in rows.items():
        arrays[name] = np.empty(1, dtype=object)
        arrays[name][0] = value
    batch = {"prompts": torch.tensor([prompt]), "responses": responses, "attention_mask": mask}
    return DataProto(batch=TensorDict(batch, batch_size=1), non_tensor_batch=arrays)


async def scored(asked: dict[str, Any], case: dict[str, Any], tokenizer: Any) -> dict[str, Any]:
    """What the worker, or the manager, gives for one rollout, or what it raised."""
    data = rollout_of(case, tokenizer)
    config = config_of(asked, case)
    try:
        if "engine" in case:
            worker = RewardLoopWorker(config, reward_router_address=case["router"])
            return dict(await worker.compute_score(data))
        return dict(await load_reward_manager(config, tokenizer).run_single(data))
    except aiohttp.ClientResponseError as error:
        return {"raised": type(error).__name__, "status": error.status}
    except BaseException as error:  # noqa: BLE001 -- what a reward function raises need not be an Exception
        return {"raised": type(error).__name__, "is_exception": isinstance(error, Exception), "said": str(error)}


async def main() -> None:
    """All cases at once: most of their time they wait."""
    asked = json.load(sys.stdin)
    tokenizer = AutoTokenizer.from_pretrained(asked["tokenizer"])
    cases = asked["cases"]
    answers = await asyncio.gather(*(scored(asked, case, tokenizer) for case in cases.values()))
    print(json.dumps(dict(zip(cases, answers, strict=True))))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main())
