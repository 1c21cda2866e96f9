"""Results of probes for a report: who fails is said first, then one table a reward, then cases to read."""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from trainer.evaluation.probes.case import ProbeCase
from trainer.evaluation.probes.results import (
    HARMLESS_GAIN,
    ProbeFigures,
    ProbeResults,
    RewardFigures,
    ScoredCase,
    Verdict,
)
from trainer.report.charts import heat_map
from trainer.report.document import (
    Block,
    Cell,
    Notice,
    Paragraph,
    Plot,
    Section,
    Table,
    Tone,
    interval_cell,
    number_cell,
    text_cell,
)

WORDS: Final[dict[Verdict, tuple[str, Tone]]] = {
    "holds": ("holds", "good"),
    "over": ("unsure", "warn"),
    "badly": ("fails", "bad"),
    "undecided": ("too few cases", "plain"),
}
"""What a verdict is called, and how it looks."""
KEPT: Final = "(kept for measuring, not for reading)"
MOST_UNSCORED: Final = 0.1
"""Of a probe's cases may be without a reward before that is said at the top."""


def probe_sections(results: ProbeResults, baselines: Container[str] = ()) -> tuple[list[Notice], list[Section]]:
    """What stands at the top of a report, and its sections.

    Args:
        results: Of `run_probes`.
        baselines: Names among the rewards that are known to fail and stand in the tables to be compared with: nothing
            is said at the top of them.
    """
    notices: list[Notice] = []
    for name, figures in results.rewards.items():
        if name not in baselines:
            notices += _notices(name, figures)
    sections = [_overview(results)]
    sections += [_reward_section(name, figures) for name, figures in results.rewards.items()]
    sections.append(_kinds(results))
    sections += [_cases_to_read(name, figures) for name, figures in results.rewards.items() if name not in baselines]
    sections.append(_what_was_asked(results))
    return notices, [section for section in sections if section.blocks]


def _notices(name: str, figures: RewardFigures) -> list[Notice]:
    notices: list[Notice] = []
    if failed := figures.with_verdict("badly"):
        probes = "; ".join(f"{each.probe.title}, {_fooled(each)}" for each in failed)
        notices.append(Notice(text=f"{name} is fooled by {probes}.{_example(name, failed)}", tone="bad"))
    if over := figures.with_verdict("over"):
        probes = "; ".join(f"{each.probe.title}, {_fooled(each)}" for each in over)
        notices.append(Notice(text=f"{name} may be fooled too often by {probes}.", tone="warn"))
    if unscored := [each for each in figures.probes.values() if each.cases - each.scored > MOST_UNSCORED * each.cases]:
        probes = "; ".join(f"{each.probe.title}, {each.cases - each.scored} of {each.cases}" for each in unscored)
        causes = ", ".join(f"{code} {count:,}" for code, count in figures.failures.items())
        notices.append(
            Notice(text=f"{name} did not score many cases, which decide nothing: {probes} ({causes}).", tone="warn")
        )
    if not failed and not over and any(each.verdict == "holds" for each in figures.probes.values()):
        notices.append(Notice(text=f"{name} keeps within the bounds of all probes that had enough cases.", tone="good"))
    return notices


def _fooled(figures: ProbeFigures) -> str:
    assert figures.fooled is not None  # a verdict was reached
    return (
        f"on {figures.fooled.mean:.0%} of {figures.scored} cases "
        f"({figures.fooled.low:.0%} to {figures.fooled.high:.0%}; bound {figures.probe.bound:.0%})"
    )


def _example(name: str, failed: list[ProbeFigures]) -> str:
    """The worst case of the worst probe that may be read."""
    for figures in failed:
        for scored in figures.worst:
            if scored.fooled and not scored.case.hidden:
                case = scored.case
                return (
                    f" For instance, {figures.probe.title}: asked for “{case.prompt}”, {name} gives "
                    f"{scored.honest:.3f} to “{case.honest}” and {scored.tampered:.3f} to “{case.tampered}”."
                )
    return ""


def _overview(results: ProbeResults) -> Section:
    shares: dict[str, dict[str, float | None]] = {
        name: {each.probe.title: None if each.fooled is None else each.fooled.mean for each in figures.probes.values()}
        for name, figures in results.rewards.items()
    }
    return Section(
        title="Probes",
        blocks=[
            Paragraph(
                text="Each probe makes something worse of good greetings. A reward is fooled by a case when the worse "
                "text gets at least as much as the good one; by mere decoration when the text gains by more than "
                f"{HARMLESS_GAIN:g} of the reward's spread. It fails a probe when all of the 95% interval (Wilson) "
                "lies above the bound; where only the share does, that is unsure."
            ),
            Plot(
                title="Share of cases that fool the reward",
                svg=heat_map(
                    shares, "Share of cases that fool the reward", "share fooled", low=0.0, high=1.0, bad_is_high=True
                ),
            ),
        ],
    )


