"""What a GRPO run shows at its end: held-out prompts before and after under every reward, and curves."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog
import torch
from rich.console import Console

from shared.errors import ZhufuError
from trainer.evaluation.policy import PolicyFigures, evaluate, generate, improvement
from trainer.grpo import GrpoJob
from trainer.monitors.errors import MonitorStopped
from trainer.monitors.record import MONITORS_FILE, read_segments
from trainer.monitors.story import Story, stories
from trainer.processes import is_main_process, world_size
from trainer.report.monitors import monitor_section
from trainer.report.page import Report, SamplePair, write_report
from trainer.report.plots import curve
from trainer.report.policy import sample_pairs, training_curves
from trainer.rewards import RewardSpec
from trainer.runs import Run, write_json

log = structlog.get_logger(__name__)

SHOWN_SAMPLES = 20


@dataclasses.dataclass(frozen=True, slots=True)
class HeldOut:
    """Prompts that the policy does not train on, and how many samples each gets."""

    prompts: Sequence[str]
    samples_per_prompt: int


def measure_held_out(job: GrpoJob, model: str, held_out: HeldOut, console: Console) -> dict[str, PolicyFigures]:
    """Sample on the held-out prompts and have the same samples scored by every reward: those that count, then shadows.

    A shadow that gives no figures is left out.
    """
    preset = job.preset
    samples = generate(
        model,
        held_out.prompts,
        samples_per_prompt=held_out.samples_per_prompt,
        max_tokens=preset.max_completion_tokens,
        temperature=preset.temperature,
        top_p=preset.top_p,
        prompt_prefix=preset.prompt_prefix,
        seed=job.seed,
        console=console,
        title="held-out prompts",
    )

    async def ask(spec: RewardSpec) -> PolicyFigures | None:
        try:
            return await evaluate(samples, spec.url, api_key=job.api_key, timeout_seconds=job.outage_seconds)
        except ZhufuError as error:
            if spec.weight:
                raise
            log.warning("shadow_left_out", reward=spec.name, code=error.code, detail=error.detail)
            return None

    async def ask_all() -> dict[str, PolicyFigures]:
        async with asyncio.TaskGroup() as group:
            tasks = {
                spec.name: group.create_task(ask(spec))
                for spec in sorted(job.rewards, key=lambda spec: not spec.weight)
            }
        return {name: figures for name, task in tasks.items() if (figures := task.result()) is not None}

    try:
        return asyncio.run(ask_all())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


def write_grpo_report(
    run: Run,
    before: Mapping[str, PolicyFigures] | None,
    after: Mapping[str, PolicyFigures] | None,
    counts: Mapping[str, int],
    settings: Mapping[str, Any],
) -> Path:
    """Write ``report.html`` and ``result.json`` into the folder of a run; returns the page.

    One that a monitor has stopped has nothing after it; its report says which one, and when.
    """
    history = run.history()
    told = monitor_stories(run)
    rewards = sorted({name for line in history for name in line if name.startswith("scores/")})
    figures: dict[str, str] = {f"rollouts {name}": str(count) for name, count in sorted(counts.items())}
    samples: list[SamplePair] = []
    if before and after:
        for name in [name for name in before if name in after]:
            figures[f"{name}: after minus before, held-out"] = str(improvement(before[name], after[name]).difference)
        first_before, first_after = next(iter(before.values())), next(iter(after.values()))
        figures["characters"] = f"{first_before.characters:.1f} → {first_after.characters:.1f}"
        figures["ran into the limit"] = f"{first_before.truncated_share:.1%} → {first_after.truncated_share:.1%}"
        figures["distinct-2"] = f"{first_before.distinct_2:.3f} → {first_after.distinct_2:.3f}"
        step = max(1, len(first_before.samples) // SHOWN_SAMPLES)
        samples = sample_pairs(first_before, first_after, range(0, len(first_before.samples), step))
    report = Report(
        title="zhufu: GRPO",
        summary=f"{history[-1]['step']:.0f} steps." if history else "No step was logged.",
        figures=figures,
        plots=[
            curve(history, ["reward"], "Weighted reward", "mean"),
            curve(history, rewards, "Each reward, shadows too", "mean"),
            *training_curves(history),
        ],
        samples=samples,
        settings=settings,
        monitors=monitor_section(told, [int(line["step"]) for line in history]),
    )
    monitors = {
        story.monitor.name: {"last": story.last, "warned_steps": story.warned, "stopped_at_steps": story.stopped}
        for story in told
        if not story.is_off
    }
    write_json(run.output / "result.json", {"figures": figures, "counts": dict(counts), "monitors": monitors})
    return write_report(report, run.output / "report.html")


def monitor_stories(run: Run) -> list[Story]:
    """What monitors said of a run, from its folder."""
    return stories(run.history(), read_segments(run.output / MONITORS_FILE))


@contextlib.contextmanager
def reported_if_stopped(run: Run, settings: Mapping[str, Any]) -> Iterator[None]:
    """Write the report of a run that a monitor stops, and let the error go on; it says where the report is.

    Of several processes that train together the main one writes, and the others wait for it: whatever started them
    ends all of them when one has ended.
    """
    try:
        yield
    except MonitorStopped as error:
        try:
            if is_main_process():
                path = write_grpo_report(run, None, None, {}, settings)
                raise MonitorStopped(
                    f"{error.detail}; report: {path}", monitor=error.monitor, step=error.step
                ) from None
            raise
        finally:
            if world_size() > 1:
                torch.distributed.barrier()
