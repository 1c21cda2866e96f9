"""`zhufu demo`: a small language model learns to write better greetings from a reward that another process serves.

Everything is real and small: Redis, the reward model service, TRL. The stages are those of a large run: start the
stack, warm the policy up by SFT, measure it on held-out prompts, climb the reward by GRPO through the queue, measure
again. The run fails where a stage fails, and where the policy cheated: grew longer, ran into the token limit, or lost
its variety.
"""

from __future__ import annotations

import asyncio
import dataclasses
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from trainer.checkpoints import starter_reward_model
from trainer.data.records import StarterPair
from trainer.data.starter import load_starter
from trainer.data.warm_up import warm_up_examples
from trainer.evaluation.intervals import Interval
from trainer.evaluation.policy import PolicyFigures, Sample, evaluate, generate, improvement
from trainer.grpo import GrpoJob, train_grpo
from trainer.presets import GRPO, SFT, GrpoPreset, SftPreset
from trainer.report.page import Check, Report, write_report
from trainer.report.plots import curve, histograms, scatter
from trainer.report.policy import sample_pairs, training_curves
from trainer.rewards import RewardSpec
from trainer.runs import Run, write_json
from trainer.sft import TINY, SftJob, train_sft
from trainer.stack import Stack
from trainer.text_stats import known_share

