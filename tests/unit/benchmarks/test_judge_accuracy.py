"""Reading labelled rows, choosing some, and summing scores up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.judge_accuracy import Labelled, choose, figures_of, read_labelled, section, starter_rows
from benchmarks.judge_setup import Answer
from benchmarks.processes import BenchmarkFailed
from shared.errors import InvalidData
from tests.unit.benchmarks.scores import scored


def write(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path


def row(label: object, response: str = "福如东海") -> dict[str, object]:
    return {"query": "贺寿", "response": response, "label": label}


def test_rows_are_read_with_their_labels(tmp_path: Path) -> None:
    rows = read_labelled(write(tmp_path / "rows.json", row(1), row(0, "好")))
    assert rows[1] == Labelled(prompt="贺寿", completion="好", label=0)
    assert rows[0].label == 1


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([row(1), row(2)], "row 2: field 'label'"),
        ([row(1), row(True)], "row 2: field 'label'"),
        ([row(1), {"query": "贺寿", "label": 0}], "'response'"),
        ([row(1), row(1)], "not both"),
    ],
)
def test_rows_that_are_not_labelled_are_refused(tmp_path: Path, rows: list[object], reason: str) -> None:
    with pytest.raises(InvalidData, match=reason):
        read_labelled(write(tmp_path / "rows.json", *rows))


def test_a_choice_has_as_many_good_rows_as_bad_ones_and_hangs_on_its_seed() -> None:
    rows = [Labelled(prompt="贺寿", completion=f"{n}", label=int(n < 30)) for n in range(100)]
    chosen = choose(rows, 10, seed=1)
    assert sorted(each.label for each in chosen) == [0] * 5 + [1] * 5
    assert chosen == choose(rows, 10, seed=1)
    assert chosen != choose(rows, 10, seed=2)
    assert sorted(choose(rows, None, seed=1), key=lambda each: int(each.completion)) == rows


def test_a_choice_of_pairs_keeps_both_texts_of_each() -> None:
    chosen = choose(starter_rows(), 8, seed=0)
    assert len(chosen) == 8
    assert len({each.pair for each in chosen}) == 4
    assert len(starter_rows()) == 192


def rows_and_answers() -> tuple[list[Labelled], list[Answer]]:
    """Good and bad ones of ten lengths; rewards tell them apart but for one pair; one is not scored."""
    rows: list[Labelled] = []
    answers: list[Answer] = []
    for number in range(10):
        for label in (1, 0):
            reward = None if number == 9 and label else 0.5 + 0.1 * (2 * label - 1) * (-1 if number == 0 else 1)
            rows.append(Labelled(prompt="贺寿", completion="福" * (10 + 10 * number), label=label, pair=number))
            answers.append(Answer(scored(f"r{number}-{label}", reward), seconds=9.0 if len(answers) == 0 else 0.25))
    return rows, answers


def test_what_was_not_scored_is_in_no_figure_and_counted_by_itself() -> None:
    figures = figures_of(*rows_and_answers(), seed=0)
    assert (figures.rows, figures.scored) == (20, 19)
    assert figures.failures == {"llm_timeout": 1}
    assert figures.plain.pairs == 9 * 10
    assert figures.matched is not None
    assert figures.matched.interval.mean == pytest.approx(8 / 9, abs=0.02)
    assert figures.length_matched is not None
    assert figures.length_matched.interval.mean == pytest.approx(0.5, abs=0.1)
    assert figures.pairs_won is not None
    assert figures.pairs_won.mean == pytest.approx(8 / 9)
    assert figures.seconds == 0.25  # the first one, which computes the beginning of the prompt, is left out


def test_the_table_says_what_the_figures_are_of() -> None:
    table = section(figures_of(*rows_and_answers(), seed=0), "rows.json", "judge@test", 1)
    assert "19 of 20 rows were scored, by judge@test. Not scored: 1 x llm_timeout." in table.text
    assert "warm verdict takes 0.25 s" in table.text
    assert [each[0] for each in table.rows] == ["the judge", "the longer one is better"]


def test_where_no_lengths_are_alike_only_the_plain_figure_is_told() -> None:
    rows = [Labelled(prompt="贺寿", completion="福" * length, label=label) for length, label in ((10, 1), (90, 0))]
    figures = figures_of(rows, [Answer(scored("a", 0.9), 0.1), Answer(scored("b", 0.1), 0.1)], seed=0)
    assert (figures.matched, figures.pairs_won) == (None, None)
    assert section(figures, "rows.json", "judge@test", 1).rows[0][2] == "no pairs"


def test_where_one_label_was_never_scored_there_is_no_figure() -> None:
    rows, answers = rows_and_answers()
    with pytest.raises(BenchmarkFailed, match="no pairs; not scored: 1 x llm_timeout"):
        figures_of(rows[-2:], answers[-2:], seed=0)
