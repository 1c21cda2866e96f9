"""How many prompts may be under way at once."""

from __future__ import annotations

import pytest

from trainer.sampling.pace import FIRST, Pace


def room(pace: Pace) -> int:
    return next(number for number in range(1000) if not pace.allows(number))


def test_before_anything_is_known_only_a_few_may_begin() -> None:
    assert room(Pace(most=16, timeout_seconds=900)) == FIRST
    assert room(Pace(most=2, timeout_seconds=900)) == 2


@pytest.mark.parametrize(
    ("under_way", "seconds", "expected"),
    [
        (4, 1.0, 16),  # a quick service takes all that is allowed
        (4, 240.0, 5),  # a minute each, one after another: five of them are a third of 900 s
        (1, 60.0, 5),
        (16, 900.0, 5),  # the time was up
        (1, 10_000.0, 1),  # one may always be under way
        (4, 0.0, 16),
    ],
)
def test_as_many_may_begin_as_end_in_a_third_of_their_time(under_way: int, seconds: float, expected: int) -> None:
    pace = Pace(most=16, timeout_seconds=900)
    pace.heard(under_way=under_way, seconds=seconds)
    assert room(pace) == expected


def test_a_service_that_becomes_quicker_is_asked_more() -> None:
    pace = Pace(most=16, timeout_seconds=900)
    pace.heard(under_way=4, seconds=400)
    assert room(pace) == 3
    pace.heard(under_way=3, seconds=3)
    assert room(pace) == 16
