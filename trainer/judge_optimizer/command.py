"""``zhufu optimize-judge``: reads options, runs, and says what came out.

Exit status: 0 all rounds are played; 3 a ceiling was reached, everything is saved and a higher one goes on; 1 an error,
also an LLM that is gone, after which ``--resume`` goes on.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from shared.principles import Principles
    from trainer.judge_optimizer.optimize import Optimized, OptimizerJob

CEILING_STATUS = 3
DEFAULT_ROUNDS = 10
DEFAULT_BATCH = 4
DEFAULT_ROWS = 32

console = Console()
errors = Console(stderr=True)


def optimize_judge_command(
    output: Annotated[Path, typer.Option("--output", help="Folder of this run.")],
    rounds: Annotated[int, typer.Option("--rounds", help="Rounds to play.", min=0)] = DEFAULT_ROUNDS,
    principles: Annotated[
        Path | None, typer.Option("--principles", help="Start from the rules of this file, such as the judge's own.")
    ] = None,
    generator_rules: Annotated[
        Path | None, typer.Option("--generator-rules", help="Start of the other side; a file of the same form.")
    ] = None,
    train: Annotated[
        str, typer.Option("--train", help="Requests and labels to learn from: starter:train, or a file.")
    ] = "starter:train",
    validation: Annotated[
        str, typer.Option("--validation", help="Labelled data that decide what is kept.")
    ] = "starter:validation",
    test: Annotated[str, typer.Option("--test", help="Labelled data for the figures at the end.")] = "starter:test",
    validation_rows: Annotated[
        int, typer.Option("--validation-rows", help="At most; pairs matched in length are drawn.", min=8)
    ] = DEFAULT_ROWS,
    test_rows: Annotated[int, typer.Option("--test-rows", help="Likewise.", min=8)] = DEFAULT_ROWS,
    batch: Annotated[int, typer.Option("--batch", help="Size of each phase.", min=1, max=64)] = DEFAULT_BATCH,
    max_failed_share: Annotated[
        float, typer.Option("--max-failed-share", help="Verdicts that may be missing at the gate.", min=0, max=0.9)
    ] = 0.2,
    max_calls: Annotated[int | None, typer.Option("--max-calls", help="Ceiling on paid calls.", min=0)] = None,
    max_tokens: Annotated[int | None, typer.Option("--max-tokens", help="Ceiling on paid tokens.", min=0)] = None,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    name: Annotated[
        str | None, typer.Option("--id", help="Of the result; the parent's with a hash unless given.")
    ] = None,
    answers: Annotated[
        Path | None, typer.Option("--answers", help="Another run, or its answers.sqlite: not asked again.")
    ] = None,
    llm_url: Annotated[str | None, typer.Option("--llm-url", help="Instead of ZHUFU_LLM_URL.")] = None,
    llm_model: Annotated[str | None, typer.Option("--llm-model", help="Instead of ZHUFU_LLM_MODEL.")] = None,
    llm_api: Annotated[
        str | None, typer.Option("--llm-api", help="chat or completions, for base models; else ZHUFU_LLM_API.")
    ] = None,
    publish_url: Annotated[
        str | None, typer.Option("--publish", help="URL of a judge that shall serve the result at once.")
    ] = None,
    publish_best: Annotated[
        bool, typer.Option("--publish-best", help="Publish the best so far, too, where a ceiling stops the run.")
    ] = False,
    api_key: Annotated[
        str | None, typer.Option("--api-key", envvar="ZHUFU_API_KEY", help="Of the judge service.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --output.")] = False,
) -> None:
    """Learn the judge's principles from attacks on it and from labelled greetings."""
    from trainer.judge_optimizer.optimize import OptimizerJob, optimize
    from trainer.judge_optimizer.pools import load_pools
    from trainer.judge_optimizer.result import check_id
    from trainer.judge_optimizer.roles import load_prompts
    from trainer.judge_optimizer.settings import read_llm_settings
    from trainer.judge_optimizer.strategy import DETECTOR_START, GENERATOR_START, Strategies, load_strategy
    from trainer.run_folder import open_run_folder

    if name is not None:
        check_id(name)
    detector, parent = load_strategy(principles or DETECTOR_START)
    generator, _ = load_strategy(generator_rules or GENERATOR_START)
    job = OptimizerJob(
        output=output,
        llm=read_llm_settings(url=llm_url, model=llm_model, api=llm_api),
        prompts=load_prompts(),
        pools=load_pools(
            train=train,
            validation=validation,
            test=test,
            seed=seed,
            validation_rows=validation_rows,
            test_rows=test_rows,
        ),
        start=Strategies(generator, detector),
        parent=parent,
        seed=seed,
        batch=batch,
        max_failed_share=max_failed_share,
        rounds=rounds,
        max_calls=max_calls,
        max_tokens=max_tokens,
        answers=answers,
    )
    open_run_folder(
        output, command="optimize-judge", settings=job.settings(), resume=resume, versions_of=("zhufu", "openai")
    )
    done = asyncio.run(optimize(job, console))
    result = _write(job, done, name)
    _show(done)
    if publish_url is not None and result is not None and (done.stopped is None or publish_best):
        _publish(result, publish_url, api_key)
    elif publish_url is not None:
        errors.print("not published: the run has not come to its end", style="yellow")
    if done.stopped is not None:
        from trainer.judge_optimizer.errors import CeilingReached

        if not isinstance(done.stopped, CeilingReached):
            raise done.stopped
        errors.print(f"stopped: {done.stopped.detail}; --resume with a higher ceiling goes on", markup=False)
        raise typer.Exit(CEILING_STATUS)


