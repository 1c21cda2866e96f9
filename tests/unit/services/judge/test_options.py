"""What a request can ask of the judge."""

from __future__ import annotations

from typing import Any

import pytest

from services.judge.options import JudgeOptions
from shared.errors import InvalidRequest
from shared.options import options_schema, read_options


def test_options_that_are_not_given_are_left_to_the_settings() -> None:
    assert read_options(JudgeOptions, {}).model_dump() == dict.fromkeys(("mode", "principles", "samples", "group_size"))


def test_options_are_read() -> None:
    asked = read_options(JudgeOptions, {"mode": "group", "principles": "greetings-v1", "samples": 3, "group_size": 8})
    assert (asked.mode, asked.principles, asked.samples, asked.group_size) == ("group", "greetings-v1", 3, 8)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"mode": "guess"}, "mode"),
        ({"mode": None, "temperature": 1}, "temperature"),
        ({"principles": "x" * 129}, "principles"),
        ({"samples": 0}, "samples"),
        ({"samples": 17}, "samples"),
        ({"samples": "many"}, "samples"),
        ({"group_size": 1}, "group_size"),
        ({"group_size": 17}, "group_size"),
    ],
)
def test_options_that_are_not_of_the_schema_are_refused_with_the_place(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_options(JudgeOptions, options)
    assert refused.value.detail.startswith(f"options: {complaint}")


def test_the_schema_tells_every_option() -> None:
    assert set(options_schema(JudgeOptions)) == {"mode", "principles", "samples", "group_size"}
