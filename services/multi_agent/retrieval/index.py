"""An index on disk: the vectors of a corpus' prompts, the documents themselves, and whose they are.

The search is exact: at 25,000 vectors of 384 numbers it takes about a millisecond on one core, and grows with their
number. A folder holds all of an index or is none: files are written beside it and renamed together. What has changed
since, the embedder, the corpus, or a file, makes it refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib.metadata
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import faiss
import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError

from services.multi_agent.retrieval.corpus import Document, corpus_digest, without_copies
from services.multi_agent.retrieval.embeddings import Embedder, Vectors
from shared.documents import first_problem
from shared.errors import InvalidData
from shared.schemas import Contract

FORMAT: Final = 1
VECTORS_FILE: Final = "index.faiss"
DOCUMENTS_FILE: Final = "documents.jsonl"
MANIFEST_FILE: Final = "manifest.json"
FILES: Final = frozenset({VECTORS_FILE, DOCUMENTS_FILE, MANIFEST_FILE})
EMBEDDED_AT_ONCE: Final = 256
"""Documents between two calls of ``progress``."""
LEFTOVER_SECONDS: Final = 3_600.0
"""What a build that was killed left behind is removed by a later one, when it is surely of no living one."""

Progress = Callable[[int, int], None]
"""Is told how many documents of how many are embedded."""


class IndexMissing(InvalidData):
    """A folder holds no index."""

    code = "index_missing"


class IndexMismatch(InvalidData):
    """An index is not the one that is wanted: of another embedder or corpus, of another format, or damaged."""

    code = "index_mismatch"


class Manifest(Contract):
    """What an index is of.

    Attributes:
        format: Of the folder.
        embedder: The `Embedder.name` whose vectors these are.
        dimension: Numbers in a vector.
        count: Documents, copies left out.
        corpus_sha256: Of the file that the documents were read from.
        documents_sha256: Of `DOCUMENTS_FILE`.
        index_sha256: Of `VECTORS_FILE`.
        zhufu_version: What built it; for people.
    """

    format: int
    embedder: str
    dimension: int = Field(ge=1)
    count: int = Field(ge=1)
    corpus_sha256: str
    documents_sha256: str
    index_sha256: str
    zhufu_version: str

    @property
    def version(self) -> str:
        """A short name for what this index answers, whatever built it."""
        parts = f"{self.format} {self.embedder} {self.documents_sha256} {self.index_sha256}"
        return hashlib.sha256(parts.encode()).hexdigest()[:8]


class Index:
    """An index in memory. Never changed, so safe for any number of threads.

    Attributes:
        documents: In the order of their vectors.
        manifest: What it is of.
    """

    def __init__(self, vectors: Any, documents: Sequence[Document], manifest: Manifest) -> None:
        self.documents = documents
        self.manifest = manifest
        self._vectors = vectors

    def __len__(self) -> int:
        return len(self.documents)

    @property
    def dimension(self) -> int:
        """Numbers in a vector."""
        return self.manifest.dimension

    def vector(self, row: int) -> npt.NDArray[np.float32]:
        """The vector of a document, ``(dimension,)``."""
        found: npt.NDArray[np.float32] = self._vectors.reconstruct(row)
        return found

    def search(self, vector: npt.NDArray[np.float32], k: int) -> list[tuple[int, float]]:
        """The nearest documents, the nearest first; of equals, the one that stands first in the corpus.

        Args:
            vector: Of length 1, ``(dimension,)``.
            k: Documents at most.

        Returns:
            Rows in `documents`, and their cosine similarities.
        """
        faiss.omp_set_num_threads(1)  # of the calling thread; a second one gains nothing and waits for its core
        similarities, rows = self._vectors.search(vector.reshape(1, -1), min(k, len(self)))
        found = zip(rows[0].tolist(), similarities[0].tolist(), strict=True)
        return sorted(
            ((row, max(-1.0, min(1.0, similarity))) for row, similarity in found), key=lambda hit: (-hit[1], hit[0])
        )


async def build_index(
    documents: Sequence[Document],
    embedder: Embedder,
    folder: Path,
    *,
    corpus_sha256: str,
    progress: Progress | None = None,
    replace: bool = False,
) -> Manifest:
    """Embed the prompts of documents and write an index of them; nothing is written before all are embedded.

    Args:
        documents: Of one corpus; copies are left out.
        embedder: Whose vectors they get.
        folder: Where the index shall be; no mount point, since it is renamed into place.
        corpus_sha256: `corpus_digest` of the file, taken before the documents were read from it.
        progress: Told after every `EMBEDDED_AT_ONCE` documents.
        replace: Whether an index that is there gives way.

    Raises:
        InvalidData: There are no documents, the folder holds something else, or it cannot be written.
        EmbeddingFailed: Some prompts could not be embedded.
    """
    distinct = without_copies(documents)
    if not distinct:
        raise InvalidData(folder, "an index needs a document")
    _check_target(folder, replace)
    parts: list[Vectors] = []
    for start in range(0, len(distinct), EMBEDDED_AT_ONCE):
        prompts = [document.prompt for document in distinct[start : start + EMBEDDED_AT_ONCE]]
        parts.append(await embedder.embed(prompts, "passage"))
        if progress is not None:
            progress(start + len(prompts), len(distinct))
    return await asyncio.to_thread(
        _write, folder, distinct, np.concatenate(parts), embedder.name, corpus_sha256, replace
    )


def open_index(folder: Path, *, embedder_name: str, corpus_path: Path | None = None) -> Index:
    """An index that was built before; a fraction of a second for tens of thousands of documents. Blocks.

    Args:
        folder: Where it is.
        embedder_name: The `Embedder.name` of who will make the queries.
        corpus_path: The file that its documents must come from; not looked at by default.

    Raises:
        IndexMissing: There is none.
        IndexMismatch: It is of another embedder, corpus or format, or a file of it is not as it was written.
        InvalidData: The corpus cannot be read.
    """
    manifest = _read_manifest(folder)
    if manifest.embedder != embedder_name:
        raise IndexMismatch(folder, f"is an index of the embedder {manifest.embedder!r}, not of {embedder_name!r}")
    if corpus_path is not None and manifest.corpus_sha256 != corpus_digest(corpus_path):
        raise IndexMismatch(folder, f"is not an index of {corpus_path} as that file is now")
    lines = _read_checked(folder / DOCUMENTS_FILE, manifest.documents_sha256)
    packed = _read_checked(folder / VECTORS_FILE, manifest.index_sha256)
    try:
        documents = [Document.model_validate_json(line) for line in lines.splitlines()]
        vectors = faiss.deserialize_index(np.frombuffer(packed, np.uint8))
    except ValidationError as error:
        raise IndexMismatch(folder / DOCUMENTS_FILE, first_problem(error)) from None
    except RuntimeError as error:
        raise IndexMismatch(folder / VECTORS_FILE, "is not an index that FAISS reads") from error
    promised = manifest.count, manifest.count, manifest.dimension, faiss.METRIC_INNER_PRODUCT
    if (len(documents), vectors.ntotal, vectors.d, vectors.metric_type) != promised:
        raise IndexMismatch(folder, "its documents, its vectors and its manifest do not belong together")
    return Index(vectors, documents, manifest)


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST_FILE
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise IndexMissing(folder, "holds no index; `python -m services.multi_agent.retrieval` builds one") from None
    except OSError as error:
        raise IndexMismatch(path, f"cannot be read: {type(error).__name__}") from error
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        raise IndexMismatch(path, f"is no manifest of this version: {first_problem(error)}") from None
    if manifest.format != FORMAT:
        raise IndexMismatch(path, f"is of format {manifest.format}; this version reads format {FORMAT}")
    return manifest


def _read_checked(path: Path, sha256: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise IndexMismatch(path, f"cannot be read: {type(error).__name__}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise IndexMismatch(path, "is not the file that was built: its SHA-256 differs")
    return content


def _check_target(folder: Path, replace: bool) -> None:
    """Raise `InvalidData` where a folder must not give way; nothing but an index ever does."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise InvalidData(folder, "is not a folder")
    held = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if held - FILES:
        raise InvalidData(folder, f"holds something other than an index: {min(held - FILES)}")
    if held and not replace:
        raise InvalidData(folder, "holds files of an index already")


