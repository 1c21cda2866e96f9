"""Verdicts a second and prompt tokens computed, by way of judging, against the reference implementation's way."""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from rich.console import Console

from benchmarks.context import Context
from benchmarks.judge_cost import (
    GROUP,
    NO_COUNTS,
    Ask,
    Counts,
    Meter,
    as_reference,
    counts_of,
    make_groups,
    through_service,
)
from benchmarks.judge_setup import ANSWER_SECONDS, Judge, add_judge_arguments, judge_of, plain_client, read_samples
from benchmarks.judge_setup import samples as samples_of
from benchmarks.processes import BenchmarkFailed
from benchmarks.report import installed
from benchmarks.tables import Section, percentile
from services.judge.modes import ModeName
from services.judge.principles import find_principles
from shared.client import RewardClient
from shared.schemas import Rollout
from trainer.data.starter import load_starter

MODES: Final[tuple[ModeName, ...]] = ("logprob", "verdict", "rubric", "group")
REFERENCE: Final = "the reference way"
ROUNDS, GROUPS_EACH = 3, 4
FEWER: Final = 1
"""Groups of each round in all but the default mode, as these cost several times as much."""
QUICK_MODES: Final[tuple[ModeName, ...]] = ("logprob",)
QUICK_SETTINGS: Final[Mapping[str, object]] = {"few_shot_limit": 0, "calibrate": False, "least_label_mass": 0.0}
PROFILE: Final = (
    "Where the time of a warm verdict in `logprob` mode goes, by `perf record -p PID` on the LLM server with one "
    "thread, 65 tokens computed behind 1,767 that it had: 46 % is matrix multiplication, 32 % attention to what stands "
    "before, 3 % a search of the whole prompt for special tokens. A request with three tokens to compute takes 0.09 s "
    "of the CPU, each further one 9 ms; with little before it, as in the reference way, a token takes 6 ms. So a "
    "verdict that computes 6.6 times fewer tokens takes about 4.5 times less of the CPU, and the fixed beginning, 12 s "
    "of it for each mode, is to be shared by the verdicts of a run. Without llama.cpp's flash attention it was slower."
)
FAILED_SHARE: Final = 0.5
"""Where more is not scored, a way has no figure."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way of judging, and how its tokens are counted."""

    name: str
    ask: Ask
    meter: Meter


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What some groups took in one way."""

    verdicts: int
    failed: int
    seconds: float
    counts: Counts


async def run(context: Context) -> Section:
    """Measure all ways on one LLM server, by turns; `BenchmarkFailed` where a way scores too little."""
    modes, rounds, each, size = (QUICK_MODES, 1, 1, 2) if context.quick else (MODES, ROUNDS, GROUPS_EACH, GROUP)
    groups = make_groups(load_starter("test"), rounds * each, size)
    parts = [groups[at : at + each] for at in range(0, len(groups), each)]
    settings = QUICK_SETTINGS if context.quick else {}
    async with judge_of(_given(context), context.console, **settings) as judge:
        done = await measure(judge, modes, parts, context.console)
    return section(done, len(groups), size)


async def measure(
    judge: Judge, modes: Sequence[ModeName], rounds: Sequence[Sequence[Sequence[Rollout]]], console: Console
) -> dict[str, list[Round]]:
    """Every round in every way, the reference's last. Each round has groups of its own: no verdict is in a cache."""
    registry = CollectorRegistry()

    async def service_counts() -> Counts:
        return counts_of(await samples_of(judge.url))

    async def own_counts() -> Counts:
        return counts_of(read_samples(generate_latest(registry).decode()))

    done: dict[str, list[Round]] = {}
    async with (
        RewardClient.from_url(judge.url, timeout_seconds=ANSWER_SECONDS) as reward,
        plain_client(judge.settings, registry) as client,
    ):
        principles = find_principles(judge.settings.principles)
        ways = [
            *(Way(name=mode, ask=through_service(reward, mode), meter=service_counts) for mode in modes),
            Way(name=REFERENCE, ask=as_reference(client, judge, principles), meter=own_counts),
        ]
        for number, groups in enumerate(rounds, start=1):
            for way in ways:
                took = await one_round(way, groups if way.name == modes[0] else groups[:FEWER])
                done.setdefault(way.name, []).append(took)
                console.log(
                    f"judge, round {number} of {len(rounds)}, {way.name}: {_speed(took):.2f} verdicts/s, "
                    f"{_computed(took):.0f} prompt tokens computed each, {took.failed} not scored"
                )
    return done


