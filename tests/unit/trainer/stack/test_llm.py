"""Which LLM the judge of a stack asks, and what it is told of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from services.judge.settings import JudgeSettings
from services.multi_agent.settings import MultiAgentSettings
from trainer.local_llm.__main__ import options_of
from trainer.local_llm.errors import LocalLlmMissing, ModelUnusable
from trainer.stack import GivenLlm, LlmUnusable, LocalLlm, choose_llm
from trainer.stack import llm as llm_module
from trainer.stack.llm import Llm
from trainer.stack.services import all_services

VARIABLES = ("URL", "MODEL", "API", "API_KEY", "MAX_IN_FLIGHT", "LIMIT_NAME", "TIMEOUT_SECONDS")


@pytest.fixture(autouse=True)
def _no_llm_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        for prefix in ("ZHUFU_LLM_", "ZHUFU_JUDGE_LLM_", "ZHUFU_MULTI_AGENT_LLM_"):
            monkeypatch.delenv(f"{prefix}{name}", raising=False)


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    path = tmp_path / "small.gguf"
    path.write_bytes(b"GGUF....")
    return path


def judge_settings(llm: Llm, monkeypatch: pytest.MonkeyPatch) -> JudgeSettings:
    """As the judge of a stack reads them."""
    (judge, _) = all_services("runs/reward", llm.settings_for("judge", 8000))
    for name, value in judge.environment(8001, "redis://127.0.0.1:8000/0", {}).items():
        monkeypatch.setenv(name, value)
    return JudgeSettings()


def test_by_default_gemma_is_started_and_asked_for_completions(monkeypatch: pytest.MonkeyPatch) -> None:
    llm = choose_llm()
    assert llm == LocalLlm()
    settings = judge_settings(llm, monkeypatch)
    assert (settings.llm_url, settings.llm_model) == ("http://127.0.0.1:8004/v1", "gemma-3-270m")
    assert (settings.llm_api, settings.llm_api_key) == ("completions", None)
    assert (settings.host, settings.port, settings.name) == ("127.0.0.1", 8001, "judge")


@pytest.mark.parametrize("api", ["chat", "completions", None])
def test_a_model_file_is_served_even_where_a_url_is_set(
    gguf: Path, monkeypatch: pytest.MonkeyPatch, api: llm_module.LlmApi | None
) -> None:
    monkeypatch.setenv("ZHUFU_LLM_URL", "https://vendor.example/v1")
    monkeypatch.setenv("ZHUFU_JUDGE_LLM_MODEL", "large")
    monkeypatch.setenv("ZHUFU_LLM_API_KEY", "geheim-schluessel")
    monkeypatch.chdir(gguf.parent)
    settings = judge_settings(choose_llm(Path("small.gguf"), api), monkeypatch)
    assert (settings.llm_url, settings.llm_model) == ("http://127.0.0.1:8004/v1", "small")
    assert settings.llm_api == (api or "completions")
    assert settings.llm_api_key is None  # the vendor's key stays with the vendor


@pytest.mark.parametrize("prefix", ["ZHUFU_LLM_", "ZHUFU_JUDGE_LLM_"])
def test_an_llm_of_the_environment_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    for name, value in {"URL": "https://vendor.example/v1", "MODEL": "large", "API_KEY": "geheim-schluessel"}.items():
        monkeypatch.setenv(f"{prefix}{name}", value)
    llm = choose_llm()
    assert isinstance(llm, GivenLlm)
    llm.check()
    assert list(llm.notes()) == []
    settings = judge_settings(llm, monkeypatch)
    assert (settings.llm_url, settings.llm_model, settings.llm_api) == ("https://vendor.example/v1", "large", "chat")
    assert settings.llm_api_key is not None
    assert judge_settings(choose_llm(api="completions"), monkeypatch).llm_api == "completions"


def test_the_agents_ask_the_same_local_model_and_keep_it_from_writing_white_space(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = LocalLlm().settings_for("multi_agent", 8000)
    (agents,) = (each for each in all_services("none", None, told) if each.name == "multi_agent")
    for name, value in agents.environment(8003, "redis://127.0.0.1:8000/0", {}).items():
        monkeypatch.setenv(name, value)
    settings = MultiAgentSettings()
    assert (settings.llm_url, settings.llm_model) == ("http://127.0.0.1:8004/v1", "gemma-3-270m")
    assert (settings.port, settings.llm_limit_name) == (8003, "local_llm")
    biases = settings.llm_extra_body["logit_bias"]
    assert isinstance(biases, list)
    assert ["\n\n", False] in biases
    assert [" ", False] not in biases
    assert judge_settings(LocalLlm(), monkeypatch).llm_extra_body == {}


def test_services_for_which_the_environment_names_no_llm_are_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHUFU_JUDGE_LLM_URL", "https://vendor.example/v1")
    monkeypatch.setenv("ZHUFU_JUDGE_LLM_MODEL", "large")
    llm = choose_llm()
    assert llm.settings_for("judge", 8000) == {}
    assert llm.settings_for("multi_agent", 8000) is None
    monkeypatch.setenv("ZHUFU_LLM_URL", "https://vendor.example/v1")
    monkeypatch.setenv("ZHUFU_LLM_MODEL", "large")
    assert llm.settings_for("multi_agent", 8000) == {}


def test_a_url_that_is_empty_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHUFU_LLM_URL", "")
    assert choose_llm() == LocalLlm()


@pytest.mark.parametrize("url", ["host:8000", "ftp://host/v1", "http://", "http://user:geheim@[host/v1"])
def test_what_is_no_url_of_an_llm_is_refused_without_repeating_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHUFU_LLM_MODEL", "large")
    with pytest.raises(LlmUnusable) as told:
        GivenLlm(url=url).check()
    assert "geheim" not in told.value.detail


def test_a_url_without_a_model_is_refused() -> None:
    with pytest.raises(LlmUnusable, match="ZHUFU_LLM_MODEL"):
        GivenLlm(url="http://127.0.0.1:8000/v1").check()


def test_secrets_of_a_url_are_not_shown() -> None:
    llm = GivenLlm(url="https://user:geheim@[::1]:8443/v1?key=geheim")
    assert llm.shown_url(8000) == "https://[::1]:8443/v1"


@pytest.mark.parametrize("package", ["xllamacpp", "the weights"])
def test_a_package_that_is_missing_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    present = object() if package == "the weights" else None
    monkeypatch.setattr("importlib.util.find_spec", lambda name: present if name == "xllamacpp" else None)
    with pytest.raises(LocalLlmMissing) as told:
        LocalLlm().check()
    for part in ("pip install", "ZHUFU_LLM_URL", "--no-judge"):
        assert part in told.value.detail


def test_a_file_that_is_no_model_is_told_before_anything_starts(gguf: Path) -> None:
    LocalLlm(model=gguf).check()
    gguf.write_text("你好")
    with pytest.raises(ModelUnusable, match=r"small\.gguf is not a GGUF file"):
        LocalLlm(model=gguf).check()


def test_its_process_reads_what_the_stack_tells_it(gguf: Path) -> None:
    for llm in (LocalLlm(), LocalLlm(model=gguf)):
        command = llm.command(8000)
        assert command[:4] == [sys.executable, "-P", "-m", "trainer.local_llm"]
        options = options_of(command[4:])
        assert (options.port, options.alias, options.model) == (8004, llm.alias, llm.model)
        assert llm.ready_url(8000) == "http://127.0.0.1:8004/health"


def test_who_uses_it_is_told_that_it_is_a_stand_in_and_under_which_terms(gguf: Path) -> None:
    stand_in, terms = LocalLlm().notes()
    assert "stand-in for trying things out" in stand_in
    assert "Gemma Terms of Use" in terms
    assert Path(next(word.rstrip(",") for word in terms.split() if "GEMMA_TERMS" in word)).is_file()
    (only,) = LocalLlm(model=gguf).notes()
    assert "small" in only
