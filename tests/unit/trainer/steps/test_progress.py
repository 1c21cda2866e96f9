from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.trainer.steps.made import step
from trainer.steps.progress import Estimate, duration

FOLDER = Path("/runs/one")


def estimate(**minutes: float | None) -> Estimate:
    return Estimate([step(FOLDER, name, minutes=each) for name, each in minutes.items()])


def test_the_rest_is_what_was_measured_elsewhere_at_this_machines_pace() -> None:
    made = estimate(first=10, second=20, third=None)
    assert made.left_seconds() == 30 * 60
    made.is_done("first", 20 * 60)
    assert made.left_seconds() == 40 * 60, "twice as slow"
    assert made.left_seconds("second", 10 * 60) == 30 * 60
    assert made.left_seconds("second", 50 * 60) == 0, "late, but not below nothing"
    assert (made.done, made.used_seconds) == (1, 20 * 60)


def test_steps_of_seconds_do_not_tell_the_pace() -> None:
    made = estimate(first=0.1, second=10)
    made.is_done("first", 60)
    assert made.left_seconds() == 10 * 60


def test_without_any_measurement_there_is_no_estimate() -> None:
    assert estimate(first=None, second=None).left_seconds() is None


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.4, "0 s"), (59, "59 s"), (61, "1 min"), (3599, "1 h 0 min"), (5100, "1 h 25 min")]
)
def test_durations_are_for_people(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
