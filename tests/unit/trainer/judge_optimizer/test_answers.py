from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from shared.llm.chat import ChatAnswer, LlmUsage
from shared.llm.errors import LlmFailed
from shared.schemas import Usage
from trainer.judge_optimizer.answers import FILE_NAME, AnswerStore
from trainer.judge_optimizer.budget import Spent
from trainer.judge_optimizer.errors import AnswersUnusable


def said(text: str = "好") -> ChatAnswer:
    usage = LlmUsage(prompt_tokens=40, cached_prompt_tokens=0, completion_tokens=3)
    return ChatAnswer(text=text, tokens=(), finish_reason="stop", model="m", usage=usage)


def failed(*, retryable: bool = True, usage: Usage | None = None) -> LlmFailed:
    code = "llm_timeout" if retryable else "llm_truncated"
    return LlmFailed("没有答案", code=code, usage=usage)  # type: ignore[arg-type]


def test_what_was_answered_is_there_in_the_next_process_and_was_paid_once(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / FILE_NAME) as store:
        store.add("d1", "detector", said(), round_number=1)
        store.add("d2", "detector", failed(usage=Usage(prompt_tokens=7, completion_tokens=2)), round_number=1)

    with AnswerStore(tmp_path / FILE_NAME) as store:
        assert store.find("d1", "detector") == said()
        again = store.find("d2", "detector")
        assert isinstance(again, LlmFailed)
        assert (again.failure_code, again.detail, again.may_retry) == ("llm_timeout", "没有答案", True)
        assert again.usage == Usage(prompt_tokens=7, completion_tokens=2)
        assert store.find("d3", "detector") is None
        assert store.spent == Spent(calls=2, prompt_tokens=47, completion_tokens=5)


def test_a_failure_of_unknown_cost_counts_as_a_call(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / FILE_NAME) as store:
        store.add("d", "detector", failed(), round_number=1)

        found = store.find("d", "detector")
        assert isinstance(found, LlmFailed)
        assert found.usage is None
        assert store.spent == Spent(calls=1)


def test_failures_of_unfinished_rounds_are_forgotten_where_another_try_may_help(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / FILE_NAME) as store:
        store.add("finished", "detector", failed(), round_number=1)
        store.add("unfinished", "detector", failed(), round_number=2)
        store.add("wrong key", "detector", LlmFailed("401", code="llm_rejected"), round_number=2)
        store.add("answered", "detector", failed(retryable=False), round_number=2)
        store.settle(rounds=2)
        store.forget_unsettled()

        assert store.find("finished", "detector") is not None
        assert store.find("unfinished", "detector") is None
        assert store.find("wrong key", "detector") is None
        assert store.find("answered", "detector") is not None
        assert store.spent.calls == 4


def test_of_another_run_only_settled_failures_are_taken(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with AnswerStore(tmp_path / "other" / FILE_NAME) as other:
        other.add("settled", "detector", failed(), round_number=1)
        other.add("unsettled", "detector", failed(), round_number=2)
        other.settle(rounds=2)

    with AnswerStore(tmp_path / FILE_NAME, given=tmp_path / "other") as store:
        assert isinstance(store.find("settled", "detector"), LlmFailed)
        assert store.find("unsettled", "detector") is None


def test_answers_of_another_run_are_copied_and_not_paid(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with AnswerStore(tmp_path / "other" / FILE_NAME) as other:
        other.add("d1", "detector", said(), round_number=1)
        other.add("d2", "detector", failed(retryable=False), round_number=1)

    with AnswerStore(tmp_path / FILE_NAME, given=tmp_path / "other") as store:
        assert store.find("d1", "detector") == said()
        assert isinstance(store.find("d2", "detector"), LlmFailed)
        assert store.spent == Spent()
    with AnswerStore(tmp_path / FILE_NAME) as store:
        assert store.find("d1", "detector") == said()


def test_another_run_may_still_be_under_way(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with AnswerStore(tmp_path / "other" / FILE_NAME) as other:
        other.add("d1", "detector", said(), round_number=1)
        with AnswerStore(tmp_path / FILE_NAME, given=tmp_path / "other" / FILE_NAME) as store:
            other.add("d2", "detector", said("也好"), round_number=1)
            assert store.find("d2", "detector") == said("也好")


def test_a_file_that_is_no_file_of_answers_is_named(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    with pytest.raises(AnswersUnusable, match="there is no such file"):
        AnswerStore(path, given=tmp_path / "nowhere")
    path.unlink()
    path.write_text("这不是数据库" * 100, encoding="utf-8")
    with pytest.raises(AnswersUnusable, match=FILE_NAME):
        AnswerStore(path)


def test_an_answer_that_was_tampered_with_is_named(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    with AnswerStore(path) as store:
        store.add("d", "detector", said(), round_number=1)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE answers SET answer = '{}'")
    connection.commit()
    connection.close()

    with AnswerStore(path) as store, pytest.raises(AnswersUnusable):
        store.find("d", "detector")
