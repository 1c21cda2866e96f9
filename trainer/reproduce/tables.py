"""The final tables: what the paper published, and beside it what was measured here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from trainer.evaluation.intervals import Interval
from trainer.evaluation.rewards.baselines import LENGTH_RULE
from trainer.evaluation.rewards.measuring import Measure
from trainer.evaluation.rewards.slices import HIGH, ORDINARY
from trainer.report.document import NOTHING, Cell, Table, Tone, interval_cell, number_cell, text_cell
from trainer.reproduce import published
from trainer.reproduce.measured import Measured
from trainer.reproduce.results import PoliciesResult, RewardsResult
from trainer.reproduce.rows import ROWS, Row
from trainer.reproduce.verdicts import Change, Verdict
from trainer.steps.progress import duration

TONES: Mapping[Verdict, Tone] = {
    Verdict.LEARNED: "good",
    Verdict.BY_LENGTH: "warn",
    Verdict.NO_CHANGE: "plain",
    Verdict.WORSE: "bad",
    Verdict.NOT_MEASURED: "warn",
}
PERCENT = ".1%"
WHOLE_PERCENT = ".0%"
AS_PUBLISHED = ".2%"
PLAIN = (Measure.ACCURACY, Measure.PRECISION, Measure.RECALL, Measure.F1)
EQUAL = (Measure.STRATIFIED_AUC, Measure.CLOSE_PAIRS)
EVALUATOR_COLUMNS = ("accuracy", "precision", "recall", "F1", "length-stratified AUC", "pairs within 20 % in length")


def excellence_table(policies: PoliciesResult) -> Table:
    """Shares of excellent greetings: published, by people; here, by rewards."""
    slices = [name for name in (HIGH, ORDINARY) if name in policies.slices]
    columns = ["policy", f"published, {HIGH}", f"published, {ORDINARY}"]
    for reward in policies.rewards:
        columns += [f"{reward}, {name}" for name in slices or ["all"]]
    where = "; ".join(f"{name}: {each.excellent_where}" for name, each in policies.rewards.items())
    return Table(
        title="Excellent greetings",
        columns=columns,
        rows=[[text_cell(row.title), *_published(row), *_excellence(policies, row, slices)] for row in ROWS]
        + [_asked_only(name, each, len(columns)) for name, each in published.OTHERS.items()],
        note=f"Published: people's verdicts. Measured: shares of texts with 95 % intervals over requests ({where}). "
        "The two are not of one scale: who decides is another.",
    )


def _published(row: Row) -> Iterator[Cell]:
    found = published.EXCELLENCE[row.name]
    if found is None:
        yield from (text_cell(published.DID_NOT_CONVERGE), text_cell(published.DID_NOT_CONVERGE))
    else:
        yield from (number_cell(value, form=PERCENT) for value in (found.high_frequency, found.ordinary))


def _excellence(policies: PoliciesResult, row: Row, slices: list[str]) -> Iterator[Cell]:
    for judged in policies.rewards.values():
        figures = judged.models.get(row.name)
        if figures is None:
            yield from (text_cell(NOTHING) for _ in slices or [""])
        elif slices:
            yield from (interval_cell(figures.excellence_of.get(name), form=WHOLE_PERCENT) for name in slices)
        else:
            yield interval_cell(figures.excellence, form=WHOLE_PERCENT)


def _asked_only(name: str, found: published.Excellence, width: int) -> list[Cell]:
    figures = [number_cell(value, form=PERCENT) for value in (found.high_frequency, found.ordinary)]
    return [text_cell(name), *figures, *(text_cell(NOTHING) for _ in range(width - 3))]


def changes_table(changes: list[Change], policies: PoliciesResult, reward: str) -> Table:
    """What a reward says of each row against the one before it, and what length did."""
    return Table(
        title=f"Did it learn? By {reward}",
        columns=[
            "policy",
            "against",
            "this reward",
            "verdict",
            "difference",
            "at equal length",
            "characters",
            "share by length",
            "p",
            "mean reward",
        ],
        rows=[_change(change, policies) for change in changes if change.reward == reward],
        note="Differences are paired by request, with 95 % intervals; p by sign flips, corrected by Holm for all tests "
        "of the evaluation. At equal length: what would be left if both wrote texts of the same lengths. A row learned "
        "where the interval of its difference is above zero, and length does not explain it.",
    )


def _change(change: Change, policies: PoliciesResult) -> list[Cell]:
    found, figures = change.comparison, policies.rewards[change.reward].models.get(change.row.name)
    part = "climbed" if change.climbed else "looked on" if change.row.reward is not None else NOTHING
    return [
        text_cell(change.row.title),
        text_cell(change.against.title),
        text_cell(part),
        text_cell(change.verdict.value, tone=TONES[change.verdict]),
        interval_cell(change.difference, form="+.3f"),
        interval_cell(None if found is None else found.at_equal_length, form="+.3f"),
        interval_cell(None if found is None else found.characters, form="+.1f"),
        number_cell(None if found is None else found.by_length, form=".0%"),
        number_cell(None if found is None or found.mean is None else found.mean.holm, form=".4f"),
        interval_cell(None if figures is None else figures.mean),
    ]


def texts_table(policies: PoliciesResult) -> Table:
    """What needs no reward."""
    rows = []
    for row in ROWS:
        texts = policies.models.get(row.name)
        if texts is None:
            continue
        copied = None if texts.copying is None else texts.copying.any
        rows.append(
            [
                text_cell(row.title),
                interval_cell(texts.characters, form=".1f"),
                interval_cell(texts.truncated, form=PERCENT),
                number_cell(texts.distinct[1]),
                interval_cell(texts.alike_across_prompts),
                interval_cell(copied, form=PERCENT),
            ]
        )
    return Table(
        title="What they write",
        columns=["policy", "characters", "ran into the limit", "distinct-2", "self-BLEU", "copied from training texts"],
        rows=rows,
        note="Distinct-2 in as much text as every policy has; self-BLEU across requests.",
    )


def evaluators_table(measured: Measured) -> Table:
    """Evaluators: published, here, and what knows nothing of greetings."""
    rewards = measured.rewards
    rows = [_published_evaluator(name, each) for name, each in published.EVALUATORS.items()]
    rows += [_evaluator(name, rewards) for name in rewards.columns]
    rows.append(
        [text_cell(f"{LENGTH_RULE}, on the whole set"), number_cell(published.LENGTH_RULE, form=PERCENT), *_blank(5)]
    )
    return Table(
        title="Evaluators",
        columns=["evaluator", *EVALUATOR_COLUMNS],
        rows=rows,
        note=f"Published on {published.EVALUATED_ON:,} examples, without intervals and without length held fixed; here "
        f"on {rewards.rows.compared:,} that every reward scored, with 95 % intervals.",
    )


def _published_evaluator(name: str, found: published.Evaluator) -> list[Cell]:
    figures = (found.accuracy, found.precision, found.recall, found.f1)
    return [text_cell(f"{name}, published"), *(number_cell(value, form=AS_PUBLISHED) for value in figures), *_blank(2)]


def _evaluator(name: str, rewards: RewardsResult) -> list[Cell]:
    column = rewards.columns[name]
    title = f"{name}, here" if column.kind == "reward" else name
    plain = (interval_cell(column.figures.get(measure), form=PERCENT) for measure in PLAIN)
    equal = (interval_cell(column.figures.get(measure)) for measure in EQUAL)
    return [text_cell(title, note=column.decided_by), *plain, *equal]


def ablations_table(measured: Measured) -> Table:
    """The agents without one of them."""
    figures: dict[str, tuple[float, Interval | None]] = {
        "nobody": (published.EVALUATORS[published.MULTI_AGENT].accuracy, _accuracy(measured.rewards))
    }
    for part, accuracy in published.ABLATIONS.items():
        found = measured.without.get(part)
        figures[part] = (accuracy, None if found is None else _accuracy(found))
    return Table(
        title="The agents without one of them",
        columns=["without", "published accuracy", "accuracy here"],
        rows=[
            [text_cell(part), number_cell(accuracy, form=AS_PUBLISHED), interval_cell(here, form=PERCENT)]
            for part, (accuracy, here) in figures.items()
        ],
        note="" if measured.without else "Not measured by this preset: it takes an LLM that can argue.",
    )


def _accuracy(rewards: RewardsResult) -> Interval | None:
    column = rewards.columns.get(published.MULTI_AGENT)
    return None if column is None else column.figures.get(Measure.ACCURACY)


def data_table(measured: Measured) -> Table:
    """What is left of the published files without leaks."""
    rows = []
    for name, split in measured.splits.items():
        kept = {part: each.rows for part, each in split.parts.items()}
        rows.append(
            [
                text_cell(name),
                number_cell(float(kept.get("train", 0)), form=",.0f"),
                number_cell(float(kept["validation"]) if "validation" in kept else None, form=",.0f"),
                number_cell(float(kept["test"]) if "test" in kept else None, form=",.0f"),
                number_cell(float(sum(split.left_out.values())), form=",.0f"),
                text_cell("; ".join(f"{reason}: {count:,}" for reason, count in split.left_out.items()) or NOTHING),
            ]
        )
    columns = ["data", "to train on", "validation", "test", "left out", "why"]
    return Table(title="What is left without leaks", columns=columns, rows=rows)


def flaws_table(measured: Measured) -> Table:
    """What the audit found that must not be."""
    broken = [finding for finding in measured.audit.findings if finding.severity == "broken"]
    folders = {f"{each.source.rpartition('/')[0]}/" for each in broken if "/" in each.source}
    return Table(
        title="Flaws of the published files",
        columns=["file", "what"],
        rows=[
            [text_cell(_without(each.source, folders)), text_cell(_without(each.sentence, folders))] for each in broken
        ],
    )


def _without(text: str, folders: Iterable[str]) -> str:
    """Files by their names alone."""
    for folder in folders:
        text = text.replace(folder, "")
    return text


def times_table(measured: Measured) -> Table:
    """How long everything took."""
    return Table(
        title="Time",
        columns=["step", "what", "took", "attempts"],
        rows=[
            [
                text_cell(each.name),
                text_cell(each.title),
                Cell(text=duration(each.seconds), value=each.seconds),
                number_cell(float(each.attempts), form=".0f"),
            ]
            for each in measured.times
        ],
        note="Of all attempts; of one that was killed up to some seconds before.",
    )


def _blank(count: int) -> Iterator[Cell]:
    return (text_cell(NOTHING) for _ in range(count))
