"""How well the judge tells good greetings from bad ones, with and without the help of their length.

python -m benchmarks.judge_accuracy --data FILE    JSON lines with query, response and label, as in the paper
python -m benchmarks.judge_accuracy --starter      the test pairs of the starter set

Rollouts are scored one by one, over HTTP: the time of each is that of one verdict. What was not scored is in no figure;
it is counted by itself.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import JsonValue
from rich.console import Console

from benchmarks.judge_setup import (
    ANSWER_SECONDS,
    Answer,
    add_judge_arguments,
    ask_each,
    check_judge_arguments,
    failure_codes,
    judge_of,
    positive,
    run,
    section_json,
    why,
    write_json,
)
from benchmarks.processes import BenchmarkFailed
from benchmarks.tables import Section, percentile
from shared.client import RewardClient
from shared.errors import InvalidData
from shared.schemas import Rollout
from trainer.data.rows import json_rows, read_file
from trainer.data.starter import load_starter
from trainer.evaluation.auc import Auc, auc, length_stratified_auc
from trainer.evaluation.intervals import Interval, bootstrap_mean

MOST_FAILED = 0.1
"""Where a larger share was not scored, the figures are of a part that chose itself: the status is 1."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A greeting that is known to be good (1) or bad (0); ``pair`` numbers two greetings for one request."""

    prompt: str
    completion: str
    label: int
    pair: int | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured of one reward, over the rows that it scored.

    Attributes:
        rows: How many were asked.
        scored: How many have a score.
        failures: Those that have none, by code.
        plain: AUC over all pairs.
        matched: AUC over pairs of about the same length; None where there are no such pairs.
        length_plain: The same for the rule that the longer text is the better one.
        length_matched: Likewise.
        pairs_won: Share of the data's own pairs in which the good text has the higher reward, ties counted half; None
            where the data has none.
        length_correlation: Pearson's, of reward and characters; None where either never changes.
        seconds: Median time of a verdict, the first one and those from the cache left out; None where there is none.
    """

    rows: int
    scored: int
    failures: dict[str, int]
    plain: Auc
    matched: Auc | None
    length_plain: Auc
    length_matched: Auc | None
    pairs_won: Interval | None
    length_correlation: float | None
    seconds: float | None


def read_labelled(path: Path) -> list[Labelled]:
    """Rows of query, response and label.

    Raises:
        InvalidData: The file cannot be read, or a row lacks a field.
    """
    rows: list[Labelled] = []
    for row in json_rows(path, read_file(path)):
        label = row.fields.get("label")
        if isinstance(label, bool) or not isinstance(label, int) or label not in (0, 1):
            raise row.error("field 'label' is missing or neither 0 nor 1")
        rows.append(Labelled(prompt=row.text("query"), completion=row.text("response"), label=label))
    if {row.label for row in rows} != {0, 1}:
        raise InvalidData(path, "has not both rows of label 1 and rows of label 0")
    return rows


def starter_rows() -> list[Labelled]:
    """Chosen (1) and rejected (0) of the starter set's test pairs."""
    return [
        Labelled(prompt=pair.prompt, completion=text, label=label, pair=number)
        for number, pair in enumerate(load_starter("test"))
        for text, label in ((pair.chosen, 1), (pair.rejected, 0))
    ]


