"""Sizes of the recipe. ``paper`` is the published one, for four GPUs of 80 GB; ``laptop`` does all of it on two cores.

What decides a training (learning rates, batches, lengths) is in `trainer.presets`; here is what a recipe adds to that.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from importlib import resources

from trainer.presets import PresetName
from trainer.stack.services import JUDGE, REWARD_MODEL
from trainer.steps.step import Needs

Arguments = tuple[str, ...]

MODEL = "Qwen/Qwen2.5-7B-Instruct"
GPUS = 4
LLM_VARIABLES = ("ZHUFU_LLM_URL", "ZHUFU_LLM_MODEL")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ReproducePreset:
    """What differs between a laptop and the paper's machines.

    Attributes:
        name: Of the training presets as well.
        base: The model that all policies grow from; None: a small one is made, which stands for a pretrained one.
        base_training: Arguments of that, beyond ``--preset``.
        reward_model: Arguments of ``train rm``, beyond ``--preset``.
        principles: Arguments of ``optimize-judge``.
        sft: Arguments of ``train sft``, beyond ``--preset``.
        grpo: Arguments of ``train grpo``, beyond ``--preset``.
        weights: Of a reward that is climbed, where it is not 1, by its name.
        grpo_launcher: What starts its processes; empty: one, by Python.
        rewards: Arguments of ``evaluate rewards``.
        policies: Arguments of ``evaluate policy``.
        agents: Whether the agents are evaluated, too, whole and without each of them.
        served: Settings of services, by service.
        training_needs: Of one training process.
        grpo_needs: Of reinforcement learning.
        llm_needs: Of what asks an LLM.
        minutes: What steps took where that was measured, by step.
    """

    name: PresetName
    base: str | None
    base_training: Arguments = ()
    reward_model: Arguments = ()
    principles: Arguments = ()
    sft: Arguments = ()
    grpo: Arguments = ()
    weights: Mapping[str, float] = dataclasses.field(default_factory=dict)
    grpo_launcher: Arguments = ()
    rewards: Arguments = ()
    policies: Arguments = ()
    agents: bool = False
    served: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    training_needs: Needs = dataclasses.field(default_factory=Needs)
    grpo_needs: Needs = dataclasses.field(default_factory=Needs)
    llm_needs: Needs = dataclasses.field(default_factory=Needs)
    minutes: Mapping[str, float] = dataclasses.field(default_factory=dict)


LAPTOP = ReproducePreset(
    name="laptop",
    base=None,
    base_training=("--epochs", "1"),
    reward_model=("--model", "e5", "--epochs", "1", "--save-steps", "40"),
    principles=("--rounds", "1", "--batch", "2", "--validation-rows", "8", "--test-rows", "8"),
    sft=("--epochs", "2"),
    # A verdict of the stand-in judge takes a third of a second and more: 32 rollouts are a step of 10 to 30 seconds.
    grpo=(
        *("--steps", "24", "--group-size", "4", "--max-completion-tokens", "128"),
        *("--shadow-every", "8", "--save-steps", "8"),
    ),
    weights={JUDGE: 5.0},  # it goes from 0 to 1, and the reward model's logit over a few units
    rewards=("--limit", "300", "--probe-cases", "16"),
    policies=("--limit", "60", "--samples", "2", "--max-completion-tokens", "128"),
    minutes={  # on two cores; docs/reproduce.md
        "audit": 0.8,
        "reward-model": 13.7,
        "principles": 3.1,
        "base": 6.4,
        "sft": 7.2,
        "rm-rl": 3.3,
        "judge-rl": 10.5,
        "sft-rm-rl": 4.3,
        "sft-judge-rl": 11.8,
        "rewards": 8.8,
        "policies": 11.4,
    },
)

PAPER = ReproducePreset(
    name="paper",
    base=MODEL,
    reward_model=("--model", MODEL),
    principles=("--rounds", "100", "--batch", "4", "--validation-rows", "96", "--test-rows", "96"),
    grpo=(
        *("--vllm", "colocate", "--vllm-memory-share", "0.25"),
        *("--deepspeed", str(resources.files("trainer.reproduce") / "zero3.json")),
        *("--shadow-every", "10", "--save-steps", "50"),
    ),
    grpo_launcher=(
        *(sys.executable, "-m", "accelerate.commands.launch"),
        *("--multi_gpu", "--num_machines", "1", "--num_processes", str(GPUS)),
        *("--mixed_precision", "bf16", "--dynamo_backend", "no"),
    ),
    policies=("--samples", "4"),
    agents=True,
    served={
        JUDGE: {"MODE": "verdict"},  # the paper's reward is the verdict, raw
        REWARD_MODEL: {"DEVICE": f"cuda:{GPUS - 1}"},
    },
    training_needs=Needs(gpus=1),
    grpo_needs=Needs(modules=("vllm", "deepspeed"), gpus=GPUS),
    llm_needs=Needs(environment=LLM_VARIABLES),
)

PRESETS: Mapping[PresetName, ReproducePreset] = {"laptop": LAPTOP, "paper": PAPER}
