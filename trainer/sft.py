"""Supervised fine-tuning of a policy with TRL's SFTTrainer: the optional cold start before reinforcement learning."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog
from datasets import Dataset, disable_progress_bars
from peft import LoraConfig
from rich.console import Console
from transformers import set_seed
from trl import SFTConfig

from shared.errors import InvalidData
from trainer.data.records import Example
from trainer.models import Row, load_tokenizer, rows_that_fit
from trainer.optimizers import ADAM_BETAS, muon_choice
from trainer.presets import LoraPreset, SftPreset
from trainer.progress import HistoryFile, RichProgress
from trainer.runs import Run, use_bfloat16
from trainer.sft_trainer import NoisySFTTrainer
from trainer.tiny import make_tiny_model

log = structlog.get_logger(__name__)

TINY = "tiny"
"""As a model's name: make an untrained tiny one from the texts."""
STEPS_PER_LOG = 10


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SftJob:
    """What to train, on what, and where the result goes. ``model`` is a folder, a hub id, or ``tiny``."""

    model: str
    examples: Sequence[Example]
    evaluation: Sequence[Example]
    preset: SftPreset
    seed: int
    save_steps: int
    tokenizer_texts: Sequence[str] = ()


def train_sft(job: SftJob, run: Run, console: Console) -> dict[str, float]:
    """Train, save to ``run.model_folder``, and return the last figures.

    Raises:
        InvalidData: There is no such model, or no example fits into ``preset.max_tokens``.
    """
    quiet_libraries()
    model = job.model
    if model == TINY:
        texts = [text for example in job.examples for text in (example.prompt, example.completion)]
        model = str(make_tiny_model(run.output / "untrained", [*texts, *job.tokenizer_texts], seed=job.seed))
    preset = job.preset
    tokenizer = load_tokenizer(model)
    set_seed(job.seed)  # adapters get their random weights before the trainer sets it
    arguments = SFTConfig(
        output_dir=str(run.output),
        num_train_epochs=preset.epochs,
        per_device_train_batch_size=preset.batch_size,
        gradient_accumulation_steps=preset.gradient_accumulation,
        learning_rate=preset.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=preset.warmup_ratio,
        weight_decay=preset.weight_decay,
        adam_beta2=ADAM_BETAS[1],
        max_length=preset.max_tokens,
        bf16=use_bfloat16(),
        seed=job.seed,
        save_steps=job.save_steps,
        save_total_limit=2,
        logging_steps=logging_steps(job.save_steps),
        eval_strategy="epoch" if job.evaluation else "no",
        report_to="none",
        disable_tqdm=True,
        **machine_arguments(),
    )
    progress = RichProgress(console, "sft")
    trainer = NoisySFTTrainer(
        model=model,
        args=arguments,
        processing_class=tokenizer,
        train_dataset=Dataset.from_list(fitting(tokenizer, job.examples, preset)),
        eval_dataset=Dataset.from_list(fitting(tokenizer, job.evaluation, preset)) if job.evaluation else None,
        peft_config=lora_config(preset.lora, "CAUSAL_LM"),
        callbacks=[progress, HistoryFile(run.history_file)],
        context_noise=preset.context_noise,
        optimizer_cls_and_kwargs=optimizer(preset),
    )
    quiet(trainer)
    try:
        trainer.train(resume_from_checkpoint=run.checkpoint)
    finally:
        progress.close()
    save_merged(trainer, tokenizer, run.model_folder)
    history = run.history()
    losses = [line["loss"] for line in history if "loss" in line]
    figures = {"train_loss": losses[-1]} if losses else {}
    evaluated = [line["eval_loss"] for line in history if "eval_loss" in line]
    if evaluated:
        figures["eval_loss"] = evaluated[-1]
    return figures


def optimizer(preset: SftPreset) -> Any:
    """What transformers' Trainer takes as ``optimizer_cls_and_kwargs``; None for AdamW. Adapters get AdamW."""
    if preset.muon_learning_rate is None or preset.lora is not None:
        return None
    return muon_choice(
        muon_learning_rate=preset.muon_learning_rate,
        learning_rate=preset.learning_rate,
        weight_decay=preset.weight_decay,
    )


def conversations(examples: Sequence[Example], prompt_prefix: str) -> list[Row]:
    """Examples in TRL's conversational prompt-completion form."""
    return [
        {
            "prompt": [{"role": "user", "content": prompt_prefix + example.prompt}],
            "completion": [{"role": "assistant", "content": example.completion}],
        }
        for example in examples
    ]


def fitting(tokenizer: Any, examples: Sequence[Example], preset: SftPreset) -> list[Row]:
    """The `conversations` that fit into ``max_tokens``; TRL would cut the others, and teach the policy not to end.

    Raises:
        InvalidData: None fits.
    """
    rows = conversations(examples, preset.prompt_prefix)
    kept = rows_that_fit(tokenizer, rows, preset.max_tokens, add_generation_prompt=False)
    if not kept:
        raise InvalidData("examples", f"all {len(rows)} are longer than {preset.max_tokens} tokens")
    if len(kept) < len(rows):
        log.warning("examples_left_out", count=len(rows) - len(kept), of=len(rows), max_tokens=preset.max_tokens)
    return kept


def logging_steps(save_steps: int) -> int:
    """Steps between logged figures: a divisor of ``save_steps``.

    Figures are means since the last log, and a checkpoint does not keep what has gathered; so each is at a logged step.
    """
    return math.gcd(STEPS_PER_LOG, save_steps)


def lora_config(lora: LoraPreset | None, task: str) -> LoraConfig | None:
    """peft's configuration for adapters on all linear layers; None trains the whole model."""
    if lora is None:
        return None
    return LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules="all-linear", task_type=task
    )


def machine_arguments() -> dict[str, Any]:
    """Trainer arguments that are alike for all trainings on this machine.

    Activations are kept, not computed again. (False would say so under a name that newer versions of transformers warn
    about.) Where there is no GPU, pinned memory would only warn.
    """
    import torch

    kept: dict[str, Any] = {"gradient_checkpointing": None}
    return kept if torch.cuda.is_available() else {**kept, "use_cpu": True, "dataloader_pin_memory": False}


def quiet_libraries() -> None:
    """Hide what a user cannot change: what TRL and peft do with transformers that a later version will not have.

    And the bars of `datasets`, one for each pass over rows that are in memory already; training has a bar of ours.
    """
    disable_progress_bars()
    warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`", category=FutureWarning)


def quiet(trainer: Any) -> None:
    """Our progress bar takes the place of the printed logs."""
    from transformers.trainer_callback import PrinterCallback

    trainer.remove_callback(PrinterCallback)


def save_merged(trainer: Any, tokenizer: Any, folder: Path, *, finish: Callable[[Any], None] | None = None) -> Any:
    """Save a plain model folder: adapters are merged, so that whoever loads it needs no peft.

    ``finish`` may change the merged model before it is saved. Returns what was saved.
    """
    model = trainer.accelerator.unwrap_model(trainer.model)
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    if finish is not None:
        finish(model)
    # DeepSpeed may have spread the weights over the processes: all of them gather, one writes.
    weights = trainer.accelerator.get_state_dict(trainer.deepspeed) if trainer.is_deepspeed_enabled else None
    if trainer.accelerator.is_main_process:
        model.save_pretrained(str(folder), state_dict=weights)
        tokenizer.save_pretrained(str(folder))
    return model