def _write(job: OptimizerJob, done: Optimized, name: str | None) -> Principles | None:
    """The result, or the best so far, and the report."""
    from trainer.judge_optimizer.report import REPORT, write_optimizer_report
    from trainer.judge_optimizer.result import BEST_SO_FAR, RESULT, principles_of, write_principles

    result = principles_of(job, done, name)
    if result is not None:
        path = write_principles(result, job.output / (RESULT if done.test is not None else BEST_SO_FAR))
        console.print(f"principles: {path}", markup=False, soft_wrap=True)
    path = write_optimizer_report(job, done, job.output / REPORT)
    console.print(f"report:     {path}", markup=False, soft_wrap=True)
    return result


def _show(done: Optimized) -> None:
    """What a person wants to know at once."""
    if done.best is not None:
        where = f"round {done.best.round_number}" if done.best.round_number else "the start: nothing was better"
        console.print(f"best of {done.played} rounds: {where}", markup=False)
    if done.test is not None:
        console.print(
            f"agreement on held-out, length-matched pairs: before {done.test.before.agreement}, after "
            f"{done.test.after.agreement}, difference {done.test.difference}",
            markup=False,
            soft_wrap=True,
        )
        if done.test.difference is not None and done.test.difference.high < 0:
            errors.print(
                "on data that decided nothing the best is worse than the start: do not serve it", style="yellow"
            )
    if done.fooling_rate is not None:
        console.print(f"fooling rate: {done.fooled} of {done.judged} attacks", markup=False)
    spent = done.spent
    console.print(
        f"paid: {spent.calls:,} calls, {spent.prompt_tokens:,} + {spent.completion_tokens:,} tokens", markup=False
    )
    failures: dict[str, int] = {}
    for record in done.records:
        for code, count in record["failures"].items():
            failures[code] = failures.get(code, 0) + count
    for code, count in sorted(failures.items()):
        console.print(f"failed: {count} × {code}", style="yellow", markup=False)


def _publish(result: Principles, url: str, api_key: str | None) -> None:
    from trainer.judge_optimizer.publish import publish

    taken = publish(result, url, api_key=api_key)
    console.print(f"published: the judge goes by {taken.version}", markup=False, soft_wrap=True)
