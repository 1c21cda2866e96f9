"""What is made of the history of a GRPO run."""

from __future__ import annotations

import pytest

from benchmarks.bench_training import CASES, Steps, section, steps_of
from benchmarks.processes import BenchmarkFailed


def line(seconds: float, waited: float, unscored: float = 0.0) -> dict[str, float]:
    return {"step": 1, "step_time": seconds, "reward_wait_seconds": waited, "unscored/noop": unscored}


def test_the_first_steps_are_left_out() -> None:
    done = steps_of([line(9.0, 8.0), line(2.0, 0.1), line(2.0, 0.3)], ["noop"], skip=1)
    assert done == Steps(seconds=[2.0, 2.0], waited=[0.1, 0.3])
    assert done.share == pytest.approx(0.1)


def test_a_run_in_which_a_rollout_got_no_reward_has_no_figure() -> None:
    with pytest.raises(BenchmarkFailed, match="2 rollouts"):
        steps_of([line(1.0, 0.1), line(1.0, 0.1, unscored=2)], ["noop"], skip=0)


def test_every_number_of_rewards_is_measured_by_both_doors() -> None:
    assert {(len(case.rewards), case.door) for case in CASES} == {
        (count, door) for count in (1, 2, 3) for door in ("URL", "queue")
    }
    assert len({case.title for case in CASES}) == len(CASES)


def test_the_table_tells_the_share_of_the_step() -> None:
    table = section({"1: does nothing, by URL": Steps(seconds=[2.0, 2.0], waited=[0.02, 0.02])}, steps=4)
    assert table.rows == [["1: does nothing, by URL", "2.00 (2.00–2.00)", "20.0 (20.0–20.0)", "1.00 %"]]