def _write(
    folder: Path, documents: Sequence[Document], vectors: Vectors, embedder: str, corpus_sha256: str, replace: bool
) -> Manifest:
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(np.ascontiguousarray(vectors))
    packed = faiss.serialize_index(flat).tobytes()
    lines = "".join(f"{document.model_dump_json()}\n" for document in documents).encode()
    manifest = Manifest(
        format=FORMAT,
        embedder=embedder,
        dimension=vectors.shape[1],
        count=len(documents),
        corpus_sha256=corpus_sha256,
        documents_sha256=hashlib.sha256(lines).hexdigest(),
        index_sha256=hashlib.sha256(packed).hexdigest(),
        zhufu_version=importlib.metadata.version("zhufu"),
    )
    contents = {
        VECTORS_FILE: packed,
        DOCUMENTS_FILE: lines,
        MANIFEST_FILE: f"{manifest.model_dump_json(indent=2)}\n".encode(),
    }
    folder = folder.absolute()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
        workshop = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".building", dir=folder.parent))
        try:
            made = workshop / "new"
            made.mkdir()
            for name, content in contents.items():
                _write_synced(made / name, content)
            _put_in_place(made, folder, workshop / "old", replace)
        finally:
            shutil.rmtree(workshop, ignore_errors=True)
        _sync_folder(folder.parent)
    except OSError as error:
        raise InvalidData(folder, f"cannot be written: {error.strerror or type(error).__name__}") from error
    return manifest


def _put_in_place(made: Path, folder: Path, old: Path, replace: bool) -> None:
    """Rename a whole index to where it belongs. In between a reader finds none, or files that do not fit."""
    _check_target(folder, replace)  # it may have come while texts were embedded
    if not folder.exists():
        made.rename(folder)
        return
    folder.rename(old)
    try:
        made.rename(folder)
    except OSError:
        old.rename(folder)
        raise


def _remove_leftovers(folder: Path) -> None:
    for path in folder.parent.glob(f".{folder.name}.*.building"):
        with contextlib.suppress(OSError):  # another build may remove it, too
            if time.time() - path.stat().st_mtime > LEFTOVER_SECONDS:
                shutil.rmtree(path)


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """So that the new names outlive a loss of power; not every system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