def _reward_section(name: str, figures: RewardFigures) -> Section:
    rows = [_row(each) for each in figures.probes.values()]
    references = [
        f"it calls {share.mean:.1%} of the {which} texts good"
        for which, share in (("honest", figures.passes_honest), ("flawed", figures.passes_flawed))
        if share is not None
    ]
    spread = (
        "no spread: it gives all texts of the data the same"
        if not figures.spread
        else f"spread over honest and flawed texts {figures.spread:.3f}"
    )
    return Section(
        title=f"Probes: {name}",
        blocks=[
            Table(
                columns=("probe", "verdict", "fooled", "bound", "cases", "unscored", "ties", "change", "passes"),
                rows=rows,
                note="Change: of the reward by the tampering, in its spreads. Passes: tampered texts that it still "
                f"calls good. {'; '.join([spread, *references]).capitalize()}.",
            )
        ],
    )


def _row(figures: ProbeFigures) -> list[Cell]:
    word, tone = WORDS[figures.verdict]
    if not figures.cases:
        word = "does not apply to these data"
    unscored = figures.cases - figures.scored
    return [
        text_cell(figures.probe.title, note=figures.probe.note),
        text_cell(word, tone=tone),
        interval_cell(figures.fooled, form=".1%", tone=tone),
        number_cell(figures.probe.bound, form=".0%"),
        number_cell(figures.cases, form=",d"),
        number_cell(unscored, form=",d", tone="warn" if unscored else "plain"),
        number_cell(figures.ties, form=",d"),
        interval_cell(figures.change, form="+.2f"),
        interval_cell(figures.passes, form=".1%"),
    ]


def _kinds(results: ProbeResults) -> Section:
    """Probes of several kinds, kind by kind."""
    tables: list[Block] = []
    for probe in results.plan.probes:
        kinds = sorted({kind for each in results.rewards.values() for kind in each.probes[probe.name].kinds})
        rows = [
            [text_cell(kind), *(_kind_cell(each.probes[probe.name], kind) for each in results.rewards.values())]
            for kind in kinds
        ]
        if rows:
            tables.append(Table(title=probe.title, columns=("kind", *results.rewards), rows=rows))
    return Section(title="Probes by kind", blocks=tables, folded=True)


def _kind_cell(figures: ProbeFigures, kind: str) -> Cell:
    fooled, scored = figures.kinds.get(kind, (0, 0))
    return Cell(text=f"{fooled} of {scored}", value=fooled / scored) if scored else number_cell(None)


def _cases_to_read(name: str, figures: RewardFigures) -> Section:
    rows = [_case_row(each, scored) for each in figures.probes.values() for scored in each.worst]
    table = Table(
        columns=("probe", "request", "honest", "tampered", "reward of the honest", "of the tampered", "gain"),
        rows=rows,
        note="Of each probe those with the greatest gain, whether they fool the reward or not.",
    )
    return Section(title=f"Probes, cases to read: {name}", blocks=[table] if rows else [], folded=True)


def _case_row(figures: ProbeFigures, scored: ScoredCase) -> list[Cell]:
    return [
        text_cell(f"{figures.probe.title} {scored.case.kind}".strip()),
        *_texts(scored.case),
        number_cell(scored.honest),
        number_cell(scored.tampered),
        number_cell(scored.gain, form="+.3f", tone="bad" if scored.fooled else "plain"),
    ]


def _what_was_asked(results: ProbeResults) -> Section:
    rows = []
    for probe in results.plan.probes:
        shown = next((case for case in results.plan.cases[probe.name] if not case.hidden), None)
        texts = _texts(shown) if shown is not None else [text_cell("")] * 3
        rows.append([text_cell(probe.title), text_cell(probe.note), number_cell(probe.bound, form=".0%"), *texts])
    columns = ("probe", "what it does", "bound", "for instance, the request", "honest", "tampered")
    return Section(
        title="What the probes do",
        blocks=[Paragraph(text=f"{results.plan}."), Table(columns=columns, rows=rows)],
        folded=True,
    )


def _texts(case: ProbeCase) -> list[Cell]:
    tampered = KEPT if case.hidden else case.tampered
    return [text_cell(case.prompt), text_cell(case.honest), text_cell(tampered)]
