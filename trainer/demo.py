"""`zhufu demo`: a small language model learns to write better greetings from a reward that another process serves.

Everything is real and small: Redis, the reward model service, the judge and the agents with their LLM, TRL. The stages
are those of a large run: start the stack, warm the policy up by SFT, measure it on held-out prompts, climb the reward
by GRPO through the queue, measure again. Last, the agents make one preference pair. The run fails where a stage fails,
and where the policy cheated: grew longer, ran into the token limit, or lost its variety.

The judge is in the sum where ``ZHUFU_LLM_URL`` names an LLM. The small one that the stack starts without it is a
stand-in: its judge is a shadow reward, asked now and then, logged and plotted.
"""

from __future__ import annotations

import asyncio
import dataclasses
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from shared.errors import ZhufuError
from trainer.checkpoints import starter_reward_model
from trainer.data.records import StarterPair
from trainer.data.starter import load_starter
from trainer.data.warm_up import warm_up_examples
from trainer.demo_pair import STAND_IN, AgentsFound, first_pair, show
from trainer.evaluation.intervals import Interval
from trainer.evaluation.policies.copying import KnownTexts
from trainer.evaluation.policy import PolicyFigures, Sample, evaluate, generate, improvement
from trainer.grpo import GrpoJob, train_grpo
from trainer.grpo_report import monitor_stories, reported_if_stopped
from trainer.presets import GRPO, SFT, GrpoPreset, SftPreset
from trainer.report.monitors import monitor_section
from trainer.report.page import Check, Debate, Report, write_report
from trainer.report.plots import curve, histograms, scatter
from trainer.report.policy import sample_pairs, training_curves
from trainer.report.tables import text_table
from trainer.rewards import RewardSpec
from trainer.runs import Run, write_json
from trainer.sft import TINY, SftJob, train_sft
from trainer.stack import LocalLlm, Stack, choose_llm
from trainer.stack.services import AGENTS
from trainer.text_stats import known_share

