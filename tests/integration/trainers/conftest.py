"""Services for the code of other trainers to ask, and that code."""

from __future__ import annotations

import collections
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.judge import Taste, ended, judge_service, shown_in
from tests.support.llm_server import LlmServer, Reply, failing
from tests.support.processes import Service, free_port, service_command
from tests.support.trainers.chatml import save_chatml_tokenizer
from tests.support.trainers.fetched import fetched_packages
from tests.support.trainers.texts import ALL_TEXTS, FAILS_FIRST, KEY


@pytest.fixture(scope="session")
def packages(pytestconfig: pytest.Config) -> Path:
    """OpenRLHF, verl and what they ask over HTTP with."""
    return fetched_packages(pytestconfig.cache.mkdir("trainers"))


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the policy, and of what verl takes for the reward model."""
    return save_chatml_tokenizer(tmp_path_factory.mktemp("tokenizer"), ALL_TEXTS)


@pytest.fixture(scope="module")
def greetings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A reward by length, which fails where a completion says so."""
    output = tmp_path_factory.mktemp("greetings") / "service.log"
    environment = {"ZHUFU_API_KEYS": KEY, "ZHUFU_LOG_FORMAT": "json"}
    service = Service(service_command(), output, environment, free_port())
    with ended(service):
        service.wait_until()
        yield service


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A judge whose language model is away when it is first asked about some completions."""
    asked: collections.Counter[str] = collections.Counter()

    def answer(body: Any) -> Reply:
        (text,) = shown_in(body)
        asked[text] += 1
        return failing(500) if FAILS_FIRST in text and asked[text] == 1 else Taste()(body)

    with LlmServer() as llm:
        llm.script(answer)
        service = judge_service(tmp_path_factory.mktemp("judge") / "judge.log", llm, api_keys=KEY)
        with ended(service):
            service.wait_until()
            yield service
