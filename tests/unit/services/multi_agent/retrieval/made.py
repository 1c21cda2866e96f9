"""What the tests of retrieval are made of: an embedder that needs no model, documents, a small index."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from services.multi_agent.retrieval.corpus import Document
from services.multi_agent.retrieval.embeddings import EmbeddingFailed, Kind, Vectors, normalised
from services.multi_agent.retrieval.index import Index, build_index, open_index

DIMENSION = 64
SHA256 = "0" * 64


class LetterEmbedder:
    """Texts with the same letters are near each other; queries and passages are alike."""

    def __init__(self, name: str = "letters", *, dimension: int = DIMENSION, fails_at: str | None = None) -> None:
        self.name = name
        self.dimension: int | None = dimension
        self.seen: list[tuple[str, Kind]] = []
        self._size = dimension
        self._fails_at = fails_at

    async def embed(self, texts: Sequence[str], kind: Kind) -> Vectors:
        self.seen += [(text, kind) for text in texts]
        if self._fails_at in texts:
            raise EmbeddingFailed("no", code="embedding_unreachable")
        return normalised(np.stack([self._vector(text) for text in texts]))

    async def check(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def _vector(self, text: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        vector = np.full(self._size, 0.01)
        for letter in text:
            digest = hashlib.sha256(f"{self.name}{letter}".encode()).digest()
            vector[int.from_bytes(digest[:4]) % self._size] += 1.0
        return vector


def documents(count: int) -> list[Document]:
    return [
        Document(prompt=f"给{chr(0x4E00 + place)}{chr(0x6000 + place)}的祝福", completion=f"祝福第{place}条")
        for place in range(count)
    ]


async def made_index(folder: Path, rows: Sequence[Document], embedder: LetterEmbedder | None = None) -> Index:
    """Built, and opened again."""
    embedder = embedder or LetterEmbedder()
    await build_index(rows, embedder, folder, corpus_sha256=SHA256)
    return open_index(folder, embedder_name=embedder.name)