REWARD = "reward_model"
JUDGE = "judge"
JUDGE_WEIGHT = 2.0
"""Of a judge that counts: it goes from 0 to 1 only, and the reward model's logit over a few units."""
SHADOW_EVERY = 5
"""Steps from one look of the stand-in judge to the next: it takes a tenth of a second and more for a verdict."""
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
    shadow_prompts: int = 96
    """Held-out prompts of which a shadow reads a sample, before and after."""
    agents_prompts: int = 8
    """Requests that the agents are given, until one gives a preference pair."""
    agents_candidates: int = 4
    """Greetings that they write for each."""
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
    llm = choose_llm()
    judge_weight = 0.0 if isinstance(llm, LocalLlm) else JUDGE_WEIGHT
    with Stack(reward_checkpoint=str(checkpoint), base_port=job.base_port, console=console, llm=llm) as stack:
        rewards = [
            RewardSpec(name=REWARD, url=stack.queue_url(REWARD), weight=1.0),
            RewardSpec(name=JUDGE, url=stack.queue_url(JUDGE), weight=judge_weight),
        ]
        console.rule("1  Warm-up: supervised fine-tuning of a tiny policy from scratch")
        sft_run = Run(job.output / "sft", command="demo sft", settings={"seed": job.seed}, resume=False)
        sft_figures = train_sft(sft_job(job, train), sft_run, console)

        console.rule("2  Before: held-out prompts, scored through the queue")
        before = asyncio.run(measure(job, sft_run.model_folder, test, rewards, console))

        console.rule("3  GRPO against the reward, through the Redis queue")
        grpo_run = Run(job.output / "grpo", command="demo grpo", settings={"seed": job.seed}, resume=False)
        grpo_job = GrpoJob(
            model=str(sft_run.model_folder),
            prompts=[pair.prompt for pair in train],
            rewards=rewards,
            preset=job.grpo,
            seed=job.seed,
            save_steps=max(1, job.grpo.max_steps),
            outage_seconds=120.0,
            shadow_every=SHADOW_EVERY,
            corpus=KnownTexts([pair.chosen for pair in train]),
        )
        with reported_if_stopped(grpo_run, {"seed": job.seed}):
            counts = train_grpo(grpo_job, grpo_run, console, callbacks=[_StackAlive(stack)])

        console.rule("4  After: the same prompts again")
        after = asyncio.run(measure(job, grpo_run.model_folder, test, rewards, console))

        found = None
        if AGENTS in stack.urls:
            console.rule("5  The agents: from a request to a preference pair")
            requests = [pair.prompt for pair in test[:: max(1, len(test) // job.agents_prompts)]]
            found = asyncio.run(
                first_pair(stack.queue_url(AGENTS), requests[: job.agents_prompts], job.agents_candidates, console)
            )
    result = _conclude(job, before[REWARD], after[REWARD], train, time.perf_counter() - begun)
    judged = _judged(before, after, is_shadow=not judge_weight)
    debate = None if found is None else _debate(found, is_stand_in=isinstance(llm, LocalLlm))
    _write_report(job, result, judged, before[REWARD], after[REWARD], train, grpo_run, sft_figures, counts, debate)
    _show(job, result, judged, before[REWARD], after[REWARD], console)
    if found is not None:
        show(found, console, is_stand_in=isinstance(llm, LocalLlm))
    console.print(f"report: {result.report}", soft_wrap=True)
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
    job: DemoJob, model: Path, test: Sequence[StarterPair], rewards: Sequence[RewardSpec], console: Console
) -> dict[str, PolicyFigures]:
    """Sample on the held-out prompts, as in training, and have the samples scored by each reward.

    A shadow reads the first sample of some prompts; where it fails it is left out.
    """
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
    figures: dict[str, PolicyFigures] = {}
    for spec in rewards:
        read = samples if spec.weight else samples[:: job.samples_per_prompt][: job.shadow_prompts]
        try:
            figures[spec.name] = await evaluate(
                read, spec.url, api_key=None, timeout_seconds=EVALUATION_TIMEOUT_SECONDS
            )
        except ZhufuError as error:
            if spec.weight:
                raise
            console.print(f"{spec.name}, a shadow, gave no figures: {error.detail}", markup=False)
    return figures


def _judged(before: Mapping[str, PolicyFigures], after: Mapping[str, PolicyFigures], *, is_shadow: bool) -> str:
    """What the judge makes of the policy, in a line."""
    role = "the stand-in, a shadow that nothing was trained on" if is_shadow else f"in the sum, weight {JUDGE_WEIGHT:g}"
    if JUDGE not in before or JUDGE not in after:
        return f"no figures ({role})"
    change = improvement(before[JUDGE], after[JUDGE])
    return f"{change.before} → {change.after}, difference {change.difference} ({role})"


class _StackAlive(TrainerCallback):
    """Ends the training at once when a service has died, instead of waiting for it."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        """Look after the services."""
        self._stack.check()


def _debate(found: AgentsFound, *, is_stand_in: bool) -> Debate:
    """For the report."""
    told = [*(f"No pair: {line}." for line in found.why), f"{found.tokens:,} tokens.", *([STAND_IN] * is_stand_in)]
    return Debate(
        prompt=found.prompt, chosen=found.chosen, rejected=found.rejected, steps=found.debate, note=" ".join(told)
    )


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
    judged: str,
    before: PolicyFigures,
    after: PolicyFigures,
    train: Sequence[StarterPair],
    run: Run,
    sft_figures: dict[str, float],
    counts: dict[str, int],
    debate: Debate | None,
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
        curve(history, [f"scores/{JUDGE}"], "The judge on the same completions", "mean, 0 to 1"),
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
        "the judge before and after": judged,
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
        monitors=monitor_section(monitor_stories(run), [int(line["step"]) for line in history]),
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
        debate=debate,
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


def _show(
    job: DemoJob, result: DemoResult, judged: str, before: PolicyFigures, after: PolicyFigures, console: Console
) -> None:
    samples = text_table("prompt", "before", "after", title="Held-out prompts")
    for pair in sample_pairs(before, after, _shown_rows(job, before)[:5]):
        samples.add_row(pair.prompt, pair.before, pair.after)
    console.print(samples)
    table = Table("", "check", "measured", "allowed")
    for check in result.checks:
        table.add_row("[green]ok[/]" if check.passed else "[red]FAILED[/]", check.name, check.measured, check.allowed)
    console.print(table)
    console.print(f"mean reward {result.before} → {result.after} on {len(before.rewards)} held-out prompts")
    console.print(f"judge: {judged}")
