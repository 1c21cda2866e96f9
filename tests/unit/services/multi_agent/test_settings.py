"""Settings of the multi-agent service: what does not fit together is refused at start-up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from services.multi_agent.settings import MultiAgentSettings
from tests.unit.services.multi_agent.made import settings

EMBEDDING = {"embedding_url": "http://127.0.0.1:2", "embedding_model": "e5"}


def test_all_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "ZHUFU_LLM_URL": "http://127.0.0.1:1",
        "ZHUFU_MULTI_AGENT_LLM_MODEL": "own",
        "ZHUFU_MULTI_AGENT_WITHOUT": "positive, reflect",
        "ZHUFU_MULTI_AGENT_INDEX": "some/index",
        "ZHUFU_MULTI_AGENT_CORPUS": "",
        "ZHUFU_MULTI_AGENT_EMBEDDING_URL": "http://127.0.0.1:2",
        "ZHUFU_MULTI_AGENT_EMBEDDING_MODEL": "e5",
        "ZHUFU_MULTI_AGENT_EMBEDDING_API_KEY": "sk-embedding-key",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    read = MultiAgentSettings()
    assert (read.port, read.name, read.llm_model) == (8003, "multi_agent", "own")
    assert read.without == ("positive", "reflect")
    assert (read.index, read.corpus, read.embedding_url) == (Path("some/index"), None, "http://127.0.0.1:2/v1")
    assert "sk-embedding-key" not in repr(read)


def test_without_an_llm_there_are_no_agents() -> None:
    with pytest.raises(ValidationError, match="ZHUFU_MULTI_AGENT_LLM_URL"):
        MultiAgentSettings.model_validate({"llm_model": "test-model"})


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"without": "judge,reflect"}, "nobody gives a verdict"),
        ({"without": "generator"}, "without"),
        ({"max_reevaluations": 4}, "max_reevaluations"),
        ({"grading": "guess"}, "grading"),
        ({"candidates": 1}, "candidates"),
        ({"candidates": 17}, "candidates"),
        ({"temperature": 2.1}, "temperature"),
        ({"embedding_url": "http://127.0.0.1:2"}, "go together"),
        ({"embedding_model": "e5"}, "go together"),
        ({**EMBEDDING, "embedding_url": "ftp://127.0.0.1"}, "embedding_url"),
        ({"top_k": 2}, "keep_examples (3) is more than top_k (2)"),
        ({"keep_examples": 0}, "keep_examples"),
        ({"on_attack": "ignore"}, "on_attack"),
        ({"score_timeout_seconds": 719}, "less than one answer may take"),
        ({"llm_requests_per_minute": 60}, "ZHUFU_REDIS_URL"),
    ],
)
def test_what_does_not_fit_together_is_refused(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(**change)
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        EMBEDDING,
        {"without": "retrieval,positive,negative,judge"},
        {"top_k": 3, "keep_examples": 3},
        {"score_timeout_seconds": 8, "llm_total_timeout_seconds": 2},
    ],
)
def test_what_fits_together_is_taken(change: dict[str, Any]) -> None:
    settings(**change)
