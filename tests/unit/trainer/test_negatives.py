"""Negatives made from good completions: each kind breaks its text in its own way."""

from __future__ import annotations

import collections

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.data.negatives import CLAUSE_END, NegativeMaker
from trainer.data.records import PreferencePair
from trainer.data.starter import load_starter

BROKEN = {"spliced", "cut_off", "repeated", "padded", "shuffled_clauses", "scrambled"}
PUNCTUATION = "，。！？；…～"


@pytest.fixture(scope="module")
def pairs() -> list[PreferencePair]:
    return [row.pair for row in load_starter("test")]


@pytest.fixture(scope="module")
def made(pairs: list[PreferencePair]) -> dict[str, list[PreferencePair]]:
    by_kind = collections.defaultdict(list)
    for kind, pair in NegativeMaker(pairs, seed=3).make(14):
        by_kind[kind].append(pair)
    return dict(by_kind)


def clauses(text: str) -> list[str]:
    return [clause for clause in CLAUSE_END.split(text) if clause]


def test_half_are_about_other_prompts_and_the_rest_is_broken_in_all_ways_about_equally_often(
    pairs: list[PreferencePair], made: dict[str, list[PreferencePair]]
) -> None:
    assert made.keys() == {*BROKEN, "other_prompt", "other_request"}
    assert len(made["other_prompt"]) == 3.5 * len(pairs)
    assert len(made["other_request"]) == 3 * len(pairs)
    counts = [len(made[kind]) for kind in BROKEN]
    assert min(counts) > 0.6 * max(counts)


def test_of_two_negatives_every_fourth_is_about_another_prompt(pairs: list[PreferencePair]) -> None:
    kinds = collections.Counter(kind for kind, _ in NegativeMaker(pairs, seed=0).make(2))
    assert kinds["other_prompt"] == len(pairs) // 2
    assert kinds.total() == 2 * len(pairs)


def test_every_prompt_gets_as_many_as_asked_for(pairs: list[PreferencePair]) -> None:
    made = [pair for _, pair in NegativeMaker(pairs, seed=0).make(5)]
    assert collections.Counter(pair.prompt for pair in made) == {pair.prompt: 5 for pair in pairs}
    assert all(pair.rejected and (pair.rejected, pair.rejected_prompt) != (pair.chosen, None) for pair in made)


def test_a_flawed_greeting_is_better_than_its_broken_self(pairs: list[PreferencePair]) -> None:
    flawed = {pair.prompt: pair.rejected for pair in pairs}
    made = NegativeMaker(pairs, seed=0).make(8)
    of_flawed = [(kind, pair) for kind, pair in made if pair.chosen == flawed[pair.prompt]]
    assert len(of_flawed) == len(pairs)
    assert {kind for kind, _ in of_flawed} == BROKEN
    good = {pair.prompt: pair.chosen for pair in pairs}
    assert all(pair.chosen == good[pair.prompt] for kind, pair in made if kind == "other_prompt")


def test_none_are_made_where_none_are_asked_for(pairs: list[PreferencePair]) -> None:
    assert NegativeMaker(pairs, seed=0).make(0) == []


def test_the_seed_decides_everything(pairs: list[PreferencePair]) -> None:
    samples = [(pair.prompt, pair.rejected) for pair in pairs]
    assert NegativeMaker(pairs, seed=7, samples=samples).make(6) == NegativeMaker(pairs, seed=7, samples=samples).make(
        6
    )
    assert NegativeMaker(pairs, seed=7).make(6) != NegativeMaker(pairs, seed=8).make(6)


def test_other_prompt_is_a_text_for_somebody_else_mostly_a_good_one(
    pairs: list[PreferencePair], made: dict[str, list[PreferencePair]]
) -> None:
    prompts_of = collections.defaultdict(set)
    for pair in pairs:
        prompts_of[pair.chosen].add(pair.prompt)
        prompts_of[pair.rejected].add(pair.prompt)
    good = {pair.chosen for pair in pairs}
    others = made["other_prompt"]
    assert all(prompts_of[negative.rejected] - {negative.prompt} for negative in others)
    assert 0.6 < sum(negative.rejected in good for negative in others) / len(others) < 0.8


def test_other_request_is_the_good_greeting_under_a_prompt_of_somebody_else(
    pairs: list[PreferencePair], made: dict[str, list[PreferencePair]]
) -> None:
    good = {pair.prompt: pair.chosen for pair in pairs}
    for pair in made["other_request"]:
        assert pair.rejected == pair.chosen == good[pair.prompt]
        assert pair.rejected_prompt in good
        assert pair.rejected_prompt != pair.prompt


