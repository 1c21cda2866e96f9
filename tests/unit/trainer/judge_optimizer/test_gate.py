from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.judge_optimizer.errors import GateUnusable
from trainer.judge_optimizer.gate import Gate, Measurement, Verdict, paired_difference
from trainer.judge_optimizer.strategy import Strategy

STRATEGY = Strategy(("真诚。",))
GATE = Gate(0.2)


def measurement(*pairs: tuple[Verdict | None, Verdict | None]) -> Measurement:
    """Verdicts about a good and a bad text each."""
    return Measurement(STRATEGY, tuple(verdict for pair in pairs for verdict in pair))


GOOD_PAIR: tuple[Verdict, Verdict] = (1, 0)
WRONG_PAIR: tuple[Verdict, Verdict] = (0, 1)


def right(pairs: int, of: int) -> Measurement:
    """So many pairs judged right in both texts, the others wrong in both."""
    return measurement(*[GOOD_PAIR] * pairs, *[WRONG_PAIR] * (of - pairs))


def test_a_constant_answer_agrees_with_half() -> None:
    verdicts: tuple[Verdict, Verdict] = (0, 1)
    for verdict in verdicts:
        agreement = measurement(*[(verdict, verdict)] * 10).agreement
        assert agreement is not None
        assert (agreement.mean, agreement.low, agreement.high) == (0.5, 0.5, 0.5)


def test_a_failed_verdict_takes_its_pair_out_and_is_no_wrong_answer() -> None:
    judged = measurement((1, 0), (1, None), (None, None), (0, 0))

    assert judged.by_pair() == [1.0, None, None, 0.5]
    assert (judged.failed, judged.failed_share) == (3, 0.375)
    assert judged.agreement is not None
    assert judged.agreement.mean == 0.75
    assert judged.called_good == 2 / 5


def test_without_a_whole_pair_there_is_no_agreement() -> None:
    assert measurement((1, None), (None, 0)).agreement is None
    assert measurement((None, None)).called_good is None


def test_a_better_candidate_is_kept_and_is_the_best() -> None:
    decision = GATE.decide(right(9, 10), right(8, 10))

    assert (decision.kept, decision.is_best, decision.why) == (True, True, "better")


def test_an_equal_candidate_is_kept_and_is_not_the_best() -> None:
    decision = GATE.decide(right(8, 10), right(8, 10))

    assert (decision.kept, decision.is_best, decision.why) == (True, False, "not_worse")


def test_what_is_worse_within_the_interval_is_kept() -> None:
    decision = GATE.decide(right(19, 24), right(20, 24))

    assert (decision.kept, decision.is_best, decision.why) == (True, False, "not_worse")
    assert decision.difference is not None
    assert decision.difference.mean < 0 <= decision.difference.high


def test_what_is_worse_beyond_the_interval_is_rolled_back() -> None:
    decision = GATE.decide(right(10, 24), right(20, 24))

    assert (decision.kept, decision.is_best, decision.why) == (False, False, "worse")
    assert decision.difference is not None
    assert decision.difference.high < 0


def test_with_more_pairs_the_gate_sees_smaller_losses() -> None:
    assert GATE.decide(right(18, 24), right(20, 24)).kept
    assert not GATE.decide(right(180, 240), right(200, 240)).kept


def test_only_pairs_that_both_judged_are_compared() -> None:
    best = measurement((1, 0), (None, 0), (0, 1))
    candidate = measurement((1, 0), (0, 1), (None, 1))
    difference = paired_difference(best, candidate)

    assert difference is not None
    assert (difference.mean, difference.low, difference.high) == (0, 0, 0)


def test_too_many_failures_decide_nothing_however_right_the_rest_is() -> None:
    candidate = measurement(*[GOOD_PAIR] * 5, *[(None, None)] * 5)
    decision = GATE.decide(candidate, right(0, 10))

    assert (decision.kept, decision.is_best, decision.why) == (False, False, "too_many_failures")


def test_nothing_to_compare_is_no_difference() -> None:
    gate = Gate(1.0)
    decision = gate.decide(measurement((None, None)), right(1, 1))

    assert (decision.kept, decision.why, decision.difference) == (False, "too_many_failures", None)


def test_a_start_that_mostly_fails_is_unusable() -> None:
    GATE.check_start(measurement(*[GOOD_PAIR] * 9, (None, 1)))
    with pytest.raises(GateUnusable, match="4 of 20 verdicts"):
        Gate(0.1).check_start(measurement(*[GOOD_PAIR] * 8, (None, None), (None, None)))
    with pytest.raises(GateUnusable):
        Gate(0.9).check_start(measurement((None, 1), (1, None)))


@given(st.lists(st.tuples(st.sampled_from([0, 1]), st.sampled_from([0, 1])), min_size=1, max_size=30))
def test_what_is_never_worse_anywhere_is_always_kept(pairs: list[tuple[Verdict, Verdict]]) -> None:
    best = measurement(*pairs)
    candidate = measurement(*[GOOD_PAIR if number % 3 == 0 else pair for number, pair in enumerate(pairs)])

    assert GATE.decide(candidate, best).kept
