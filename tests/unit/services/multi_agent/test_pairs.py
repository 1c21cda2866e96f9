"""The rule that makes a preference pair of candidates."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.multi_agent.evaluation import Verdict
from services.multi_agent.pairs import Candidate, NoPair, Pair, PairRule, choose_pair, usable
from tests.unit.services.multi_agent.made import candidate

TEN, ELEVEN, TWENTY = "十" * 10, "长" * 11, "廿" * 20


def texts(*lengths: int) -> list[str]:
    """Texts of these lengths, all different."""
    return [chr(ord("一") + number) * length for number, length in enumerate(lengths)]


def chosen(candidates: list[Candidate], **rule: object) -> tuple[int, int] | str:
    found = choose_pair(candidates, PairRule(**rule))  # type: ignore[arg-type]
    return found.reason if isinstance(found, NoPair) else (found.chosen, found.rejected)


def test_a_good_one_is_chosen_over_a_bad_one_wherever_they_stand() -> None:
    assert chosen([candidate(0, TEN, 0), candidate(1, ELEVEN, 1)]) == (1, 0)
    assert chosen([candidate(0, TEN, 1), candidate(1, ELEVEN, 0)]) == (0, 1)


def test_the_pair_tells_margin_and_lengths() -> None:
    found = choose_pair([candidate(0, ELEVEN, 1, 3, 0), candidate(1, TEN, 0, 0, 3)], PairRule())
    assert isinstance(found, Pair)
    assert found.margin == pytest.approx((1 + 4 / 5) / 2 - (0 + 1 / 5) / 2)
    assert (found.length_ratio, found.length_matched) == (1.1, True)


def test_of_like_length_comes_before_a_larger_margin() -> None:
    good, bad, better = texts(10, 11, 30)
    made = [candidate(0, good, 1, 0, 3), candidate(1, bad, 0, 0, 3), candidate(2, better, 1, 5, 0)]
    assert chosen(made) == (0, 1)
    assert chosen(made, length="ignore") == (2, 1)
    assert chosen(made, length="require") == (0, 1)


def test_of_like_length_the_largest_margin_is_taken_then_the_closest_length_then_the_lowest_index() -> None:
    good, bad, far, near = texts(10, 11, 12, 11)
    assert chosen([candidate(0, good, 1), candidate(1, bad, 0, 3, 0), candidate(2, far, 0, 0, 3)]) == (0, 2)
    assert chosen([candidate(0, good, 1), candidate(1, far, 0), candidate(2, near, 0)]) == (0, 2)
    assert chosen([candidate(0, good, 1), candidate(1, bad, 0), candidate(2, near, 0)]) == (0, 1)


@pytest.mark.parametrize(
    ("lengths", "tolerance", "matched"),
    [((10, 8), 0.2, True), ((8, 10), 0.2, True), ((10, 7), 0.2, False), ((10, 7), 0.3, True), ((10, 10), 0.0, True)],
)
def test_lengths_are_alike_within_a_share_of_the_longer_one(
    lengths: tuple[int, int], tolerance: float, matched: bool
) -> None:
    good, bad = texts(*lengths)
    found = choose_pair([candidate(0, good, 1), candidate(1, bad, 0)], PairRule(tolerance=tolerance))
    assert isinstance(found, Pair)
    assert found.length_matched == matched


def test_without_a_pair_the_reason_is_told() -> None:
    good, bad, other = texts(10, 30, 10)
    assert chosen([]) == chosen([candidate(0, good, 1)]) == "too_few_candidates"
    assert chosen([candidate(0, good, 1), candidate(1, other, 1)]) == "all_good"
    assert chosen([candidate(0, good, 0), candidate(1, other, 0)]) == "all_bad"
    assert chosen([candidate(0, good, 1), candidate(1, bad, 0)], length="require") == "no_length_match"
    assert chosen([candidate(0, good, 1), candidate(1, other, 0)], least_margin=0.9) == "margin_too_small"


def test_by_quality_verdicts_may_be_the_same_but_not_the_margin() -> None:
    good, other = texts(10, 11)
    made = [candidate(0, good, 1, 1, 1), candidate(1, other, 1, 3, 1)]
    assert chosen(made, by="quality", least_margin=0.05) == (1, 0)
    assert chosen(made, by="quality", least_margin=0.2) == "margin_too_small"
    same = [candidate(0, good, 1, 1, 1), candidate(1, other, 1, 1, 1)]
    assert chosen(same, by="quality") == "margin_too_small"


@pytest.mark.parametrize(
    "unfit",
    [
        candidate(1, None),
        candidate(1, ELEVEN),
        candidate(1, "", 0),
        candidate(1, "！！ ……", 0),
        candidate(1, ELEVEN, 0, flags=("judge_order",)),
        candidate(1, TEN, 0),
        candidate(1, f" {TEN}\n", 0),
        candidate(1, TWENTY, 0),
    ],
    ids=[
        "not written",
        "not evaluated",
        "empty",
        "no words",
        "an attack",
        "a copy",
        "a copy with spaces",
        "an example",
    ],
)
def test_what_no_pair_is_made_of(unfit: Candidate) -> None:
    made = [candidate(0, TEN, 1), unfit]
    assert usable(made, [TWENTY]) == [0]
    assert choose_pair(made, PairRule(), [TWENTY]) == NoPair("too_few_candidates")


VERDICTS: st.SearchStrategy[Verdict] = st.sampled_from([0, 1])
CANDIDATES = st.lists(st.tuples(st.integers(1, 40), VERDICTS, st.integers(0, 5), st.integers(0, 5)), max_size=8).map(
    lambda rows: [
        candidate(number, text, verdict, merits, flaws)
        for number, (text, (_, verdict, merits, flaws)) in enumerate(
            zip(texts(*(row[0] for row in rows)), rows, strict=True)
        )
    ]
)
RULES = st.builds(
    PairRule,
    by=st.sampled_from(["verdict", "quality"]),
    least_margin=st.floats(0, 1),
    length=st.sampled_from(["prefer", "require", "ignore"]),
    tolerance=st.floats(0, 1),
)


@given(CANDIDATES, RULES, st.randoms(use_true_random=False))
def test_every_pair_keeps_the_rule_and_does_not_hang_on_the_order(
    made: list[Candidate], rule: PairRule, source: random.Random
) -> None:
    found = choose_pair(made, rule)
    assert choose_pair(source.sample(made, len(made)), rule) == found
    if isinstance(found, NoPair):
        return
    better, worse = made[found.chosen].evaluation, made[found.rejected].evaluation
    assert better is not None
    assert worse is not None
    assert better.verdict >= worse.verdict
    assert rule.by == "quality" or (better.verdict, worse.verdict) == (1, 0)
    assert found.margin >= rule.least_margin
    assert found.margin == pytest.approx(better.quality - worse.quality)
    assert found.margin > 0
    assert rule.length != "require" or found.length_matched
    if rule.length == "prefer" and not found.length_matched:
        strict = PairRule(by=rule.by, least_margin=rule.least_margin, length="require", tolerance=rule.tolerance)
        assert choose_pair(made, strict) == NoPair("no_length_match")
