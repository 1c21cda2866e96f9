"""What validation pairs say of a trained reward model: figures, calibration, and what is added to its logits."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import structlog
import torch

from shared.ngram_prior import NgramPrior
from shared.reward_format import Calibration, Encoding, LengthCorrection, encode
from trainer.calibration import fit_calibration
from trainer.data.records import PreferencePair
from trainer.length_control import LengthControl, fit_length_correction, same_length
from trainer.ngram_prior import better_row, fit_ngram_prior, made_up, rows_to_weigh, weighed, worse_row
from trainer.presets import RewardModelPreset

log = structlog.get_logger(__name__)

SCORING_BATCH = 64


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the validation pairs say of a trained model."""

    figures: dict[str, float]
    calibration: Calibration | None = None
    correction: LengthCorrection | None = None
    prior: NgramPrior | None = None


def measured_on(
    preset: RewardModelPreset,
    model: Any,
    tokenizer: Any,
    encoding: Encoding,
    pairs: Sequence[PreferencePair],
    training: Sequence[PreferencePair],
    *,
    seed: int,
) -> Measured:
    """Figures, calibration and, where they are asked for, n-gram prior and length correction."""
    if not pairs:
        if preset.ngram_prior:
            log.warning("ngram_prior_left_out", reason="there are no validation pairs to weigh it by")
        return Measured(figures={})
    control = preset.length_control
    made = made_up(pairs, seed=seed) if preset.ngram_prior else []
    rows = rows_to_weigh(pairs, made)
    found = score_texts(model, tokenizer, encoding, [prompt for prompt, _ in rows], [text for _, text in rows])
    logits = dict(zip(rows, found, strict=True))
    chosen = [logits[better_row(pair)] for pair in pairs]
    rejected = [logits[worse_row(pair)] for pair in pairs]
    figures: dict[str, float] = {}
    prior = None
    if preset.ngram_prior:
        prior, weights = weighed(fit_ngram_prior(training), pairs, made, logits)
        figures["ngram_ratio"] = weights.ratio
    if prior is not None:
        chosen = [logit + prior.at(pair.chosen) for logit, pair in zip(chosen, pairs, strict=True)]
        rejected = [logit + prior.at(pair.rejected) for logit, pair in zip(rejected, pairs, strict=True)]
    characters = [len(pair.chosen) for pair in pairs] + [len(pair.rejected) for pair in pairs]
    correction = None
    if control is LengthControl.RESIDUAL:
        labels = [1] * len(chosen) + [0] * len(rejected)
        correction = fit_length_correction([*chosen, *rejected], characters, labels)
    if correction is not None:
        corrected = [logit - correction.at(size) for logit, size in zip([*chosen, *rejected], characters, strict=True)]
        chosen, rejected = corrected[: len(pairs)], corrected[len(pairs) :]
    wins = [float(good > bad) for good, bad in zip(chosen, rejected, strict=True)]
    alike = [win for win, pair in zip(wins, pairs, strict=True) if same_length(pair.chosen, pair.rejected)]
    figures["validation_accuracy"] = sum(wins) / len(wins)
    if alike:
        figures["validation_accuracy_same_length"] = sum(alike) / len(alike)
    return Measured(figures=figures, calibration=fit_calibration(chosen, rejected), correction=correction, prior=prior)


def score_pairs(
    model: Any, tokenizer: Any, encoding: Encoding, pairs: Sequence[PreferencePair]
) -> tuple[list[float], list[float]]:
    """Logits of all chosen and all rejected completions."""
    prompts = [pair.prompt for pair in pairs] * 2
    completions = [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs]
    logits = score_texts(model, tokenizer, encoding, prompts, completions)
    return logits[: len(pairs)], logits[len(pairs) :]


@torch.inference_mode()
def score_texts(
    model: Any, tokenizer: Any, encoding: Encoding, prompts: Sequence[str], completions: Sequence[str]
) -> list[float]:
    """Logits of completions, each under its prompt; texts of about one length go through the model together."""
    model.eval()
    ids = encode(tokenizer, encoding, prompts, completions)
    order = sorted(range(len(ids)), key=lambda place: len(ids[place]))
    logits = [0.0] * len(ids)
    for begin in range(0, len(order), SCORING_BATCH):
        places = order[begin : begin + SCORING_BATCH]
        batch = tokenizer.pad(
            {"input_ids": [ids[place] for place in places]}, padding_side="right", return_tensors="pt"
        )
        output = model(
            input_ids=batch["input_ids"].to(model.device), attention_mask=batch["attention_mask"].to(model.device)
        )
        for place, logit in zip(places, output.logits.squeeze(-1).float().cpu().tolist(), strict=True):
            logits[place] = logit
    return logits
