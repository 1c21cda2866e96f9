"""The report at the end of a reproduction."""

from __future__ import annotations

from collections.abc import Iterator

from trainer.evaluation.rewards.baselines import LENGTH_RULE
from trainer.evaluation.rewards.measuring import Measure
from trainer.report.charts import interval_bars
from trainer.report.document import Block, Document, Notice, Paragraph, Plot, Section
from trainer.reproduce import published, tables
from trainer.reproduce.measured import Measured
from trainer.reproduce.rows import BASE, ROWS
from trainer.reproduce.verdicts import Verdict, learned_from_its_reward
from trainer.steps.progress import duration

STAND_IN = (
    "The base is a model of a few million parameters made here, and the judge asks a stand-in of 270 million: the "
    "figures show that the recipe works and what it measures, not how the paper's models fare."
)
REPORTS = (
    "Every step has a report of its own in its folder: audit, rewards, policies (with texts to read) and each training."
)


def reproduction_document(measured: Measured) -> Document:
    """Describe everything that was measured, beside what was published."""
    policies = measured.policies
    seconds = sum(each.seconds for each in measured.times)
    return Document(
        title="zhufu: the paper's comparison",
        summary=(
            f"Preset {measured.preset}; the judge asks {measured.llm}. {len(policies.models)} policies on "
            f"{policies.prompts:,} held-out requests; {duration(seconds)} in all. {REPORTS}"
        ),
        notices=list(notices(measured)),
        sections=[
            Section(title="The matrix", blocks=[tables.excellence_table(policies)]),
            Section(title="What was learned, and what length did", blocks=list(_learned(measured))),
            Section(title="What rewards are worth", blocks=list(_rewards(measured))),
            Section(title="The data", blocks=[tables.flaws_table(measured), tables.data_table(measured)]),
            Section(title="Time", blocks=[tables.times_table(measured)], folded=True),
        ],
        settings={"preset": measured.preset, "llm": measured.llm},
    )


def notices(measured: Measured) -> Iterator[Notice]:
    """What must not be overlooked."""
    if measured.is_stand_in:
        yield Notice(text=STAND_IN, tone="warn")
    for row, verdict in learned_from_its_reward(measured.changes).items():
        title = next(each.title for each in ROWS if each.name == row)
        yield Notice(text=f"{title}: {_SENTENCES[verdict]}.", tone=tables.TONES[verdict])
    rule = measured.rewards.columns.get(LENGTH_RULE)
    accuracy = None if rule is None else rule.figures.get(Measure.ACCURACY)
    best = max(each.accuracy for each in published.EVALUATORS.values())
    if accuracy is not None:
        word = "more than" if accuracy.low > best else "no less than" if accuracy.high >= best else "less than"
        yield Notice(
            text=f"Counting characters is right in {accuracy.mean:.1%} [{accuracy.low:.1%}, {accuracy.high:.1%}] of "
            f"this evaluation set, {word} the best published evaluator ({best:.1%}): read the columns with length held "
            "fixed.",
            tone="warn",
        )
    for finding in measured.rewards.findings:
        if finding.tone == "bad":
            yield Notice(text=finding.text, tone="bad")


_SENTENCES = {
    Verdict.LEARNED: "learned from the reward that it climbed, and not by length",
    Verdict.BY_LENGTH: "its reward rose, by length",
    Verdict.NO_CHANGE: "no change is seen in the reward that it climbed",
    Verdict.WORSE: "the reward that it climbed fell",
    Verdict.NOT_MEASURED: "the reward that it climbed gave no figures",
}


def _learned(measured: Measured) -> Iterator[Block]:
    changes = measured.changes
    for reward in measured.policies.rewards:
        yield tables.changes_table(changes, measured.policies, reward)
        against_base = [each for each in changes if (each.reward, each.against.name) == (reward, BASE)]
        bars = {each.row.title: each.difference for each in against_base}
        title = f"Reward of {reward} against the base, paired by request"
        yield Plot(title=title, svg=interval_bars(bars, title, "difference", line=0.0))
    yield tables.texts_table(measured.policies)


def _rewards(measured: Measured) -> Iterator[Block]:
    yield tables.evaluators_table(measured)
    yield Paragraph(
        text=f"The judge without the reflection phase, published: {published.WITHOUT_REFLECTION:.1%}; not run."
    )
    yield tables.ablations_table(measured)
