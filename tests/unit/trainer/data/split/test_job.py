"""No part shares a text with another or with what is kept out; no row is lost."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.errors import InvalidData, InvalidRequest
from tests.unit.trainer.data.split.made import Maker, nearly
from trainer.data.entries import Completion, Entry
from trainer.data.lengths import close_in_length
from trainer.data.similarity import ngrams
from trainer.data.split.exclusion import Reason
from trainer.data.split.job import Split, SplitJob, length_figures, make_split


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    return Maker(tmp_path)


@functools.cache
def grams(completion: Completion) -> set[str]:
    return ngrams(completion.text)


def share_something(first: Entry, second: Entry) -> bool:
    """By definition, and slowly."""
    return first.folded_prompt == second.folded_prompt or any(
        one.folded == other.folded or len(grams(one) & grams(other)) >= 0.7 * len(grams(one) | grams(other))
        for one in first.completions
        for other in second.completions
    )


def tangled(make: Maker, rows: list[dict[str, object]], text: str, prompt: str) -> list[dict[str, object]]:
    """The rows and more: with the text of one, nearly that of another, the prompt of a third."""
    more: list[dict[str, object]] = []
    for number, row in enumerate(rows[:45]):
        new = dict(make.pair()) if "chosen" in row else make.labelled(2)[number % 2]
        how: Callable[[Any], str] = (str, nearly)[number % 2]
        new |= {prompt: row[prompt]} if number % 3 == 0 else {text: how(row[text])}
        more.append(new)
    return [*rows, *more]


def all_rows(split: Split) -> list[tuple[str, int]]:
    kept = [(row.source, row.row) for rows in split.parts.values() for row in rows]
    return sorted(kept + [(each.entry.source, each.entry.row) for each in split.left_out])


@pytest.mark.parametrize("length_matched", [True, False])
@pytest.mark.parametrize("kind", ["pairs", "labelled"])
def test_nothing_stands_in_two_parts_and_no_row_is_lost(make: Maker, kind: str, length_matched: bool) -> None:
    if kind == "pairs":
        rows = tangled(make, make.pairs(150), "chosen", "prompt")
    else:
        rows = tangled(make, make.labelled(150), "response", "query")
    text = rows[11]["chosen" if kind == "pairs" else "response"]
    excluded = [make.pair(), make.pair() | {"rejected": nearly(text)}]
    job = SplitJob(
        data=(make.file(rows),), exclude=(make.file(excluded, "kept-out.jsonl"),), length_matched=length_matched
    )
    split = make_split(job)
    assert all_rows(split) == [(job.data[0], number) for number in range(1, len(rows) + 1)]
    for (_, first), (_, second) in itertools.combinations(split.parts.items(), 2):
        assert first
        assert second
        assert not any(share_something(one, other) for one in first for other in second)
    (kept_out,) = split.excluded
    kept = [row for rows_of_part in split.parts.values() for row in rows_of_part]
    assert not any(share_something(one, other) for one in kept for other in kept_out.entries)
    assert Reason.TEXT_NEAR in split.reasons


def test_of_pairs_the_held_out_ones_are_about_as_long_and_longer_as_often_as_shorter(make: Maker) -> None:
    split = make_split(SplitJob(data=(make.file(make.pairs(400)),)))
    for name in ("validation", "test"):
        gaps = []
        for row in split.parts[name]:
            chosen, rejected = (len(each.text) for each in row.completions)
            assert close_in_length(chosen, rejected)
            gaps.append(chosen - rejected)
        assert len(gaps) >= 10
        assert abs(sum(gap > 0 for gap in gaps) - sum(gap < 0 for gap in gaps)) <= 1
        assert length_figures("pairs", split.parts[name])["longer_wins"] == pytest.approx(0.5, abs=0.05)
    left = [row for row in split.parts["train"] if close_in_length(*(len(each.text) for each in row.completions))]
    assert len(left) >= 40
    assert length_figures("pairs", split.parts["train"])["longer_wins"] > 0.8  # type: ignore[operator]


def test_of_labelled_rows_length_says_nothing_in_the_held_out_ones(make: Maker) -> None:
    split = make_split(SplitJob(data=(make.file(make.labelled(400)),)))
    for name in ("validation", "test"):
        labels = [row.completions[0].label for row in split.parts[name]]
        assert labels.count(1) == labels.count(0) == 20
        assert length_figures("labelled", split.parts[name])["length_auc"] == pytest.approx(0.5, abs=0.06)
    assert length_figures("labelled", split.parts["train"])["length_auc"] > 0.7  # type: ignore[operator]


def test_without_matching_parts_have_the_sizes_asked_for(make: Maker) -> None:
    job = SplitJob(data=(make.file(make.pairs(200)),), validation=0.2, test=0.05, length_matched=False)
    split = make_split(job)
    assert {name: len(rows) for name, rows in split.parts.items()} == {"train": 150, "validation": 40, "test": 10}
    assert not split.left_out


def test_a_share_of_nothing_makes_no_part(make: Maker) -> None:
    split = make_split(SplitJob(data=(make.file(make.pairs(100)),), test=0))
    assert list(split.parts) == ["train", "validation"]
    assert list(make_split(SplitJob(data=("starter:validation",), test=0, validation=0)).parts) == ["train"]


def test_the_seed_decides_and_the_order_of_the_rows_does_not(make: Maker) -> None:
    rows = make.pairs(200)
    names = [make.file(rows, "one.jsonl"), make.file(rows[::-1], "other.jsonl")]

    def parts(name: str, seed: int) -> dict[str, set[tuple[str, ...]]]:
        made = make_split(SplitJob(data=(name,), seed=seed)).parts
        return {part: {row.key for row in entries} for part, entries in made.items()}

    assert parts(names[0], 1) == parts(names[1], 1)
    assert parts(names[0], 1) != parts(names[0], 2)


def test_several_sources_of_one_kind_are_split_together(make: Maker) -> None:
    split = make_split(SplitJob(data=(make.file(make.pairs(60), "a.jsonl"), make.file(make.pairs(60), "b.jsonl"))))
    assert {row.source[-7:] for row in split.parts["train"]} == {"a.jsonl", "b.jsonl"}
    with pytest.raises(InvalidData, match=r"holds labelled, and .* holds pairs"):
        make_split(SplitJob(data=(make.file(make.pairs(5)), make.file(make.labelled(5), "c.jsonl"))))


def test_rows_that_teach_nothing_are_left_out_for_their_reason(make: Maker) -> None:
    good, kept = make.pair(), make.pair()
    rows: list[dict[str, object]] = [
        good,
        {**good, "prompt": f" {good['prompt']}"},
        make.pair(chosen=3, rejected=3) | {"chosen": "祝好", "rejected": "祝好"},
        kept,
        {"prompt": kept["prompt"], "chosen": kept["rejected"], "rejected": kept["chosen"]},
        *make.pairs(40),
    ]
    split = make_split(SplitJob(data=(make.file(rows),)))
    assert [(each.entry.row, each.reason, each.like and each.like.row) for each in split.left_out][:4] == [
        (2, Reason.REPEATED, 1),
        (3, Reason.SAME_TEXT, None),
        (4, Reason.CONTRADICTED, 5),
        (5, Reason.CONTRADICTED, 4),
    ]


def test_prompts_are_kept_out_as_asked_for(make: Maker) -> None:
    rows = make.pairs(40)
    rows[0]["prompt"], rows[1]["prompt"] = "给教了四十年书的外公写退休祝词", "给教了四十年书的外婆写退休祝词"
    excluded = make.file([{"prompt": rows[0]["prompt"]}], "prompts.jsonl")

    def reasons(**settings: Any) -> list[tuple[int, str]]:
        split = make_split(SplitJob(data=(make.file(rows),), exclude=(excluded,), length_matched=False, **settings))
        return [(each.entry.row, each.reason.value) for each in split.left_out]

    assert reasons() == [(1, "prompt")]
    assert reasons(prompts="near", near=0.5) == [(1, "prompt"), (2, "prompt_near")]
    assert reasons(prompts="ignore") == []


def test_a_text_weighs_more_than_a_prompt_and_an_equal_one_more_than_a_near_one(make: Maker) -> None:
    rows = make.pairs(40)
    excluded: list[dict[str, object]] = [
        {"prompt": rows[0]["prompt"], "completion": nearly(rows[0]["chosen"])},
        {"prompt": make.text(8), "completion": rows[0]["rejected"]},
        {"prompt": rows[1]["prompt"], "completion": nearly(rows[1]["chosen"])},
    ]
    job = SplitJob(data=(make.file(rows),), exclude=(make.file(excluded, "x.jsonl"),), length_matched=False)
    first, second = make_split(job).left_out
    assert (first.reason, first.similarity, first.like and first.like.row) == (Reason.TEXT, 1, 2)
    assert (second.reason, second.like and second.like.row) == (Reason.TEXT_NEAR, 3)
    assert second.similarity is not None
    assert 0.7 <= second.similarity < 1


def test_rows_without_labels_are_drawn_at_random_and_cannot_be_matched(make: Maker) -> None:
    rows: list[dict[str, object]] = [{"prompt": make.text(9), "completion": make.text(30)} for _ in range(50)]
    source = make.file(rows)
    split = make_split(SplitJob(data=(source,)))
    assert {name: len(part) for name, part in split.parts.items()} == {"train": 40, "validation": 5, "test": 5}
    assert not split.length_matched
    with pytest.raises(InvalidData, match="holds examples, which have no labels"):
        make_split(SplitJob(data=(source,), length_matched=True))


def test_a_group_larger_than_a_part_stays_in_training(make: Maker) -> None:
    text = make.text(50)
    rows = [{"prompt": make.text(9), "completion": text} for _ in range(30)]
    rows += [{"prompt": make.text(9), "completion": make.text(30)} for _ in range(20)]
    split = make_split(SplitJob(data=(make.file([dict(row) for row in rows]),)))
    assert {name: len(part) for name, part in split.parts.items()} == {"train": 40, "validation": 5, "test": 5}
    assert sum(row.completions[0].text == text for row in split.parts["train"]) == 30


@pytest.mark.parametrize(
    ("lengths", "length_matched", "sentence"),
    [((60, 20), None, "no rows in which length says nothing for validation"), ((20, 20), False, "no group of rows")],
)
def test_a_part_that_would_be_empty_is_an_error(
    make: Maker, lengths: tuple[int, int], length_matched: bool | None, sentence: str
) -> None:
    rows = [make.pair(*lengths) for _ in range(20)]
    shared = {"prompt": rows[0]["prompt"]} if length_matched is False else {}
    source = make.file([row | shared for row in rows])
    with pytest.raises(InvalidData, match=sentence):
        make_split(SplitJob(data=(source,), length_matched=length_matched))


def test_where_everything_is_kept_out_nothing_can_be_split(make: Maker) -> None:
    source = make.file(make.pairs(5))
    copy = make.file([json.loads(line) for line in Path(source).read_text(encoding="utf-8").splitlines()], "copy.jsonl")
    with pytest.raises(InvalidData, match="all 5 rows are left out"):
        make_split(SplitJob(data=(source,), exclude=(copy,)))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"data": ()}, "no source to split"),
        ({"data": ("a", "a")}, "named twice"),
        ({"exclude": ("a",)}, "both to be split and to be kept out"),
        ({"validation": -0.1}, "the share of validation"),
        ({"test": 1.0}, "the share of test"),
        ({"validation": 0.5, "test": 0.5}, "nothing is left to train on"),
        ({"near": 0.0}, "above 0 and at most 1"),
        ({"prompts": "some"}, "exact, near, ignore, not some"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        SplitJob(**({"data": ("a",)} | settings))