async def one_round(way: Way, groups: Sequence[Sequence[Rollout]]) -> Round:
    """Ask group by group. Raises `BenchmarkFailed` where most of it fails."""
    before = await way.meter()
    codes: list[str | None] = []
    begun = time.perf_counter()
    for group in groups:
        codes += (await way.ask(group)).values()
    seconds = time.perf_counter() - begun
    failed = [code for code in codes if code is not None]
    if len(failed) > FAILED_SHARE * len(codes):
        raise BenchmarkFailed(f"{way.name}: {len(failed)} of {len(codes)} were not scored, the first: {failed[0]}")
    return Round(verdicts=len(codes), failed=len(failed), seconds=seconds, counts=(await way.meter()) - before)


def section(done: Mapping[str, Sequence[Round]], groups: int, size: int) -> Section:
    """The table: all rounds of each way together; ratios with the least and the greatest of a round."""
    return Section(
        title="The judge, against the reference way",
        text=(
            f"{groups} groups of {size} rollouts of one prompt ({min(groups, FEWER * len(done[REFERENCE]))} of them in "
            "all but the first row), a group to a request, one after the other; one LLM "
            f"server (Gemma 3 270M by llama.cpp), one run, every way by turns, {len(done[REFERENCE])} rounds, each "
            "with groups of its own. The reference way: a call for each rollout that asks for JSON with a reason and 0 "
            "or 1 and holds the text before the rules, so that no two prompts begin alike; nothing is kept. Computed: "
            "prompt tokens that the server did not have from before, by its own count, the fixed beginning of each "
            "prompt and the calibration of `logprob` included. Ratios: over the reference way's, all rounds together, "
            "in brackets those of single rounds; the first round pays for the beginnings."
        ),
        columns=(
            "",
            "verdicts / s",
            "ratio",
            "ratio without the first round",
            "prompt tokens computed, a verdict",
            "ratio",
            "the same without the first round",
            "tokens written, a verdict",
            "not scored",
        ),
        rows=[_row(name, rounds, done[REFERENCE]) for name, rounds in done.items()],
        versions=installed(["xllamacpp"]),
        notes=PROFILE,
    )


def _row(name: str, rounds: Sequence[Round], reference: Sequence[Round]) -> list[str]:
    whole, against = _sum(rounds), _sum(reference)
    warm = _sum(rounds[1:]) if len(rounds) > 1 else None
    speeds = [_speed(mine) / _speed(theirs) for mine, theirs in zip(rounds, reference, strict=True)]
    tokens = [_computed(mine) / _computed(theirs) for mine, theirs in zip(rounds, reference, strict=True)]
    return [
        name,
        f"{_speed(whole):.2f}",
        "1" if name == REFERENCE else f"{_speed(whole) / _speed(against):.1f} ({_range(speeds, 1)})",
        "" if warm is None else "1" if name == REFERENCE else f"{_speed(warm) / _speed(_sum(reference[1:])):.1f}",
        f"{_computed(whole):,.0f}",
        "1" if name == REFERENCE else f"{_computed(whole) / _computed(against):.2f} ({_range(tokens, 2)})",
        "" if warm is None else f"{_computed(warm):,.0f}",
        f"{whole.counts.completion_tokens / whole.verdicts:.1f}",
        f"{whole.failed} of {whole.verdicts}",
    ]


def _sum(rounds: Sequence[Round]) -> Round:
    return Round(
        verdicts=sum(each.verdicts for each in rounds),
        failed=sum(each.failed for each in rounds),
        seconds=sum(each.seconds for each in rounds),
        counts=sum((each.counts for each in rounds), NO_COUNTS),
    )


def _speed(taken: Round) -> float:
    return taken.verdicts / taken.seconds


def _computed(taken: Round) -> float:
    return taken.counts.computed_tokens / taken.verdicts


def _range(values: Sequence[float], digits: int) -> str:
    return f"{percentile(values, 0):.{digits}f}–{percentile(values, 1):.{digits}f}"


def _given(context: Context) -> argparse.Namespace:
    """What the judge's own benchmarks are told on the command line: nothing but where logs go."""
    parser = argparse.ArgumentParser()
    add_judge_arguments(parser)
    return parser.parse_args(["--logs", str(context.folder)])
