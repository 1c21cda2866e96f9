"""Generating on held-out prompts, and having the completions scored by URL."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress
from transformers import AutoModelForCausalLM, set_seed

from shared.client import RewardClient
from shared.errors import InvalidData, RewardUnavailable
from shared.schemas import Rollout, Score
from trainer.evaluation.intervals import Interval, bootstrap_difference, bootstrap_mean
from trainer.models import load_tokenizer
from trainer.text_stats import distinct_n

GENERATION_BATCH = 96


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One completion that a policy wrote for a held-out prompt. ``truncated``: it ran into the token limit."""

    prompt: str
    completion: str
    truncated: bool
    tokens: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFigures:
    """What a policy did on held-out prompts; ``rewards`` has the mean of each prompt that has one."""

    samples: list[Sample]
    scores: list[Score]
    rewards: dict[str, float]
    characters: float
    truncated_share: float
    distinct_2: float
    unscored: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Improvement:
    """Mean rewards of two policies on the same prompts, and of the later one minus the earlier one."""

    before: Interval
    after: Interval
    difference: Interval


class LoadedPolicy:
    """A model and its tokenizer in memory, ready to write.

    Raises:
        InvalidData: No model can be loaded from there, or it has no chat template.
    """

    def __init__(self, model_path: str) -> None:
        self._tokenizer: Any = load_tokenizer(model_path, padding_side="left")
        if not self._tokenizer.chat_template:
            raise InvalidData(model_path, "its tokenizer has no chat template: it cannot be asked for anything")
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            model: Any = AutoModelForCausalLM.from_pretrained(model_path)
        except (OSError, ValueError) as error:
            raise InvalidData(
                model_path, "holds a tokenizer, but no causal language model that can be loaded"
            ) from error
        self._model = model.to(self._device).eval()
        ends = model.generation_config.eos_token_id
        self._end_ids = set(ends if isinstance(ends, list) else [ends])
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token

    @torch.inference_mode()
    def write(
        self, prompts: Sequence[str], *, max_tokens: int, temperature: float, top_p: float, prompt_prefix: str
    ) -> list[Sample]:
        """Sample one completion for each prompt, all in one batch, from torch's random numbers as they stand."""
        inputs: Any = self._tokenizer.apply_chat_template(
            [[{"role": "user", "content": prompt_prefix + prompt}] for prompt in prompts],
            add_generation_prompt=True,
            padding=True,
            return_tensors="pt",
            return_dict=True,
        )
        inputs = inputs.to(self._device)
        inputs.pop("token_type_ids", None)
        output = self._model.generate(
            **inputs,
            do_sample=True,
            temperature=temperature,
            top_p=top_p,
            top_k=0,
            max_new_tokens=max_tokens,
            pad_token_id=self._tokenizer.pad_token_id,
        )
        rows = output[:, inputs["input_ids"].shape[1] :].tolist()
        return [self._sample(prompt, row) for prompt, row in zip(prompts, rows, strict=True)]

    def _sample(self, prompt: str, row: Sequence[int]) -> Sample:
        end = next((place for place, token in enumerate(row) if token in self._end_ids), None)
        tokens = row if end is None else row[:end]
        return Sample(
            prompt=prompt,
            completion=str(self._tokenizer.decode(tokens, skip_special_tokens=True)),
            truncated=end is None,
            tokens=len(tokens),
        )


def generate(
    model_path: str,
    prompts: Sequence[str],
    *,
    samples_per_prompt: int,
    max_tokens: int,
    temperature: float,
    top_p: float,
    prompt_prefix: str,
    seed: int,
    console: Console,
    title: str = "generate",
) -> list[Sample]:
    """Sample completions; those of one prompt stand together, prompts in order. Same seed, same samples.

    Raises:
        InvalidData: See `LoadedPolicy`.
    """
    policy = LoadedPolicy(model_path)
    set_seed(seed)
    asked = [prompt for prompt in prompts for _ in range(samples_per_prompt)]
    samples: list[Sample] = []
    with Progress(console=console) as progress:
        for begin in progress.track(range(0, len(asked), GENERATION_BATCH), description=title):
            samples += policy.write(
                asked[begin : begin + GENERATION_BATCH],
                max_tokens=max_tokens,
                temperature=temperature,
                top_p=top_p,
                prompt_prefix=prompt_prefix,
            )
    return samples


async def evaluate(
    samples: Sequence[Sample], reward_url: str, *, api_key: str | None, timeout_seconds: float
) -> PolicyFigures:
    """Have samples scored and sum up.

    Raises:
        RewardUnavailable: More than a tenth of the samples got no reward; a mean over the rest would mislead.
    """
    rollouts = [
        Rollout(id=str(row), prompt=sample.prompt, completion=sample.completion) for row, sample in enumerate(samples)
    ]
    async with RewardClient.from_url(reward_url, api_key=api_key, timeout_seconds=timeout_seconds) as client:
        scores = await client.score(rollouts)
    by_prompt: dict[str, list[float]] = defaultdict(list)
    unscored = 0
    for sample, score in zip(samples, scores, strict=True):
        if score.reward is None:
            unscored += 1
        else:
            by_prompt[sample.prompt].append(score.reward)
    if unscored > 0.1 * len(samples):
        raise RewardUnavailable(f"{unscored} of {len(samples)} samples got no reward: no mean is computed")
    completions = [sample.completion for sample in samples]
    return PolicyFigures(
        samples=list(samples),
        scores=scores,
        rewards={prompt: sum(rewards) / len(rewards) for prompt, rewards in by_prompt.items()},
        characters=sum(map(len, completions)) / len(completions),
        truncated_share=sum(sample.truncated for sample in samples) / len(samples),
        distinct_2=distinct_n(completions, 2),
        unscored=unscored,
    )


def improvement(before: PolicyFigures, after: PolicyFigures) -> Improvement:
    """Compare rewards, paired by the prompts that have one in both."""
    prompts = [prompt for prompt in before.rewards if prompt in after.rewards]
    early = [before.rewards[prompt] for prompt in prompts]
    late = [after.rewards[prompt] for prompt in prompts]
    return Improvement(
        before=bootstrap_mean(early), after=bootstrap_mean(late), difference=bootstrap_difference(early, late)
    )