def test_a_second_good_greeting_for_the_same_prompt_is_no_negative() -> None:
    twins = [PreferencePair("贺新居", f"新居大吉，第{n}盏灯为你亮着，愿你好眠。", "无") for n in range(4)]
    kinds = {kind for kind, _ in NegativeMaker(twins, seed=0).make(12)}
    assert kinds == BROKEN


def test_spliced_begins_as_this_greeting_and_ends_as_another(
    pairs: list[PreferencePair], made: dict[str, list[PreferencePair]]
) -> None:
    for negative in made["spliced"]:
        text = negative.rejected
        assert len(text) <= len(negative.chosen)
        joints = [end for end in range(len(text)) if negative.chosen[:end] == text[:end]]
        assert any(text[end:] == pair.chosen[-len(text[end:]) :] for end in joints for pair in pairs)
        assert text[: len(negative.chosen) // 4] == negative.chosen[: len(negative.chosen) // 4]


def test_cut_off_is_a_beginning_that_does_not_end(made: dict[str, list[PreferencePair]]) -> None:
    for negative in made["cut_off"]:
        assert negative.chosen.startswith(negative.rejected)
        assert len(negative.rejected) <= len(negative.chosen) - 2
        assert negative.rejected[-1] not in PUNCTUATION


def test_repeated_says_one_clause_again(made: dict[str, list[PreferencePair]]) -> None:
    for negative in made["repeated"]:
        good, bad = clauses(negative.chosen), clauses(negative.rejected)
        extra = collections.Counter(bad)
        extra.subtract(collections.Counter(good))
        more = {clause: count for clause, count in extra.items() if count}
        ((_, count),) = more.items()
        assert 1 <= count <= 3


def test_padded_goes_on_behind_the_greeting(pairs: list[PreferencePair], made: dict[str, list[PreferencePair]]) -> None:
    known = {clause for pair in pairs for clause in clauses(pair.chosen)}
    for negative in made["padded"]:
        assert negative.rejected.startswith(negative.chosen)
        filler = negative.rejected.removeprefix(negative.chosen)
        assert filler
        assert all(any(clause in each for each in known) for clause in clauses(filler))


def test_shuffled_clauses_are_the_same_in_another_order(made: dict[str, list[PreferencePair]]) -> None:
    for negative in made["shuffled_clauses"]:
        assert sorted(negative.rejected) == sorted(negative.chosen)
        assert all(clause.rstrip(PUNCTUATION) in negative.rejected for clause in clauses(negative.chosen))
        assert negative.rejected != negative.chosen


def test_scrambled_keeps_the_length_and_most_of_the_characters(made: dict[str, list[PreferencePair]]) -> None:
    for negative in made["scrambled"]:
        assert len(negative.rejected) == len(negative.chosen)
        changed = sum(old != new for old, new in zip(negative.chosen, negative.rejected, strict=True))
        assert 0 < changed <= 0.75 * len(negative.chosen)


def test_samples_of_a_policy_make_up_a_quarter_and_only_for_their_prompt(pairs: list[PreferencePair]) -> None:
    prompt = pairs[0].prompt
    samples = [(prompt, f"{n}个愿望{n}") for n in range(50)] + [(prompt, pairs[0].chosen), (prompt, "")]
    made = NegativeMaker(pairs, seed=0, samples=samples).make(8)
    of_policy = [pair for kind, pair in made if kind == "policy_sample"]
    assert {pair.prompt for pair in of_policy} == {prompt}
    assert len(of_policy) == 2
    assert all(pair.rejected not in ("", pair.chosen) for pair in of_policy)


def test_only_characters_of_real_greetings_are_used(pairs: list[PreferencePair]) -> None:
    known = {character for pair in pairs for character in pair.chosen + pair.rejected}
    for kind, negative in NegativeMaker(pairs, seed=1).make(7):
        assert set(negative.rejected) <= known, kind


TEXT = st.text(alphabet="祝你好，。！", min_size=1, max_size=30)


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5), st.integers(0, 9), st.integers(0, 2**32))
def test_short_and_odd_texts_give_fewer_negatives_but_never_empty_or_good_ones(
    texts: list[tuple[str, str]], count: int, seed: int
) -> None:
    pairs = [PreferencePair(prompt, chosen, "坏") for prompt, chosen in texts]
    made = NegativeMaker(pairs, seed=seed).make(count)
    assert len(made) <= count * len(pairs)
    for _, negative in made:
        assert negative.rejected
        assert (negative.rejected, negative.rejected_prompt) != (negative.chosen, None)
        assert (negative.prompt, negative.chosen) in {
            (pair.prompt, text) for pair in pairs for text in (pair.chosen, pair.rejected)
        }
