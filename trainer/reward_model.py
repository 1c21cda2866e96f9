"""Training a reward model with TRL's RewardTrainer: a scalar head under the Bradley-Terry loss.

L = -E[log sigmoid(r(p, chosen) - r(p, rejected))] (PAPER: Wei et al. 2025, section on the reward model). Texts are
encoded by `shared.reward_format`, exactly as the service encodes them, and the result says so in its
``zhufu_reward.json``, with a calibration fitted on validation pairs.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import structlog
import torch
from datasets import Dataset
from rich.console import Console
from transformers import AutoModelForSequenceClassification, set_seed
from trl import RewardConfig, RewardTrainer

from shared.errors import InvalidData
from shared.reward_format import Calibration, Encoding, RewardFormat, default_format, encode
from trainer.data.negatives import NegativeMaker
from trainer.data.records import PreferencePair
from trainer.models import load_tokenizer
from trainer.presets import RewardModelPreset
from trainer.progress import HistoryFile, RichProgress
from trainer.runs import Run, use_bfloat16
from trainer.sft import TINY, logging_steps, lora_config, machine_arguments, quiet, quiet_libraries, save_merged
from trainer.tiny import make_tiny_model

log = structlog.get_logger(__name__)

SCORING_BATCH = 64
MAX_LEFT_OUT = 0.01
"""More pairs than this share that are too long are an error."""
CALIBRATION_STEPS = 100
SMALLEST_STEP = 1e-10
SMALLEST_DIFFERENCE = 1e-9
"""Between the means of good and bad logits, as a share of their spread."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RewardModelJob:
    """What to train, on what. ``model`` is a folder (a fine-tuned policy is a good start), a hub id, or ``tiny``.

    ``samples`` are (prompt, completion) that a policy wrote: the hardest negatives.
    """

    model: str
    pairs: Sequence[PreferencePair]
    validation: Sequence[PreferencePair]
    preset: RewardModelPreset
    seed: int
    save_steps: int
    samples: Sequence[tuple[str, str]] = ()


def train_reward_model(job: RewardModelJob, run: Run, console: Console) -> dict[str, float]:
    """Train, calibrate, save to ``run.model_folder`` and return figures measured on the validation pairs.

    Raises:
        InvalidData: There is no such model, or too many pairs are longer than ``preset.max_tokens``.
    """
    quiet_libraries()
    preset = job.preset
    model_name = job.model
    set_seed(job.seed)  # the head, and adapters, get their random weights before the trainer sets it
    if model_name == TINY:
        texts = [text for pair in job.pairs for text in (pair.prompt, pair.chosen, pair.rejected)]
        model_name = str(make_tiny_model(run.output / "untrained", texts, seed=job.seed))
    tokenizer = load_tokenizer(model_name)
    model = AutoModelForSequenceClassification.from_pretrained(model_name, num_labels=1, dtype=torch.float32)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.config.pad_token_id = tokenizer.pad_token_id
    encoding = default_format(tokenizer, preset.max_tokens).encoding

    maker = NegativeMaker(job.pairs, seed=job.seed, samples=job.samples)
    made = maker.make(preset.hard_negatives) if preset.hard_negatives else []
    _, training = encoded_pairs(tokenizer, encoding, [*job.pairs, *(pair for _, pair in made)], preset.max_tokens)
    validation, evaluation = encoded_pairs(tokenizer, encoding, job.validation, preset.max_tokens)
    arguments = RewardConfig(
        output_dir=str(run.output),
        num_train_epochs=preset.epochs,
        per_device_train_batch_size=preset.batch_size,
        per_device_eval_batch_size=preset.batch_size,
        gradient_accumulation_steps=preset.gradient_accumulation,
        learning_rate=preset.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=preset.warmup_ratio,
        weight_decay=preset.weight_decay,
        max_length=preset.max_tokens,
        center_rewards_coefficient=preset.center_rewards,
        bf16=use_bfloat16(),
        seed=job.seed,
        save_steps=job.save_steps,
        save_total_limit=2,
        logging_steps=logging_steps(job.save_steps),
        eval_strategy="epoch" if validation else "no",
        report_to="none",
        disable_tqdm=True,
        **machine_arguments(),
    )
    progress = RichProgress(console, "reward model")
    trainer = RewardTrainer(
        model=model,
        args=arguments,
        processing_class=tokenizer,
        train_dataset=training,
        eval_dataset=evaluation if validation else None,
        peft_config=lora_config(preset.lora, "SEQ_CLS"),
        callbacks=[progress, HistoryFile(run.history_file)],
    )
    quiet(trainer)
    try:
        trainer.train(resume_from_checkpoint=run.checkpoint)
    finally:
        progress.close()

    figures: dict[str, float] = {}
    calibration = None
    if validation:
        chosen, rejected = score_pairs(trainer.model, tokenizer, encoding, validation)
        wins = sum(good > bad for good, bad in zip(chosen, rejected, strict=True))
        figures["validation_accuracy"] = wins / len(chosen)
        calibration = fit_calibration(chosen, rejected)
    save_merged(trainer, tokenizer, run.model_folder)
    kinds: dict[str, int] = {}
    for kind, _ in made:
        kinds[kind] = kinds.get(kind, 0) + 1
    RewardFormat(
        encoding=encoding,
        max_tokens=preset.max_tokens,
        calibration=calibration,
        training={
            "loss": "bradley-terry",
            "pairs": len(job.pairs),
            "hard_negatives": dict(kinds),
            "seed": job.seed,
            **figures,
        },
    ).write(run.model_folder)
    return figures


