"""What a run of the recipe would have measured, made up: six policies of which it is known what became of them.

Rewards are quality and a share of the length. Against the base, sft and sft-rm-rl are better, rm-rl is only longer,
judge-rl is the same, and sft-judge-rl has lost what sft had gained.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.unit.trainer.evaluation.policies.made import scored, written
from trainer.evaluation.policies.excellence import Excellence
from trainer.evaluation.policies.result import PolicyResult, policy_result
from trainer.evaluation.policies.reward_figures import Judged
from trainer.evaluation.rewards.slices import HIGH, ORDINARY
from trainer.reproduce.measured import SPLITS, Measured, StepTime
from trainer.reproduce.results import AuditResult, PoliciesResult, RewardsResult, SplitResult
from trainer.reproduce.rows import ROWS

PROMPTS = 60
LENGTH = 30
BY_CHARACTER = 0.05
QUALITY = {"base": 0.0, "sft": 1.0, "rm-rl": 0.0, "judge-rl": 0.0, "sft-rm-rl": 2.0, "sft-judge-rl": 0.0}
LONGER = {"rm-rl": 20}
EVALUATION = {"mean": 0.9, "low": 0.88, "high": 0.92}


@functools.cache
def policies_result() -> PolicyResult:
    """As ``zhufu evaluate policy`` finds it."""
    random = np.random.default_rng(7)
    texts, rewards = [], {}
    for row in ROWS:
        lengths = np.maximum(4, random.normal(LENGTH + LONGER.get(row.name, 0), 6, PROMPTS)).astype(int)
        quality = QUALITY[row.name] + random.normal(0, 0.3, PROMPTS)
        texts.append(written(row.name, [["暖" * length] for length in lengths]))
        rewards[row.name] = [float(value) for value in quality + BY_CHARACTER * lengths]
    judged = [
        Judged(
            reward=reward,
            version=f"{reward}@1",
            excellence=Excellence("threshold", LENGTH * BY_CHARACTER + 0.5),
            scores={name: [scored(value) for value in values] for name, values in rewards.items()},
        )
        for reward in ("reward_model", "judge")
    ]
    prompts = texts[0].prompt_ids
    slices = {HIGH: prompts[: PROMPTS // 3], ORDINARY: prompts[PROMPTS // 3 :]}
    return policy_result(texts, judged, slices, None, training_texts=None, seed=0)


def as_written(record: Any) -> str:
    """As `trainer.run_folder.write_json` writes it."""
    return json.dumps(record, ensure_ascii=False)


def rewards_result(accuracy: dict[str, float] | None = None, *more: str) -> RewardsResult:
    """As ``zhufu evaluate rewards`` writes it: what is read of it. ``more`` are further rewards."""
    column = {"decided_by": "its verdict", "figures": {"accuracy": EVALUATION, "length_stratified_auc": None}}
    columns = {
        "reward_model": {"kind": "reward", **column},
        "judge": {"kind": "reward", **column},
        "length rule": {
            "kind": "baseline",
            "decided_by": "43 characters",
            "figures": {"accuracy": accuracy or {"mean": 0.892, "low": 0.87, "high": 0.91}},
        },
    }
    columns |= {name: {"kind": "reward", **column} for name in more}
    findings = [{"text": "judge does not beat counting characters", "tone": "bad", "code": "x", "reward": "judge"}]
    return RewardsResult.model_validate({"rows": {"compared": 1010}, "columns": columns, "findings": findings})


def measured(
    *,
    is_stand_in: bool = True,
    rewards: RewardsResult | None = None,
    without: Mapping[str, RewardsResult] | None = None,
) -> Measured:
    """All of it."""
    record = policies_result().record()
    split = {"parts": {"train": {"rows": 4511}, "validation": {"rows": 228}}, "left_out": {"text_excluded": 803}}
    finding = {"source": "/data/reward_data_train.json", "sentence": "5 pairs prefer nothing", "severity": "broken"}
    return Measured(
        preset="laptop",
        llm="gemma-3-270m",
        is_stand_in=is_stand_in,
        audit=AuditResult.model_validate({"passes": False, "findings": [finding]}),
        splits={name: SplitResult.model_validate(split) for name in SPLITS},
        rewards=rewards or rewards_result(),
        without=without or {},
        policies=PoliciesResult.model_validate_json(as_written(record)),
        times=[StepTime(name="audit", title="What is wrong?", seconds=95.0, attempts=2)],
    )