def choose(rows: Sequence[Labelled], limit: int | None, seed: int) -> list[Labelled]:
    """All rows, shuffled, or ``limit`` of them: whole pairs where there are pairs, else as many good as bad ones."""
    source = random.Random(seed)
    good = [row for row in rows if row.label == 1]
    bad = [row for row in rows if row.label == 0]
    if all(row.pair is not None for row in rows):
        by_pair = {row.pair: row for row in bad}
        source.shuffle(good)
        bad = [by_pair[row.pair] for row in good]
    else:
        source.shuffle(good)
        source.shuffle(bad)
    if limit is not None:
        good, bad = good[: -(-limit // 2)], bad[: max(1, limit // 2)]
    chosen = [*good, *bad]
    source.shuffle(chosen)
    return chosen


def figures_of(rows: Sequence[Labelled], answers: Sequence[Answer], seed: int) -> Figures:
    """Sum up. Raises `BenchmarkFailed` where too few were scored for any figure."""
    scores = [answer.score for answer in answers]
    kept = [
        (row, answer, answer.score.reward)
        for row, answer in zip(rows, answers, strict=True)
        if answer.score.reward is not None
    ]
    rewards = [reward for _, _, reward in kept]
    labels = [row.label for row, _, _ in kept]
    lengths = [float(len(row.completion)) for row, _, _ in kept]
    try:
        plain, length_plain = auc(rewards, labels, seed=seed), auc(lengths, labels, seed=seed)
    except ValueError as error:
        raise BenchmarkFailed(f"no figure: {error}; not scored: {why(scores) or 'none'}") from None
    matched = length_matched = None
    try:
        matched = length_stratified_auc(rewards, labels, lengths, seed=seed)
        length_matched = length_stratified_auc(lengths, labels, lengths, seed=seed)
    except ValueError:  # no pair of about the same length among a few rows
        matched = None
    changes = len(set(rewards)) > 1 and len(set(lengths)) > 1
    seconds = [answer.seconds for _, answer, _ in kept[1:] if not answer.score.cached]
    return Figures(
        rows=len(rows),
        scored=len(kept),
        failures=failure_codes(scores),
        plain=plain,
        matched=matched,
        length_plain=length_plain,
        length_matched=length_matched,
        pairs_won=_pairs_won([(row, reward) for row, _, reward in kept], seed),
        length_correlation=float(np.corrcoef(rewards, lengths)[0, 1]) if changes else None,
        seconds=percentile(seconds, 0.5) if seconds else None,
    )


def _pairs_won(scored: Sequence[tuple[Labelled, float]], seed: int) -> Interval | None:
    good = {row.pair: reward for row, reward in scored if row.pair is not None and row.label == 1}
    bad = {row.pair: reward for row, reward in scored if row.pair is not None and row.label == 0}
    won = [float(good[pair] > bad[pair]) + 0.5 * (good[pair] == bad[pair]) for pair in good if pair in bad]
    return bootstrap_mean(won, seed=seed) if won else None


def section(figures: Figures, source: str, version: str, at_once: int) -> Section:
    """The table."""

    def row(name: str, plain: Auc, matched: Auc | None) -> list[str]:
        return [name, str(plain), "no pairs" if matched is None else str(matched)]

    rows = [
        row("the judge", figures.plain, figures.matched),
        row("the longer one is better", figures.length_plain, figures.length_matched),
    ]
    text = [f"{figures.scored:,} of {figures.rows:,} rows were scored, by {version}."]
    if figures.failures:
        text.append("Not scored: " + ", ".join(f"{count} x {code}" for code, count in figures.failures.items()) + ".")
    text.append(f"AUC with 95 % intervals: over {figures.plain.pairs:,} pairs of a good and a bad greeting,")
    if figures.matched is None:
        text.append("of which none are of about the same length.")
    else:
        text.append(
            f"and over the {figures.matched.pairs:,} whose lengths differ by at most a tenth or 2 characters "
            f"({figures.matched.positives} good and {figures.matched.negatives} bad ones take part)."
        )
    if figures.pairs_won is not None:
        text.append(f"In the data's own pairs the good one wins {figures.pairs_won}.")
    if figures.length_correlation is not None:
        text.append(f"Correlation of reward and length: {figures.length_correlation:+.2f}.")
    if figures.seconds is not None:
        text.append(f"A warm verdict takes {figures.seconds:.2f} s (median, {at_once} at a time).")
    return Section(
        title=f"The judge on {source}",
        text=" ".join(text),
        columns=("", "AUC", "AUC, length-stratified"),
        rows=rows,
    )


def options_of(given: argparse.Namespace) -> dict[str, JsonValue]:
    """Options of the request: only those that were given, so that any reward can be measured."""
    return {name: getattr(given, name) for name in ("mode", "samples") if getattr(given, name) is not None}


async def measure(given: argparse.Namespace, url: str, console: Console, api_key: str | None = None) -> int:
    """Ask, sum up, print; the status."""
    rows = choose(starter_rows() if given.starter else read_labelled(given.data), given.limit, given.seed)
    rollouts = [
        Rollout(id=f"r{number}", prompt=row.prompt, completion=row.completion) for number, row in enumerate(rows)
    ]
    async with RewardClient.from_url(url, api_key=api_key, timeout_seconds=ANSWER_SECONDS) as reward:
        answers = await ask_each(
            reward, rollouts, console=console, title="judging", options=options_of(given), at_once=given.at_once
        )
    figures = figures_of(rows, answers, given.seed)
    versions = sorted({answer.score.version for answer in answers if answer.score.status == "scored"})
    source = "the test pairs of the starter set" if given.starter else given.data.name
    table = section(figures, source, ", ".join(versions), given.at_once)
    console.print(table.table())
    written: dict[str, Any] = {
        **dataclasses.asdict(figures),
        "versions": versions,
        "options": options_of(given),
        "settings": given.set,
        "seed": given.seed,
        "scores": [
            {"label": row.label, "characters": len(row.completion), "reward": answer.score.reward}
            for row, answer in zip(rows, answers, strict=True)
        ],
        "table": section_json(table),
    }
    write_json(given.output, written, console)
    failed = figures.rows - figures.scored
    if failed > MOST_FAILED * figures.rows:
        console.print(f"{failed} of {figures.rows} were not scored: the figures are of the others alone", style="red")
        return 1
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.judge_accuracy", description=__doc__)
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--data", type=Path, help="JSON lines with query, response and label (0 or 1)")
    data.add_argument("--starter", action="store_true", help="the test pairs of the starter set")
    parser.add_argument("--reward", help="a reward service that runs already, of whatever kind")
    parser.add_argument("--mode", choices=("logprob", "verdict", "rubric"), help="of the judge; its own unless given")
    parser.add_argument("--samples", type=positive, help="votes on each rollout; the judge's own number unless given")
    parser.add_argument("--limit", type=positive, help="so many rows, half of them good ones")
    parser.add_argument("--at-once", type=positive, default=1, help="rollouts under way; their times are then longer")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of rows and of the intervals")
    add_judge_arguments(parser)
    given = parser.parse_args()
    check_judge_arguments(parser, given)
    if given.reward and (given.llm_url or given.set or given.logs):
        parser.error("--reward names a service that runs: --llm-url, --set and --logs are for one that is started")
    if given.limit == 1:
        parser.error("--limit 1 leaves no pair of a good and a bad row")

    async def measured(console: Console) -> int:
        if given.reward:
            return await measure(given, given.reward, console, os.environ.get("ZHUFU_API_KEY"))
        async with judge_of(given, console) as judge:
            return await measure(given, judge.url, console)

    run(measured)


if __name__ == "__main__":
    main()
