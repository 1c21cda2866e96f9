"""``zhufu sample``: options in, files and one table out; the work is in the modules beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console

from shared.errors import ZhufuError

if TYPE_CHECKING:
    from trainer.sampling.request import Agent, Length, PairBy
    from trainer.sampling.summary import Summary

CEILING_REACHED = 3
INTERRUPTED = 130


class TooManyFailures(ZhufuError):
    """So many prompts in a row failed for reasons that may pass that the run stopped."""

    code = "too_many_failures"


class NothingSampled(ZhufuError):
    """Every prompt failed."""

    code = "nothing_sampled"


def sample_command(
    prompts: Annotated[str, typer.Option("--prompts", help="starter:train|validation|test, or a file.")],
    output: Annotated[Path, typer.Option("--output", help="A .jsonl file for the pairs; others go beside it.")],
    url: Annotated[
        str, typer.Option("--url", help="The multi-agent service: redis(s)://…?reward=multi_agent, or http(s)://.")
    ],
    candidates: Annotated[int, typer.Option("--candidates", help="Texts written for each prompt.", min=2, max=16)] = 4,
    limit: Annotated[int | None, typer.Option("--limit", help="The first so many prompts only.", min=1)] = None,
    pair_by: Annotated[str, typer.Option("--pair-by", help="verdict or quality.")] = "verdict",
    least_margin: Annotated[
        float | None, typer.Option("--least-margin", help="In quality, between chosen and rejected.", min=0, max=1)
    ] = None,
    length: Annotated[
        str, typer.Option("--length", help="Pairs of equal length: prefer, require or ignore.")
    ] = "prefer",
    without: Annotated[
        list[str] | None,
        typer.Option("--without", help="retrieval, positive, negative, judge or reflect is left out; repeatable."),
    ] = None,
    temperature: Annotated[float | None, typer.Option("--temperature", help="Of the candidates.", min=0, max=2)] = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    concurrency: Annotated[
        int,
        typer.Option(
            "--concurrency", help="Prompts under way at once; fewer where the service is slow.", min=1, max=100
        ),
    ] = 16,
    max_tokens: Annotated[
        int | None,
        typer.Option("--max-tokens", help="Ceiling on the tokens paid, prompt and completion, over all runs.", min=1),
    ] = None,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds for one prompt.", min=0.1)] = 900.0,
    max_failures_in_a_row: Annotated[
        int, typer.Option(help="Stop when so many prompts in a row fail for reasons that may pass.", min=1)
    ] = 50,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed/--no-retry-failed", help="With --resume: ask again what failed.")
    ] = True,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run whose journal lies at --output.")
    ] = False,
    api_key: Annotated[
        str | None, typer.Option("--api-key", envvar="ZHUFU_API_KEY", help="Of the service, by HTTP.")
    ] = None,
) -> None:
    """Sample candidates for many prompts and choose preference pairs, for `train rm`.

    Stops and goes on at any point. Exit status: 0 all prompts done, 1 an error, 3 the ceiling on tokens, 130 Ctrl-C.
    """
    from trainer.sampling.figures import table
    from trainer.sampling.job import SampleJob, sample_pairs
    from trainer.sampling.prompts import read_prompts
    from trainer.sampling.request import AGENTS, LENGTHS, PAIR_BY, SampleRequest
    from trainer.sampling.results import Files
    from trainer.sampling.sampler import Limits

    _check("--pair-by", [pair_by], PAIR_BY)
    _check("--length", [length], LENGTHS)
    _check("--without", without or [], AGENTS)
    console, errors = Console(), Console(stderr=True)

    def tell(sentence: str) -> None:
        errors.print(sentence, style="yellow", markup=False, soft_wrap=True)

    read = read_prompts(prompts, limit)
    if left_out := read.left_out():
        tell(left_out)
    job = SampleJob(
        source=prompts,
        prompts=read,
        request=SampleRequest(
            candidates=candidates,
            pair_by=cast("PairBy", pair_by),
            least_margin=least_margin,
            length=cast("Length", length),
            without=cast("tuple[Agent, ...]", tuple(without or ())),
            temperature=temperature,
            seed=seed,
        ),
        url=url,
        output=output,
        limits=Limits(
            concurrency=concurrency,
            timeout_seconds=timeout,
            max_tokens=max_tokens,
            max_failures_in_a_row=max_failures_in_a_row,
        ),
        api_key=api_key,
        retry_failed=retry_failed,
        resume=resume,
    )
    summary = sample_pairs(job, console, tell)
    console.print(table(summary))
    if summary.open < summary.prompts:
        console.print(f"pairs:  {output}\nreport: {Files(output).page}", soft_wrap=True, markup=False)
    _end(summary, tell)


def _check(option: str, given: list[str], known: tuple[str, ...]) -> None:
    for value in given:
        if value not in known:
            raise typer.BadParameter(", ".join(known), param_hint=option)


def _end(summary: Summary, tell: Callable[[str], None]) -> None:
    """Say how a run that did not fail as a whole ended, and with which exit status.

    Raises:
        TooManyFailures, NothingSampled: See there.
        typer.Exit: With the status, where it is not 0.
    """
    from trainer.sampling.sampler import Ending

    done = f"{summary.prompts - summary.open:,} of {summary.prompts:,} prompts are done and saved"
    causes = ", ".join(f"{code} {count:,}" for code, count in summary.failures.items())
    if summary.ending is Ending.FAILURES:
        raise TooManyFailures(f"stopped, too many prompts in a row failed ({causes}): {done}; --resume goes on")
    if summary.ending is Ending.CEILING:
        tell(f"the ceiling on tokens is reached: {done}; --resume with a higher --max-tokens goes on")
        raise typer.Exit(CEILING_REACHED)
    if summary.ending is Ending.INTERRUPTED:
        tell(f"interrupted: {done}" + ("; --resume goes on" if summary.open < summary.prompts else ""))
        raise typer.Exit(INTERRUPTED)
    if len(summary.failed) == summary.prompts:
        raise NothingSampled(f"no prompt gave a sample: {causes}")
    if summary.to_retry:
        tell(f"{summary.to_retry:,} prompts failed for reasons that may pass: --resume asks them again")
