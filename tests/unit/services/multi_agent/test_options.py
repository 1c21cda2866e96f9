"""What a request can ask of the multi-agent service."""

from __future__ import annotations

from typing import Any

import pytest

from services.multi_agent.options import MultiAgentOptions, SampleOptions
from shared.errors import InvalidRequest
from shared.options import options_schema, read_options


def test_what_is_not_given_is_an_evaluation_left_to_the_settings() -> None:
    asked = read_options(MultiAgentOptions, {})
    assert (asked.task, asked.transcript, asked.seed, asked.pair_by, asked.length) == (
        "evaluate",
        False,
        0,
        "verdict",
        "prefer",
    )
    left = ("without", "max_reevaluations", "grading", "candidates", "temperature", "least_margin")
    assert {getattr(asked, name) for name in left} == {None}


def test_options_are_read() -> None:
    given: dict[str, Any] = {
        "task": "sample",
        "transcript": True,
        "without": ["retrieval", "reflect"],
        "max_reevaluations": 3,
        "grading": "quality",
        "candidates": 16,
        "temperature": 1,
        "seed": 7,
        "pair_by": "quality",
        "least_margin": 0.1,
        "length": "require",
        "tolerance": 0,
    }
    assert read_options(MultiAgentOptions, given).model_dump() == given


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"without": ["judge", "reflect"]}, "the document: Value error, without judge and reflect"),
        ({"without": ["positive", "positive"]}, "without"),
        ({"without": ["generator"]}, "without.0"),
        ({"candidates": True}, "candidates"),
        ({"temperature": True}, "temperature"),
        ({"least_margin": "0.1"}, "least_margin"),
        ({"tolerance": False}, "tolerance"),
        ({"candidates": 2.5}, "candidates"),
        ({"seed": 2**26 + 1}, "seed"),
        ({"temperature": float("nan")}, "temperature"),
        ({"principles": "greetings-v1"}, "principles"),
    ],
)
def test_options_that_are_not_of_the_schema_are_refused_with_the_place(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_options(MultiAgentOptions, options)
    assert refused.value.detail.startswith(f"options: {complaint}")


def test_the_schema_tells_every_option_and_a_sample_takes_all_but_two() -> None:
    assert set(options_schema(MultiAgentOptions)) == set(MultiAgentOptions.model_fields)
    assert set(MultiAgentOptions.model_fields) - set(SampleOptions.model_fields) == {"task", "transcript"}