def encoded_pairs(
    tokenizer: Any, encoding: Encoding, pairs: Sequence[PreferencePair], max_tokens: int
) -> tuple[list[PreferencePair], Dataset]:
    """The pairs that fit, and their token ids; a longer one would have to be cut, and would then say something else.

    Raises:
        InvalidData: More than `MAX_LEFT_OUT` of them are too long.
    """
    prompts = [pair.prompt for pair in pairs]
    chosen = encode(tokenizer, encoding, prompts, [pair.chosen for pair in pairs]) if pairs else []
    others = [pair.prompt if pair.rejected_prompt is None else pair.rejected_prompt for pair in pairs]
    rejected = encode(tokenizer, encoding, others, [pair.rejected for pair in pairs]) if pairs else []
    fits = [max(len(good), len(bad)) <= max_tokens for good, bad in zip(chosen, rejected, strict=True)]
    too_long = fits.count(False)
    if too_long > len(pairs) * MAX_LEFT_OUT:
        raise InvalidData("preference pairs", f"{too_long} of {len(pairs)} are longer than {max_tokens} tokens")
    if too_long:
        log.warning("pairs_left_out", count=too_long, of=len(pairs), max_tokens=max_tokens)
    rows = [
        {"chosen_ids": good, "rejected_ids": bad} for good, bad, fit in zip(chosen, rejected, fits, strict=True) if fit
    ]
    return [pair for pair, fit in zip(pairs, fits, strict=True) if fit], Dataset.from_list(rows)


@torch.inference_mode()
def score_pairs(
    model: Any, tokenizer: Any, encoding: Encoding, pairs: Sequence[PreferencePair]
) -> tuple[list[float], list[float]]:
    """Logits of all chosen and all rejected completions."""
    model.eval()
    prompts = [pair.prompt for pair in pairs] * 2
    completions = [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs]
    ids = encode(tokenizer, encoding, prompts, completions)
    logits: list[float] = []
    for begin in range(0, len(ids), SCORING_BATCH):
        batch = tokenizer.pad(
            {"input_ids": ids[begin : begin + SCORING_BATCH]}, padding_side="right", return_tensors="pt"
        )
        output = model(
            input_ids=batch["input_ids"].to(model.device), attention_mask=batch["attention_mask"].to(model.device)
        )
        logits += output.logits.squeeze(-1).float().cpu().tolist()
    return logits[: len(pairs)], logits[len(pairs) :]


def fit_calibration(good: Sequence[float], bad: Sequence[float]) -> Calibration | None:
    """Platt scaling with Platt's smoothed targets; None where the logits do not tell good from bad.

    Newton's method with a line search. Source: J. Platt, Probabilistic outputs for support vector machines (1999);
    Lin, Lin and Weng (2007).
    """
    values = torch.tensor([*good, *bad], dtype=torch.float64)
    spread = float(values.max() - values.min())
    difference = math.fsum(good) / len(good) - math.fsum(bad) / len(bad)
    if spread == 0 or difference <= spread * SMALLEST_DIFFERENCE:
        return None  # the slope has the sign of this difference; of nothing, it would be rounding noise
    high, low = (len(good) + 1) / (len(good) + 2), 1 / (len(bad) + 2)
    targets = torch.tensor([high] * len(good) + [low] * len(bad), dtype=torch.float64)
    features = torch.stack([values, torch.ones_like(values)], dim=1)
    weights = torch.zeros(2, dtype=torch.float64)

    def loss(candidate: torch.Tensor) -> float:
        logits = features @ candidate
        return float((torch.nn.functional.softplus(logits) - targets * logits).sum())

    for _ in range(CALIBRATION_STEPS):
        probabilities = torch.sigmoid(features @ weights)
        gradient = features.T @ (probabilities - targets)
        curvature = features.T @ (features * (probabilities * (1 - probabilities))[:, None])
        step = torch.linalg.solve(curvature + 1e-9 * torch.eye(2, dtype=torch.float64), gradient)
        while loss(weights - step) > loss(weights) and float(step.abs().max()) > SMALLEST_STEP:
            step = step / 2  # a whole step may go too far where outliers bend the curve
        weights = weights - step
        if float(step.abs().max()) < SMALLEST_STEP:
            break
    scale, bias = float(weights[0]), float(weights[1])
    return Calibration(scale=scale, bias=bias) if scale > 0 and math.isfinite(scale) and math.isfinite(bias) else None
