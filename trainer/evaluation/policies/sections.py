"""The figures of policies as the sections of a report."""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator, Sequence

from trainer.evaluation.policies.result import FAILED_NOTICE, PolicyResult
from trainer.evaluation.policies.tables import PERCENT, copying_table, difference_cells, length_table, variety_table
from trainer.report.charts import grouped_histograms, interval_bars, points
from trainer.report.document import (
    NOTHING,
    Block,
    Paragraph,
    Plot,
    Section,
    Table,
    Tone,
    interval_cell,
    number_cell,
    text_cell,
)

FAR = 4
"""So many times the longest median, lengths are not drawn any more."""
POINTS = 300
"""Dots of each policy in a plot: more are neither seen nor loaded quickly."""


def sections(result: PolicyResult) -> list[Section]:
    """All of them, in the order in which they are read."""
    return [
        _excellence(result),
        _rewards(result),
        _texts(result),
        *_comparisons(result),
        *_failures(result),
        *_reading(result),
    ]


def _excellence(result: PolicyResult) -> Section:
    telling = [each for each in result.judged if each.excellence is not None]
    blocks: list[Block] = []
    if telling:
        columns = ["policy"]
        for each in telling:
            columns += [each.reward, *(f"{each.reward}, {name}" for name in result.slices)]
        rows = [
            [
                text_cell(one.model),
                *(
                    interval_cell(value, form=PERCENT)
                    for each in telling
                    for value in (
                        result.rewards[each.reward][one.model].excellence,
                        *(result.rewards[each.reward][one.model].excellence_of[name] for name in result.slices),
                    )
                ),
            ]
            for one in result.written
        ]
        rules = "; ".join(f"{each.reward}: {each.excellence}" for each in telling)
        blocks.append(Table(columns=columns, rows=rows, note=f"Share of excellent texts. {rules}.{_sliced(result)}"))
        blocks += [
            Plot(
                title=f"Excellent texts under {each.reward}",
                svg=interval_bars(
                    {one.model: result.rewards[each.reward][one.model].excellence for one in result.written},
                    f"Excellent texts under {each.reward}",
                    "share",
                ),
            )
            for each in telling
        ]
    else:
        blocks.append(Paragraph(text="No reward tells when a text is excellent."))
    return Section(title="Excellent texts", blocks=blocks)


def _sliced(result: PolicyResult) -> str:
    if not result.slices:
        return ""
    return " Prompts: " + ", ".join(f"{len(prompts):,} {name}" for name, prompts in result.slices.items()) + "."


def _rewards(result: PolicyResult) -> Section:
    rows = []
    for each in result.judged:
        for one in result.written:
            figures = result.rewards[each.reward][one.model]
            failed = figures.samples - figures.scored
            rows.append(
                [
                    text_cell(each.reward),
                    text_cell(one.model),
                    interval_cell(figures.mean),
                    interval_cell(figures.at_equal_length),
                    *(interval_cell(figures.mean_of[name]) for name in result.slices),
                    number_cell(failed, form=",.0f", tone=_failed_tone(figures.failed_share)),
                ]
            )
    table = Table(
        columns=["reward", "policy", "mean", "at equal length", *result.slices, "not scored"],
        rows=rows,
        note="At equal length: how the reward goes with length is fitted among texts of the same policy, and each mean "
        "is moved to where it would be if all policies wrote texts of the same lengths.",
    )
    return Section(title="Rewards", blocks=[table, *_reward_plots(result)])


def _reward_plots(result: PolicyResult) -> Iterator[Plot]:
    for each in result.judged:
        dots = {}
        for one in result.written:
            pairs = [pair for some in each.lengths_and_rewards(one).values() for pair in some]
            if pairs:
                drawn = random.Random(0).sample(pairs, min(POINTS, len(pairs)))
                dots[one.model] = ([length for length, _ in drawn], [reward for _, reward in drawn])
        if dots:
            title = f"Length and {each.reward}"
            yield Plot(title=title, svg=points(dots, title, "characters", each.reward))


