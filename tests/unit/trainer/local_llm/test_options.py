from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import ZhufuError
from trainer.local_llm import errors, weights
from trainer.local_llm.__main__ import STATUS, options_of
from trainer.local_llm.options import API_KEY_VARIABLE, MODEL_VARIABLE, LocalLlmOptions, usable_cores
from trainer.ports import PortUnavailable


def test_a_port_is_enough_for_gemma() -> None:
    options = options_of(["--port", "8004"])
    assert options == LocalLlmOptions(port=8004)
    assert (options.model, options.alias, options.slots) == (None, "gemma-3-270m", 1)
    assert 1 <= options.threads <= usable_cores()


def test_everything_can_be_given() -> None:
    words = "--port 1 --model a/qwen.gguf --context 4096 --threads 1 --slots 4"
    options = LocalLlmOptions(port=1, model=Path("a/qwen.gguf"), alias="qwen", context_tokens=4096, threads=1, slots=4)
    assert options_of(words.split()) == options
    assert options_of([*words.split(), "--alias", "judge"]).alias == "judge"


def test_the_environment_names_a_model_where_the_command_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MODEL_VARIABLE, "a/gemma-3-270m.gguf")
    options = options_of(["--port", "1"])
    assert (options.model, options.alias) == (Path("a/gemma-3-270m.gguf"), "gemma-3-270m")
    assert options_of(["--port", "1", "--model", "b/qwen.gguf"]).alias == "qwen"
    monkeypatch.setenv(MODEL_VARIABLE, "")
    assert options_of(["--port", "1"]).model is None


@pytest.mark.parametrize(
    "words",
    ["", "--port 0", "--port x", "--port 1 --slots 0", "--port 1 --threads -1", "--port 1 --context 0", "--port 1 a"],
)
def test_wrong_options_end_with_status_2(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        options_of(words.split())
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_another_address_than_loopback_needs_a_key_which_no_message_shows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--port", "1", "--host", "0.0.0.0"]
    for refused in ("", "short"):
        monkeypatch.setenv(API_KEY_VARIABLE, refused)
        with pytest.raises(SystemExit) as ended:
            options_of(words)
        assert ended.value.code == 2
        assert API_KEY_VARIABLE in capsys.readouterr().err
    monkeypatch.setenv(API_KEY_VARIABLE, "long-enough")
    options = options_of(words)
    assert (options.host, options.api_key) == ("0.0.0.0", "long-enough")
    assert "long-enough" not in repr(options)


def test_each_error_has_an_exit_status_of_its_own() -> None:
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ZhufuError)}
    assert STATUS.keys() == (kinds - {ZhufuError}) | {PortUnavailable}
    assert len(set(STATUS.values())) == len(STATUS)
    assert not set(STATUS.values()) & {0, 1, 2}


def test_the_distribution_that_is_named_is_the_one_that_is_pinned() -> None:
    pinned = (Path(__file__).parents[4] / "pyproject.toml").read_text(encoding="utf-8")
    assert f'"{weights.DISTRIBUTION};' in pinned
