"""Who writes: a model that is asked here, or a file of completions that were written elsewhere."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from shared.errors import ZhufuError

PIECE_BYTES = 1 << 20
"""Of a large file the beginning, the middle and the end, each so much, tell it from others."""
_NAME = re.compile(r"\w[\w.+-]{0,63}")
_FILE_ENDINGS = {".jsonl", ".json", ".ndjson"}
_MODEL_ENDINGS = {".json", ".safetensors", ".bin", ".jinja", ".model", ".txt"}


class InvalidModel(ZhufuError):
    """Not a way to name a model."""

    code = "invalid_model"


@dataclasses.dataclass(frozen=True, slots=True)
class NamedModel:
    """A model and what it is called in a report. ``source``: a folder, a hub id, or a file of completions."""

    name: str
    source: str

    @property
    def is_file(self) -> bool:
        """Whether its completions are written already."""
        return Path(self.source).suffix.lower() in _FILE_ENDINGS

    def fingerprint(self) -> str | None:
        """Tells the files behind the source from others, so that samples of another model are not taken for its own.

        None for a hub id: what it stands for now is not asked.
        """
        path = Path(self.source)
        if path.is_file():
            return hashlib.sha256(path.read_bytes()).hexdigest()
        if not path.is_dir():
            return None
        digest = hashlib.sha256()
        for file in sorted(path.iterdir()):
            if file.is_file() and file.suffix.lower() in _MODEL_ENDINGS:
                digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
                for piece in _pieces(file):
                    digest.update(piece)
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """As JSON, for the record beside its samples."""
        return {"name": self.name, "source": self.source, "fingerprint": self.fingerprint()}


def parse_models(options: Sequence[str]) -> list[NamedModel]:
    """Read ``NAME=PATH`` options.

    Raises:
        InvalidModel: One is not of that form, a name stands twice or is none for a folder, or there is no model.
    """
    models: dict[str, NamedModel] = {}
    for option in options:
        name, separator, source = option.partition("=")
        if not separator or not source or not _NAME.fullmatch(name):
            raise InvalidModel(
                f"--model {option!r}: write NAME=PATH, with a folder, a hub id or a .jsonl file of completions; "
                "a name is of letters, digits and . + - _"
            )
        if name.casefold() in {known.casefold() for known in models}:
            raise InvalidModel(f"--model {name} stands twice")
        model = NamedModel(name, source)
        if model.is_file and not Path(source).is_file():
            raise InvalidModel(f"--model {name}: there is no file {source}")
        models[name] = model
    if not models:
        raise InvalidModel("give at least one --model NAME=PATH")
    return list(models.values())


def _pieces(path: Path) -> Iterator[bytes]:
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= 3 * PIECE_BYTES:
            yield file.read()
            return
        for start in (0, (size - PIECE_BYTES) // 2, size - PIECE_BYTES):
            file.seek(start)
            yield file.read(PIECE_BYTES)