REWARD = "reward_model"
SHOWN_SAMPLES = 16
MAX_LENGTH_CHANGE = 0.25
MAX_TRUNCATED = 0.10
MAX_DISTINCT_2_LOSS = 0.25
MAX_FLUENCY_LOSS = 0.10
EVALUATION_TIMEOUT_SECONDS = 300.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DemoJob:
    """What the demo runs with; smaller presets make a test of it."""

    output: Path
    base_port: int
    seed: int = 0
    sft: SftPreset = SFT["laptop"]
    grpo: GrpoPreset = GRPO["laptop"]
    samples_per_prompt: int = 4
    reward_checkpoint: Path | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """What was measured, and where the report is."""

    before: Interval
    after: Interval
    difference: Interval
    checks: Sequence[Check]
    report: Path
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether every bound was kept."""
        return all(check.passed for check in self.checks)


def run_demo(job: DemoJob, console: Console) -> DemoResult:
    """Run all stages; raises the typed error of the stage that fails."""
    begun = time.perf_counter()
    train, test = load_starter("train"), load_starter("test")
    checkpoint = job.reward_checkpoint or starter_reward_model()
    with Stack(reward_checkpoint=str(checkpoint), base_port=job.base_port, console=console) as stack:
        queue_url = stack.queue_url(REWARD)
        console.rule("1  Warm-up: supervised fine-tuning of a tiny policy from scratch")
        sft_run = Run(job.output / "sft", command="demo sft", settings={"seed": job.seed}, resume=False)
        sft_figures = train_sft(sft_job(job, train), sft_run, console)

        console.rule("2  Before: held-out prompts, scored through the queue")
        before = asyncio.run(measure(job, sft_run.model_folder, test, queue_url, console))

        console.rule("3  GRPO against the reward, through the Redis queue")
        grpo_run = Run(job.output / "grpo", command="demo grpo", settings={"seed": job.seed}, resume=False)
        counts = train_grpo(
            GrpoJob(
                model=str(sft_run.model_folder),
                prompts=[pair.prompt for pair in train],
                rewards=[RewardSpec(name=REWARD, url=queue_url, weight=1.0)],
                preset=job.grpo,
                seed=job.seed,
                save_steps=max(1, job.grpo.max_steps),
                outage_seconds=120.0,
            ),
            grpo_run,
            console,
            callbacks=[_StackAlive(stack)],
        )

        console.rule("4  After: the same prompts again")
        after = asyncio.run(measure(job, grpo_run.model_folder, test, queue_url, console))
    result = _conclude(job, before, after, train, time.perf_counter() - begun)
    _write_report(job, result, before, after, train, grpo_run, sft_figures, counts)
    _show(job, result, before, after, console)
    return result


def sft_job(job: DemoJob, train: Sequence[StarterPair]) -> SftJob:
    """The warm-up: good greetings only; the tokenizer knows the characters of all training texts."""
    return SftJob(
        model=TINY,
        examples=warm_up_examples(train, seed=job.seed),
        evaluation=[],
        preset=job.sft,
        seed=job.seed,
        save_steps=1_000_000,
        tokenizer_texts=[pair.rejected for pair in train],
    )


async def measure(
    job: DemoJob, model: Path, test: Sequence[StarterPair], reward_url: str, console: Console
) -> PolicyFigures:
    """Sample on the held-out prompts, as in training, and have the samples scored."""
    samples: list[Sample] = await asyncio.to_thread(
        generate,
        str(model),
        [pair.prompt for pair in test],
        samples_per_prompt=job.samples_per_prompt,
        max_tokens=job.grpo.max_completion_tokens,
        temperature=job.grpo.temperature,
        top_p=job.grpo.top_p,
        prompt_prefix="",
        seed=job.seed,
        console=console,
    )
    return await evaluate(samples, reward_url, api_key=None, timeout_seconds=EVALUATION_TIMEOUT_SECONDS)


class _StackAlive(TrainerCallback):
    """Ends the training at once when a service has died, instead of waiting for it."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        """Look after the services."""
        self._stack.check()


def _conclude(
    job: DemoJob, before: PolicyFigures, after: PolicyFigures, train: Sequence[StarterPair], seconds: float
) -> DemoResult:
    rewards = improvement(before, after)
    length_change = after.characters / before.characters - 1
    distinct_change = after.distinct_2 / before.distinct_2 - 1
    reference = [text for pair in train for text in (pair.chosen, pair.rejected)]
    fluency = [
        known_share([sample.completion for sample in figures.samples], reference, 2) for figures in (before, after)
    ]
    checks = [
        Check(
            name="mean reward on held-out prompts rises",
            measured=f"{rewards.difference}",
            allowed="95 % interval above 0",
            passed=rewards.difference.low > 0,
        ),
        Check(
            name="mean length stays",
            measured=f"{before.characters:.1f} → {after.characters:.1f} characters ({length_change:+.1%})",
            allowed=f"±{MAX_LENGTH_CHANGE:.0%}",
            passed=abs(length_change) <= MAX_LENGTH_CHANGE,
        ),
        Check(
            name="completions end by themselves",
            measured=f"{after.truncated_share:.1%} ran into the token limit",
            allowed=f"at most {MAX_TRUNCATED:.0%}",
            passed=after.truncated_share <= MAX_TRUNCATED,
        ),
        Check(
            name="variety stays (distinct-2)",
            measured=f"{before.distinct_2:.3f} → {after.distinct_2:.3f} ({distinct_change:+.1%})",
            allowed=f"not below -{MAX_DISTINCT_2_LOSS:.0%}",
            passed=distinct_change >= -MAX_DISTINCT_2_LOSS,
        ),
        Check(
            name="still reads as Chinese (character bigrams known from the starter set)",
            measured=f"{fluency[0]:.1%} → {fluency[1]:.1%}",
            allowed=f"not below -{MAX_FLUENCY_LOSS:.0%}",
            passed=fluency[1] >= fluency[0] * (1 - MAX_FLUENCY_LOSS),
        ),
    ]
    return DemoResult(
        before=rewards.before,
        after=rewards.after,
        difference=rewards.difference,
        checks=checks,
        report=job.output / "report.html",
        seconds=seconds,
    )


def _write_report(
    job: DemoJob,
    result: DemoResult,
    before: PolicyFigures,
    after: PolicyFigures,
    train: Sequence[StarterPair],
    run: Run,
    sft_figures: dict[str, float],
    counts: dict[str, int],
) -> None:
    history = run.history()
    rewards = {
        name: [score.reward for score in figures.scores if score.reward is not None]
        for name, figures in (("before", before), ("after", after))
    }
    lengths = {
        name: (
            [float(len(sample.completion)) for sample, score in pairs if score.reward is not None],
            [score.reward for _, score in pairs if score.reward is not None],
        )
        for name, pairs in (
            ("before", list(zip(before.samples, before.scores, strict=True))),
            ("after", list(zip(after.samples, after.scores, strict=True))),
        )
    }
    plots = [
        curve(history, ["reward"], "Reward in training", "mean reward"),
        *training_curves(history, reference="the warmed-up policy"),
        histograms(rewards, "Rewards on held-out prompts", "reward"),
        scatter(lengths, "Is it length? Held-out prompts", "characters", "reward"),
    ]
    spread = statistics.stdev(rewards["before"])
    figures = {
        "mean reward before": str(result.before),
        "mean reward after": str(result.after),
        "difference, paired by prompt": str(result.difference),
        "difference in standard deviations of single samples": f"{result.difference.mean / spread:.2f}",
        "held-out prompts": str(len(before.rewards)),
        "samples a prompt": str(job.samples_per_prompt),
        "samples that stand word for word in the warm-up's examples": " → ".join(
            f"{_recited_share(figures, train):.1%}" for figures in (before, after)
        ),
        "samples without a reward": f"{before.unscored} before, {after.unscored} after",
        "rollouts in training": ", ".join(f"{name}: {count}" for name, count in sorted(counts.items())),
        "reward version": after.scores[0].version,
        "time": f"{result.seconds:.0f} s",
        **{f"warm-up {name}": f"{value:.3f}" for name, value in sft_figures.items()},
    }
    report = Report(
        title="zhufu demo: a policy that learns from a reward served over the network",
        summary=(
            "A language model of four million parameters, trained from scratch on 832 greetings, climbed a reward "
            "model through the Redis queue. At this size it recites and recombines what it has read. What the figures "
            "show is whether the loop learns, on requests that it has never seen, and that it does not cheat."
        ),
        checks=result.checks,
        figures=figures,
        plots=plots,
        samples=sample_pairs(before, after, _shown_rows(job, before)),
        settings={"sft": dataclasses.asdict(job.sft), "grpo": dataclasses.asdict(job.grpo), "seed": job.seed},
        notes=[
            "Samples are the first of each shown prompt, prompts evenly spaced over the held-out set: not chosen by "
            "anybody."
        ],
    )
    write_report(report, result.report)
    write_json(
        job.output / "result.json",
        {
            "before": dataclasses.asdict(result.before),
            "after": dataclasses.asdict(result.after),
            "difference": dataclasses.asdict(result.difference),
            "checks": [dataclasses.asdict(check) for check in result.checks],
            "counts": counts,
            "seconds": result.seconds,
        },
    )


def _recited_share(figures: PolicyFigures, train: Sequence[StarterPair]) -> float:
    known = {pair.chosen for pair in train}
    return sum(sample.completion in known for sample in figures.samples) / len(figures.samples)


def _shown_rows(job: DemoJob, figures: PolicyFigures) -> range:
    """The first sample of each shown prompt, prompts evenly spaced."""
    rows = len(figures.samples)
    every = max(1, rows // job.samples_per_prompt // SHOWN_SAMPLES)
    return range(0, rows, every * job.samples_per_prompt)


def _show(job: DemoJob, result: DemoResult, before: PolicyFigures, after: PolicyFigures, console: Console) -> None:
    samples = Table("prompt", "before", "after", title="Held-out prompts", show_lines=True)
    for pair in sample_pairs(before, after, _shown_rows(job, before)[:5]):
        samples.add_row(pair.prompt, pair.before, pair.after)
    console.print(samples)
    table = Table("", "check", "measured", "allowed")
    for check in result.checks:
        table.add_row("[green]ok[/]" if check.passed else "[red]FAILED[/]", check.name, check.measured, check.allowed)
    console.print(table)
    console.print(f"mean reward {result.before} → {result.after} on {len(before.rewards)} held-out prompts")
    console.print(f"report: {result.report}", soft_wrap=True)