def _texts(result: PolicyResult) -> Section:
    blocks: list[Block] = [length_table(result), _length_plot(result), variety_table(result)]
    if result.training_texts is not None:
        blocks.append(copying_table(result, result.training_texts))
    return Section(title="Texts", blocks=blocks)


def _length_plot(result: PolicyResult) -> Plot:
    """Without the few texts that are so long that all others would be one bar."""
    lengths = {one.model: [float(len(sample.completion)) for sample in one.samples] for one in result.written}
    together = [length for some in lengths.values() for length in some]
    limit = FAR * max(statistics.median(some) for some in lengths.values())
    longer = sum(length > limit for length in together)
    title = "Characters of a text"
    svg = grouped_histograms(
        {model: [length for length in some if length <= limit] for model, some in lengths.items()}, title, "characters"
    )
    note = (
        f"{longer:,} of {len(together):,} texts are longer than {limit:.0f} characters and not shown." if longer else ""
    )
    return Plot(title=title, svg=svg, note=note)


def _comparisons(result: PolicyResult) -> Iterator[Section]:
    if not result.comparisons:
        return
    differences = Table(
        columns=["reward", "policies", "prompts", "excellent", "p of that", "mean reward", "p of that"],
        rows=[
            [
                text_cell(each.reward),
                text_cell(f"{each.other} − {each.one}"),
                number_cell(None if each.mean is None else each.mean.prompts, form=",.0f"),
                *difference_cells(each.excellence, PERCENT),
                *difference_cells(each.mean, ".3f"),
            ]
            for each in result.comparisons
        ],
        note="The first named minus the second, on the prompts that both wrote for. p: by flipping signs of "
        "differences, corrected for all pairs and rewards of its column (Holm).",
    )
    lengths = Table(
        title="What of it is length",
        columns=[
            "reward",
            "policies",
            "characters",
            "at equal length",
            "by length",
            "among pairs",
            "prompts with pairs",
        ],
        rows=[
            [
                text_cell(each.reward),
                text_cell(f"{each.other} − {each.one}"),
                interval_cell(each.characters, form=".1f"),
                interval_cell(each.at_equal_length),
                number_cell(each.by_length, form=".0%", tone="warn" if each.rises_mostly_by_length else "plain"),
                interval_cell(each.matched.difference),
                number_cell(each.matched.prompts, form=",.0f"),
            ]
            for each in result.comparisons
        ],
        note="At equal length: the difference in mean reward if both wrote texts of the same lengths. By length: the "
        "share of the difference that is gone then, where there is a difference. Among pairs: of two texts for the "
        "same prompt that are about equally long.",
    )
    yield Section(title="Differences", blocks=[differences, lengths])


def _failed_tone(share: float) -> Tone:
    return "bad" if share > FAILED_NOTICE else "warn" if share > 0 else "plain"


def _failures(result: PolicyResult) -> Iterator[Section]:
    rows = [
        [text_cell(reward), text_cell(model), text_cell(code), number_cell(count, form=",.0f")]
        for reward, by_model in result.rewards.items()
        for model, figures in by_model.items()
        for code, count in figures.failures.items()
    ]
    if rows:
        table = Table(
            columns=["reward", "policy", "code", "samples"],
            rows=rows,
            note="Samples without a reward are in no figure above: a failure is not a zero.",
        )
        yield Section(title="Not scored", blocks=[table])


def _reading(result: PolicyResult) -> Iterator[Section]:
    rewards = [each.reward for each in result.judged]
    for each in result.reading:
        rows = [
            [
                text_cell(read.model),
                text_cell(read.sample.prompt),
                text_cell(read.sample.completion if not read.sample.blank else NOTHING),
                text_cell(read.why),
                *(number_cell(read.rewards[reward]) for reward in rewards),
                number_cell(len(read.sample.completion), form=",.0f"),
            ]
            for read in each.samples
        ]
        columns: Sequence[str] = ["policy", "prompt", "text", "why", *rewards, "characters"]
        yield Section(title=f"To read: {each.title}", blocks=[Table(columns=columns, rows=rows)], folded=True)
