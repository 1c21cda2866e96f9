from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.trainer.steps.made import step
from trainer.steps.errors import InvalidPlan
from trainer.steps.plan import check_plan
from trainer.steps.serving import Serving

FOLDER = Path("/runs/one")


def test_what_is_made_before_may_be_read_and_what_lies_in_it_too(tmp_path: Path) -> None:
    given = tmp_path / "data.json"
    given.write_text("[]")
    first = step(FOLDER, "first", "--output", f"{FOLDER}/first", reads=(given,), makes=(FOLDER / "first/model",))
    second = step(
        FOLDER, "second", "--model", f"m={FOLDER}/first/model/config.json", reads=(FOLDER / "first/model/config.json",)
    )
    check_plan([first, second], FOLDER)


def test_what_nobody_makes_is_a_hole_and_is_named() -> None:
    reads = step(FOLDER, "reads", reads=(FOLDER / "gone",))
    with pytest.raises(InvalidPlan, match="reads reads /runs/one/gone, which no step before it makes"):
        check_plan([reads], FOLDER)


def test_order_counts() -> None:
    maker = step(FOLDER, "maker", makes=(FOLDER / "made",))
    user = step(FOLDER, "user", reads=(FOLDER / "made",))
    check_plan([maker, user], FOLDER)
    with pytest.raises(InvalidPlan, match="which no step before it makes"):
        check_plan([user, maker], FOLDER)


def test_a_file_from_elsewhere_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidPlan, match=r"reads .*/none.json, which is not there"):
        check_plan([step(FOLDER, "one", reads=(tmp_path / "none.json",))], FOLDER)


@pytest.mark.parametrize("argument", [f"{FOLDER}/other/model", f"base={FOLDER}/other/model"])
def test_a_command_line_cannot_name_more_than_its_step_says(argument: str) -> None:
    with pytest.raises(InvalidPlan, match="the command line of one names /runs/one/other/model"):
        check_plan([step(FOLDER, "one", "--model", argument)], FOLDER)


def test_what_runs_beside_a_step_needs_its_inputs_too() -> None:
    serving = Serving(rewards=("reward_model",), reward_checkpoint=FOLDER / "reward-model/model")
    with pytest.raises(InvalidPlan, match="one reads /runs/one/reward-model/model"):
        check_plan([step(FOLDER, "one", serving=serving)], FOLDER)


def test_names_are_unique() -> None:
    with pytest.raises(InvalidPlan, match="two steps are called one"):
        check_plan([step(FOLDER, "one"), step(FOLDER, "one")], FOLDER)
