"""``zhufu evaluate policy``: options in, a table and a report out; the work is in the modules beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from trainer.evaluation.policies.generation import Generation
    from trainer.evaluation.policies.result import PolicyResult


def policy_command(
    model: Annotated[
        list[str],
        typer.Option(
            "--model",
            help="NAME=PATH: a folder, a hub id, or a .jsonl file of prompt and completion, written elsewhere; "
            "repeatable.",
        ),
    ],
    reward: Annotated[list[str], typer.Option("--reward", help="NAME=URL of a reward; repeatable.")],
    prompts: Annotated[str, typer.Option("--prompts", help="starter:train|validation|test, or a file.")],
    output: Annotated[Path, typer.Option("--output", help="Folder of this run.")],
    limit: Annotated[int | None, typer.Option("--limit", help="The first so many prompts only.", min=1)] = None,
    samples: Annotated[int, typer.Option("--samples", help="For each prompt, of each model.", min=1, max=64)] = 4,
    train: Annotated[
        list[str] | None,
        typer.Option("--train", help="Texts that must not be copied, in any format that trains; repeatable."),
    ] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option("--threshold", help="NAME=X: under this reward a text is excellent from X on; repeatable."),
    ] = None,
    requests: Annotated[
        str | None,
        typer.Option("--requests", help="Requests that tell which are asked often; the prompts unless given."),
    ] = None,
    preset: Annotated[str, typer.Option("--preset", help="laptop or paper: how models are asked.")] = "laptop",
    temperature: Annotated[
        float | None, typer.Option("--temperature", help="Instead of the preset's.", min=0.01)
    ] = None,
    max_completion_tokens: Annotated[
        int | None, typer.Option("--max-completion-tokens", help="Instead of the preset's.", min=1)
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds of one request.", min=0.1)] = 900.0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --output; models and rewards may be added.")
    ] = False,
    api_key: Annotated[
        str | None, typer.Option("--api-key", envvar="ZHUFU_API_KEY", help="Of the services, by HTTP.")
    ] = None,
) -> None:
    """Which policy writes better, under every reward, with length held fixed? And does it repeat itself, or copy?"""
    from trainer.evaluation.asking import parse_named_rewards
    from trainer.evaluation.policies.excellence import parse_thresholds
    from trainer.evaluation.policies.job import PolicyJob, evaluate_policies
    from trainer.evaluation.policies.models import parse_models
    from trainer.evaluation.policies.notices import notices

    console, errors = Console(), Console(stderr=True)

    def tell(sentence: str) -> None:
        errors.print(sentence, style="yellow", markup=False, soft_wrap=True)

    rewards = parse_named_rewards(reward)
    job = PolicyJob(
        models=parse_models(model),
        rewards=rewards,
        prompts=prompts,
        limit=limit,
        generation=_generation(preset, samples, temperature, max_completion_tokens, seed),
        train=train or [],
        requests=requests,
        thresholds=parse_thresholds(threshold or [], [each.name for each in rewards]),
        output=output,
        timeout_seconds=timeout,
        api_key=api_key,
        resume=resume,
    )
    result, report = evaluate_policies(job, console, tell)
    for table in tables(result):
        console.print(table)
    for notice in notices(result):
        tell(notice.text)
    console.print(f"report: {report}", soft_wrap=True, markup=False)


def tables(result: PolicyResult) -> list[Table]:
    """The figures that matter most: of policies under rewards, and of what they wrote."""
    from trainer.report.tables import interval_text

    rewards = Table("policy", "reward", "excellent", "mean reward", "at equal length", "not scored")
    texts = Table("policy", "texts", "characters", "self-BLEU", "copied")
    for one in result.written:
        for place, each in enumerate(result.judged):
            figures = result.rewards[each.reward][one.model]
            rewards.add_row(
                "" if place else one.model,
                each.reward,
                interval_text(figures.excellence, ".1%"),
                interval_text(figures.mean),
                interval_text(figures.at_equal_length),
                f"{figures.samples - figures.scored:,}",
                end_section=place == len(result.judged) - 1,
            )
        found = result.texts[one.model]
        texts.add_row(
            one.model,
            f"{found.samples:,}",
            interval_text(found.characters, ".1f"),
            interval_text(found.alike_across_prompts),
            interval_text(None if found.copying is None else found.copying.any, ".1%"),
        )
    return [rewards, texts]


def _generation(preset: str, samples: int, temperature: float | None, max_tokens: int | None, seed: int) -> Generation:
    from trainer.evaluation.policies.generation import Generation
    from trainer.presets import GRPO

    chosen = {name: value for name, value in GRPO.items() if name == preset}
    if not chosen:
        raise typer.BadParameter("laptop or paper", param_hint="--preset")
    (grpo,) = chosen.values()
    return Generation(
        samples=samples,
        max_tokens=max_tokens or grpo.max_completion_tokens,
        temperature=temperature or grpo.temperature,
        top_p=grpo.top_p,
        prompt_prefix=grpo.prompt_prefix,
        seed=seed,
    )
