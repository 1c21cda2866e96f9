"""The prompts of a bulk run, from whatever `trainer.data.formats` reads; one bad row does not end it.

In files of lines (JSON lines, text) every row stands for itself: one that is not JSON, not UTF-8, or has no prompt is
left out and named. In a JSON list or a parquet table the same holds for rows without a prompt; a container that cannot
be read at all is an error. A prompt that stands there twice is asked once.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from shared.errors import InvalidData
from trainer.data.formats import LINES, PROMPT_PREFIX, VERL, Format, format_of, load_prompts
from trainer.data.records import Loaded, Skipped
from trainer.data.rows import PARQUET_MAGIC, Row, json_rows, parquet_rows, read_file, text_rows

_JSON_ENDINGS = {".json", ".jsonl", ".ndjson"}
_SPACE = b"\xef\xbb\xbf \t\r\n"


@dataclasses.dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt and its row in the source; rows count from 1, in text files lines do."""

    row: int
    text: str

    @property
    def id(self) -> str:
        """The name of this prompt in all files of a run."""
        return f"row-{self.row}"


@dataclasses.dataclass(frozen=True, slots=True)
class Prompts:
    """What a run asks, in order, and what it does not: faulty rows, and rows that repeat an earlier prompt."""

    asked: list[Prompt]
    skipped: list[Skipped]
    repeated: list[Skipped]

    @property
    def sha256(self) -> str:
        """Of the prompts and their rows."""
        rows = [[prompt.row, prompt.text] for prompt in self.asked]
        return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()

    def left_out(self) -> str | None:
        """One line for people; None where every row is asked."""
        if not self.skipped and not self.repeated:
            return None
        return Loaded(self.asked, [*self.skipped, *self.repeated]).summary()


def read_prompts(source: str, limit: int | None = None) -> Prompts:
    """All distinct prompts of a source, or the first ``limit`` of them.

    Raises:
        InvalidData: The source is not there, cannot be read at all, or not one of its rows holds a prompt.
    """
    asked: list[Prompt] = []
    skipped: list[Skipped] = []
    repeated: list[Skipped] = []
    first_rows: dict[str, int] = {}
    for row in _prompts(source):
        if limit is not None and len(asked) == limit:
            break
        if isinstance(row, Skipped):
            skipped.append(row)
        elif row.text in first_rows:
            repeated.append(Skipped(row.row, f"asks what row {first_rows[row.text]:,} asks"))
        else:
            first_rows[row.text] = row.row
            asked.append(row)
    if not asked:
        raise InvalidData(source, f"holds no prompts: {Loaded(asked, skipped).summary() if skipped else 'no rows'}")
    return Prompts(asked, skipped, repeated)


def _prompts(source: str) -> Iterator[Prompt | Skipped]:
    if source.partition(":")[0] == "starter":
        for number, text in enumerate(load_prompts(source).records, start=1):
            yield Prompt(number, text)
        return
    form: Format | None
    form, rows = _open(Path(source))
    for row in rows:
        if isinstance(row, Skipped):
            yield row
            continue
        try:
            form = form or format_of(row)  # the first row with a format that is known tells that of the others
            yield Prompt(row.number, _without_prefix(row, form.prompt(row)))
        except InvalidData as error:
            yield Skipped(row.number, _reason(error))


def _open(path: Path) -> tuple[Format | None, Iterable[Row | Skipped]]:
    """The rows of a file, and their format where the file's kind tells it."""
    data = read_file(path)
    ending = path.suffix.lower()
    if ending == ".parquet" or data.startswith(PARQUET_MAGIC):
        return VERL, parquet_rows(path, data, "prompt")
    if ending == ".txt":
        return LINES, _lines(path, data, is_json=False)
    begin = data.lstrip(_SPACE)[:1]
    if ending not in _JSON_ENDINGS and begin not in {b"[", b"{"}:
        raise InvalidData(path, "is neither JSON, JSON lines, parquet nor a .txt file")
    return None, json_rows(path, data) if begin == b"[" else _lines(path, data, is_json=True)


def _lines(path: Path, data: bytes, *, is_json: bool) -> Iterator[Row | Skipped]:
    """Every line for itself, so that a fault in one is no fault of the others."""
    for number, line in enumerate(data.split(b"\n"), start=1):
        try:
            text = line.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            yield Skipped(number, f"is not UTF-8: byte {error.start + 1:,} of the line")
            continue
        if not text.strip():
            continue
        if is_json and text.lstrip().startswith("["):  # alone on its line it would pass for a file that is a list
            yield Skipped(number, "a row must be an object, this one is a list")
            continue
        try:
            row = next(iter(json_rows(path, line) if is_json else text_rows(path, line)))
        except InvalidData as error:
            yield Skipped(number, _reason(error))
        else:
            yield dataclasses.replace(row, number=number)


def _without_prefix(row: Row, text: str) -> str:
    stripped = text.removeprefix(PROMPT_PREFIX)
    if not stripped.strip():
        raise row.error(f"nothing follows {PROMPT_PREFIX!r} in the prompt")
    return stripped


def _reason(error: InvalidData) -> str:
    """What is wrong with a row, without where it stands."""
    return error.detail.removeprefix(f"{error.path}, row {error.row}: ")
