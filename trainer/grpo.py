"""GRPO with TRL, its rewards asked for by URL.

A run survives a reward that is away for a while (it waits), and a run that was killed goes on from its last checkpoint
exactly as if nothing had happened: checkpoints are taken between generations, and TRL restores weights, optimizer,
data order and random state.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import math
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import structlog
import torch
from datasets import Dataset
from rich.console import Console
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments, set_seed
from trl import GRPOConfig

from shared.errors import InvalidData, ZhufuError
from trainer.evaluation.policies.copying import KnownTexts
from trainer.grpo_trainer import ResumableGRPOTrainer
from trainer.metrics import LOOPBACK, TrainerMetrics
from trainer.models import Row, load_tokenizer, rows_that_fit
from trainer.monitors.callback import MonitorCallback
from trainer.monitors.catalogue import build_monitors
from trainer.monitors.monitor import Monitor
from trainer.monitors.options import DEFAULT_PLAN, MonitorPlan
from trainer.monitors.record import MONITORS_FILE
from trainer.monitors.watch import Watches
from trainer.presets import GrpoPreset
from trainer.processes import is_main_process, world_size
from trainer.progress import HistoryFile, RichProgress
from trainer.rewards import RewardBoard, RewardSpec
from trainer.runs import Run, use_bfloat16
from trainer.sft import lora_config, machine_arguments, quiet, quiet_libraries, save_merged

log = structlog.get_logger(__name__)

TRL_LOGGER = "trl.trainer.grpo_trainer"


class TooManyFailures(ZhufuError):
    """Too large a share of the rollouts got no reward; the run stopped with a checkpoint and can be resumed."""

    code = "too_many_failures"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VllmOptions:
    """Generation by vLLM: in this process (``colocate``) or by a server of its own (``server``, at ``base_url``)."""

    mode: str
    base_url: str | None = None
    gpu_memory_share: float = 0.3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GrpoJob:
    """What to train, with which rewards.

    ``model`` is a folder or a hub id, best one fine-tuned before; ``corpus`` is what it must not copy.
    """

    model: str
    prompts: Sequence[str]
    rewards: Sequence[RewardSpec]
    preset: GrpoPreset
    seed: int
    save_steps: int
    api_key: str | None = None
    outage_seconds: float = 900.0
    max_failed_share: float = 0.5
    shadow_every: int = 1
    monitors: MonitorPlan = DEFAULT_PLAN
    corpus: KnownTexts | None = None
    metrics_port: int | None = None
    metrics_host: str = LOOPBACK
    vllm: VllmOptions | None = None
    deepspeed: str | None = None


def train_grpo(job: GrpoJob, run: Run, console: Console, callbacks: Sequence[TrainerCallback] = ()) -> dict[str, int]:
    """Train, save to ``run.model_folder``, and return how many rollouts ended how (``reward/status``).

    Raises:
        InvalidData: There is no such model, or too few prompts for a step.
        InvalidRequest: A monitor that was asked for by name has nothing to watch.
        MonitorStopped: A monitor stopped the run, or had stopped it before and would again.
        TooManyFailures: More than ``max_failed_share`` of recent rollouts got no reward.
        shared.errors.RewardUnavailable: A reward was away for longer than ``outage_seconds``; resume when it is back.
        shared.errors.RewardRejected: A reward refuses our requests for good.
    """
    quiet_libraries()
    metrics = TrainerMetrics()
    if job.metrics_port is not None and is_main_process():
        metrics.serve(job.metrics_port, job.metrics_host)
    monitors = monitors_of(job)
    board = RewardBoard(
        job.rewards,
        metrics=metrics,
        api_key=job.api_key,
        timeout_seconds=job.outage_seconds,
        max_failed_share=job.max_failed_share,
        shadow_every=job.shadow_every,
        monitors=monitors,
    )
    monitoring = MonitorCallback(
        Watches(monitors, job.monitors.thresholds),
        metrics,
        run.output / MONITORS_FILE,
        shadows=shadows_of(job),
        shadow_every=job.shadow_every,
    )
    tokenizer = load_tokenizer(job.model, padding_side="left")
    rows = fitting(tokenizer, job.prompts, job.preset)
    set_seed(job.seed)  # adapters get their random weights before the trainer sets it
    reward_functions: Any = board.functions()  # asynchronous ones are taken, but not in TRL's annotation
    progress = RichProgress(console, "grpo")
    trainer = ResumableGRPOTrainer(
        model=job.model,
        args=grpo_config(job, str(run.output)),
        processing_class=tokenizer,
        reward_funcs=reward_functions,
        train_dataset=Dataset.from_list(rows),
        peft_config=lora_config(job.preset.lora, "CAUSAL_LM"),
        callbacks=[progress, monitoring, HistoryFile(run.history_file), _Watch(board, metrics), *callbacks],
    )
    quiet(trainer)
    logging.getLogger(TRL_LOGGER).addFilter(_without_texts)
    try:
        trainer.train(resume_from_checkpoint=run.checkpoint)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    finally:
        progress.close()
        asyncio.run_coroutine_threadsafe(board.aclose(), trainer.async_loop).result(timeout=10)
    if of_any_process(board.stop_reason is not None, trainer.args.device):
        reason = board.stop_reason or "too many rollouts of another process got no reward"
        raise TooManyFailures(f"{reason}; the checkpoint in {run.output} can be resumed")
    if (stopped := monitoring.error()) is not None:
        raise stopped
    save_merged(trainer, tokenizer, run.model_folder)
    return dict(of_all_processes(board.counts))


def monitors_of(job: GrpoJob) -> list[Monitor]:
    """Those that have something to watch.

    Raises:
        InvalidRequest: One that was asked for by name has not.
    """
    return build_monitors(
        job.monitors.thresholds.keys(),
        named=job.monitors.named,
        shadows=shadows_of(job),
        shadow_every=job.shadow_every,
        corpus=job.corpus,
    )


def shadows_of(job: GrpoJob) -> list[str]:
    """Names of the rewards that do not count."""
    return [spec.name for spec in job.rewards if not spec.weight]


def grpo_config(job: GrpoJob, output: str) -> GRPOConfig:
    """TRL's configuration for a job. One optimizer step uses one generation, so that a resume is exact.

    Several processes share the rollouts of a step: what a step learns from does not hang on their number.
    """
    preset = job.preset
    processes = world_size()
    rollouts, left = divmod(preset.prompts_per_step * preset.group_size, processes)
    if left:
        raise InvalidData("the rollouts of a step", f"{rollouts * processes + left} do not fit {processes} processes")
    micro = max(size for size in range(1, min(preset.micro_batch_size, rollouts) + 1) if rollouts % size == 0)
    vllm: dict[str, Any] = {}
    if job.vllm is not None:
        vllm = {
            "use_vllm": True,
            "vllm_mode": job.vllm.mode,
            "vllm_server_base_url": job.vllm.base_url,
            "vllm_gpu_memory_utilization": job.vllm.gpu_memory_share,
        }
    return GRPOConfig(
        output_dir=output,
        learning_rate=preset.learning_rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=preset.warmup_ratio,
        adam_beta2=0.95,
        beta=preset.kl_weight,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=rollouts // micro,
        num_generations=preset.group_size,
        max_completion_length=preset.max_completion_tokens,
        temperature=preset.temperature,
        top_p=preset.top_p,
        top_k=0,
        num_train_epochs=preset.epochs,
        max_steps=preset.max_steps,
        mask_truncated_completions=preset.mask_truncated,
        loss_type=preset.loss,
        scale_rewards="none" if preset.loss == "dr_grpo" else "group",
        reward_weights=[spec.weight for spec in job.rewards],
        bf16=use_bfloat16(),
        seed=job.seed,
        save_steps=job.save_steps,
        save_total_limit=2,
        logging_steps=1,
        report_to="none",
        disable_tqdm=True,
        deepspeed=job.deepspeed,
        **vllm,
        **machine_arguments(),
    )


def fitting(tokenizer: Any, prompts: Sequence[str], preset: GrpoPreset) -> list[Row]:
    """The prompts that fit into ``max_prompt_tokens``, in TRL's form; ``request`` is what the rewards get to see.

    Raises:
        InvalidData: Fewer are left than one step takes; the trainer would end at once and call that a success.
    """
    rows: list[Row] = [
        {"prompt": [{"role": "user", "content": preset.prompt_prefix + prompt}], "request": prompt}
        for prompt in prompts
    ]
    kept = rows_that_fit(tokenizer, rows, preset.max_prompt_tokens, add_generation_prompt=True)
    left_out = len(rows) - len(kept)
    if left_out:
        log.warning("prompts_left_out", count=left_out, of=len(rows), max_tokens=preset.max_prompt_tokens)
    if len(kept) < preset.prompts_per_step:
        longer = f", {left_out} more are longer than {preset.max_prompt_tokens} tokens" if left_out else ""
        raise InvalidData("prompts", f"one step takes {preset.prompts_per_step}, and there are {len(kept)}{longer}")
    return kept


class _Watch(TrainerCallback):
    """Feeds the metrics, and stops the run with a checkpoint when too much fails."""

    def __init__(self, board: RewardBoard, metrics: TrainerMetrics) -> None:
        self._board = board
        self._metrics = metrics
        self._begun = time.perf_counter()

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start the clock."""
        self._begun = time.perf_counter()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Stop the clock, and the run where there is a reason."""
        self._metrics.step_seconds.observe(time.perf_counter() - self._begun)
        self._metrics.step.set(state.global_step)
        if self._board.stop_reason is not None:
            log.error("stopping", reason=self._board.stop_reason, step=state.global_step)
        if of_any_process(self._board.stop_reason is not None, args.device):
            control.should_save = True
            control.should_training_stop = True

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Copy TRL's figures; one that a step does not have (no rollout got a reward) is NaN, not the last one."""
        for name, gauge in (
            ("reward", self._metrics.reward),
            ("kl", self._metrics.kl),
            ("completions/clipped_ratio", self._metrics.policy_truncated),
        ):
            if name in (logs or {}):
                value = (logs or {})[name]
                gauge.set(math.nan if value is None else float(value))


def of_any_process(mine: bool, device: torch.device) -> bool:
    """Whether something is so in any of the processes that train together: what one decides alone, all wait for."""
    if world_size() == 1:
        return mine
    told = torch.tensor([int(mine)], device=device)
    torch.distributed.all_reduce(told, op=torch.distributed.ReduceOp.MAX)
    return bool(told.item())


def of_all_processes(mine: Counter[str]) -> Counter[str]:
    """The sum of what each of the processes that train together has counted."""
    if world_size() == 1:
        return mine
    counted: list[Counter[str]] = [Counter()] * world_size()
    torch.distributed.all_gather_object(counted, mine)
    return sum(counted, Counter())


def _without_texts(record: logging.LogRecord) -> bool:
    """Drops TRL's warning about rollouts without a reward, which quotes them; `RewardBoard` has told their number."""
    return "All reward functions returned None" not in record.getMessage()
