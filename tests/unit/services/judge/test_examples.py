"""Worked examples: balanced whatever is taken of them, so that neither label nor length stands in the request."""

from __future__ import annotations

import functools
from collections import Counter
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import yaml
from hypothesis import strategies

from services.judge.examples import Example, Examples, find_examples
from shared.errors import InvalidData
from tests.unit.services.judge.made import examples

SHIPPED = "greetings-balanced-v1"


@functools.cache
def those_that_ship() -> Examples:
    return find_examples(SHIPPED)


def row(prompt: str, verdict: int, **changes: Any) -> dict[str, Any]:
    return {"prompt": prompt, "completion": f"{prompt}{verdict}", "verdict": verdict, **changes}


def balance(rows: list[Example]) -> Counter[str]:
    """For each prompt, how many more good ones than bad ones."""
    count: Counter[str] = Counter()
    for each in rows:
        count[each.prompt] += 1 if each.verdict else -1
    return count


def test_the_examples_that_ship_have_good_and_bad_ones_of_about_the_same_length_for_each_prompt() -> None:
    shipped = find_examples(SHIPPED)
    assert shipped.language == "zh"
    lengths: dict[str, list[int]] = {}
    for each in shipped.examples:
        lengths.setdefault(each.prompt, []).append(len(each.completion))
    assert all(max(pair) - min(pair) <= 0.15 * max(pair) for pair in lengths.values()), lengths
    mean = {
        verdict: sum(len(each.completion) for each in shipped.examples if each.verdict == verdict) for verdict in (0, 1)
    }
    assert mean[0] == pytest.approx(mean[1], rel=0.03)


@hypothesis.given(
    seed=strategies.integers(min_value=0, max_value=2**32),
    limit=strategies.none() | strategies.integers(min_value=0, max_value=40),
)
def test_whatever_the_order_and_the_limit_whole_prompts_are_taken(seed: int, limit: int | None) -> None:
    shipped = those_that_ship()
    taken = list(shipped.in_order(seed, limit))
    assert not any(balance(taken).values())
    assert len(taken) == len(shipped.examples) if limit is None else len(taken) <= limit
    prompts = [each.prompt for each in taken]
    assert [prompt for at, prompt in enumerate(prompts) if at == 0 or prompts[at - 1] != prompt] == list(
        dict.fromkeys(prompts)
    ), "a prompt's own examples stand together"
    assert len({each.completion for each in taken}) == len(taken)


def test_a_limit_that_all_fit_into_leaves_none_out() -> None:
    some = examples(3)
    assert len(some.in_order(5, 6)) == 6
    assert len(some.in_order(5, 5)) == 4
    assert some.in_order(5, 0) == []


def test_a_seed_gives_the_same_order_again_and_seeds_differ() -> None:
    shipped = find_examples(SHIPPED)
    assert shipped.in_order(3) == find_examples(SHIPPED).in_order(3)
    assert len({tuple(each.completion for each in shipped.in_order(seed)) for seed in range(20)}) == 20
    assert shipped.in_order(3, 8) == shipped.in_order(3)[:8]


@hypothesis.given(orders=strategies.lists(strategies.integers(min_value=0, max_value=99), unique=True, max_size=8))
def test_samples_have_the_orders_that_are_named_first_and_then_others(orders: list[int]) -> None:
    some = examples(2).model_copy(update={"orders": orders})
    seeds = [some.seed_of(sample) for sample in range(len(orders) + 8)]
    assert seeds[: len(orders)] == orders
    assert len(set(seeds)) == len(seeds)


def test_neither_label_always_comes_first() -> None:
    firsts = [those_that_ship().in_order(seed)[0].verdict for seed in range(40)]
    assert 8 < sum(firsts) < 32
    within = those_that_ship().in_order(0)
    assert 0 < sum(each.verdict for each in within[::2]) < len(within) / 2


def test_the_version_changes_with_every_part_of_the_content() -> None:
    versions = {examples(2).version, examples(3).version, examples(2, reason="有理由").version}
    assert len(versions) == 3
    assert examples(2).version == examples(2).version
    assert examples(2).version.startswith("test-examples#")


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([row("甲", 1)], "1 of 1 examples for '甲' are good"),
        ([row("甲", 1), row("甲", 1), row("乙", 0), row("乙", 0)], "half of them must be"),
        ([row("甲", 2)], "verdict"),
        ([row("", 1)], "prompt"),
        ([row("甲", 1, rubric={"language": 3})], "rubric"),
        ([row("甲", 1, note="")], "note"),
    ],
)
def test_examples_that_break_the_schema_are_refused_with_the_place(
    tmp_path: Path, rows: list[dict[str, Any]], complaint: str
) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({"id": "own", "examples": rows}), encoding="utf-8")
    with pytest.raises(InvalidData) as refused:
        find_examples(str(path))
    assert str(path) in refused.value.detail
    assert complaint in refused.value.detail


def test_none_means_no_examples() -> None:
    none = find_examples("none")
    assert none.examples == []
    assert none.in_order(0, 32) == []


@pytest.mark.parametrize("name", ["greetings-v0", "../examples/greetings-balanced-v1", "/etc/passwd"])
def test_a_name_that_is_neither_an_id_nor_a_yaml_file_is_refused_with_those_that_are_known(name: str) -> None:
    with pytest.raises(InvalidData, match=SHIPPED):
        find_examples(name)


def test_examples_without_any_are_examples() -> None:
    assert Examples(id="own", examples=[]).in_order(1) == []
