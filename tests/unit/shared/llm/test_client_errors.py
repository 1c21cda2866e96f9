"""`LlmFailed` and what it may quote."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ScoringFailed
from shared.llm.errors import RETRYABLE, LlmFailed, LlmFailureCode, quoted
from shared.schemas import Usage


@pytest.mark.parametrize("code", get_args(LlmFailureCode))
def test_every_code_makes_a_failed_score_with_its_own_word(code: LlmFailureCode) -> None:
    error = LlmFailed("no", code=code, usage=Usage(prompt_tokens=3), retry_after_seconds=2.0)
    assert isinstance(error, ScoringFailed)
    assert (error.failure_code, error.may_retry) == (code, code in RETRYABLE)
    assert error.usage == Usage(prompt_tokens=3)
    assert error.retry_after_seconds == 2.0
    assert LlmFailed("no", code=code, retryable=code not in RETRYABLE).may_retry is (code not in RETRYABLE)


def test_what_is_an_answer_is_not_asked_for_again() -> None:
    final = set(get_args(LlmFailureCode)) - RETRYABLE
    assert final == {
        "llm_rejected",
        "llm_refused",
        "llm_truncated",
        "llm_unparsable",
        "llm_out_of_range",
        "llm_wrong_language",
        "llm_over_limit",
    }


@given(st.text(max_size=2000))
def test_a_quote_is_one_short_printable_line(text: str) -> None:
    line = quoted(text)
    assert len(line) <= 200
    assert line.isprintable()


def test_a_quote_keeps_what_can_be_read_and_shows_where_it_was_cut() -> None:
    assert quoted(" 太长\r\n\x1b[31m了\u202e  ") == "太长 [31m了"
    assert quoted("好" * 200) == "好" * 200
    assert quoted("好" * 201) == "好" * 199 + "…"
    assert quoted("好" * 10 + " " * 5000 + "坏") == "好" * 10 + "…"
