"""Supervised fine-tuning of a policy with TRL's SFTTrainer: the optional cold start before reinforcement learning."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from peft import LoraConfig
from rich.console import Console
from transformers import AutoTokenizer
from trl import SFTConfig, SFTTrainer

from trainer.data.records import Example
from trainer.presets import LoraPreset, SftPreset
from trainer.progress import HistoryFile, RichProgress
from trainer.runs import Run, use_bfloat16
from trainer.tiny import make_tiny_model

TINY = "tiny"
"""As a model's name: make an untrained tiny one from the texts."""


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
        OSError: The model can be loaded neither from a folder nor from a hub.
    """
    model = job.model
    if model == TINY:
        texts = [text for example in job.examples for text in (example.prompt, example.completion)]
        model = str(make_tiny_model(run.output / "untrained", [*texts, *job.tokenizer_texts], seed=job.seed))
    preset = job.preset
    tokenizer = AutoTokenizer.from_pretrained(model)
    arguments = SFTConfig(
        output_dir=str(run.output),
        num_train_epochs=preset.epochs,
        per_device_train_batch_size=preset.batch_size,
        gradient_accumulation_steps=preset.gradient_accumulation,
        learning_rate=preset.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=preset.warmup_ratio,
        weight_decay=preset.weight_decay,
        adam_beta2=0.95,
        max_length=preset.max_tokens,
        bf16=use_bfloat16(),
        gradient_checkpointing=False,
        seed=job.seed,
        save_steps=job.save_steps,
        save_total_limit=2,
        logging_steps=10,
        eval_strategy="epoch" if job.evaluation else "no",
        report_to="none",
        disable_tqdm=True,
        **cpu_only(),
    )
    progress = RichProgress(console, "sft")
    trainer = SFTTrainer(
        model=model,
        args=arguments,
        processing_class=tokenizer,
        train_dataset=conversations(job.examples, preset.prompt_prefix),
        eval_dataset=conversations(job.evaluation, preset.prompt_prefix) if job.evaluation else None,
        peft_config=lora_config(preset.lora, "CAUSAL_LM"),
        callbacks=[progress, HistoryFile(run.history_file)],
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


def conversations(examples: Sequence[Example], prompt_prefix: str) -> Dataset:
    """Examples in TRL's conversational prompt-completion form."""
    return Dataset.from_list(
        [
            {
                "prompt": [{"role": "user", "content": prompt_prefix + example.prompt}],
                "completion": [{"role": "assistant", "content": example.completion}],
            }
            for example in examples
        ]
    )


def lora_config(lora: LoraPreset | None, task: str) -> LoraConfig | None:
    """peft's configuration for adapters on all linear layers; None trains the whole model."""
    if lora is None:
        return None
    return LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules="all-linear", task_type=task
    )


def cpu_only() -> dict[str, Any]:
    """Trainer arguments where there is no GPU: pinned memory would only warn."""
    import torch

    return {} if torch.cuda.is_available() else {"use_cpu": True, "dataloader_pin_memory": False}


def quiet(trainer: Any) -> None:
    """Our progress bar takes the place of the printed logs."""
    from transformers.trainer_callback import PrinterCallback

    trainer.remove_callback(PrinterCallback)


def save_merged(trainer: Any, tokenizer: Any, folder: Path) -> None:
    """Save a plain model folder: adapters are merged, so that whoever loads it needs no peft."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    if trainer.accelerator.is_main_process:
        model.save_pretrained(str(folder))
        tokenizer.save_pretrained(str(folder))
