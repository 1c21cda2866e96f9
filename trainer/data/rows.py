"""The rows of a data file, whatever container holds them: a JSON list, JSON lines, parquet or lines of text.

Every fault is an `InvalidData` that names the file and the row, from 1: the element of a JSON list, the row of a table,
the line of a text (empty lines hold no row, but count).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from shared.errors import InvalidData

PARQUET_MAGIC = b"PAR1"
_SPACE = re.compile(r"[ \t\r\n]*")
_KINDS = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}


@dataclass(frozen=True, slots=True)
class Row:
    """One row and where it stands; its methods take fields out and raise `InvalidData` where they are not as asked."""

    path: str
    number: int
    fields: Mapping[str, object]

    def error(self, detail: str) -> InvalidData:
        """An error that names this row."""
        return InvalidData(self.path, detail, self.number)

    def text(self, name: str) -> str:
        """A field that is text and says something."""
        return self._text(self._field(name), f"field {name!r}")

    def turn(self, name: str, roles: Sequence[str]) -> str:
        """The text of a field that is one turn of a conversation, ``{"from": …, "value": …}``."""
        return self._turn(self._field(name), f"field {name!r}", "from", "value", roles)

    def only_turn(self, name: str, role: str, content: str, roles: Sequence[str]) -> str:
        """The text of the one turn in a field that is a conversation; with earlier turns, they would be lost.

        Args:
            name: The field.
            role: Key of a turn's speaker.
            content: Key of a turn's text.
            roles: Who may speak.
        """
        turns = self._field(name)
        if not isinstance(turns, list):
            raise self.error(f"field {name!r} is {kind_of(turns)}, not a list of turns")
        if len(turns) != 1:
            raise self.error(f"field {name!r} has {len(turns)} turns; a prompt is one turn, without history or system")
        return self._turn(turns[0], f"the turn in field {name!r}", role, content, roles)

    def _field(self, name: str) -> object:
        if name not in self.fields:
            raise self.error(f"field {name!r} is missing")
        return self.fields[name]

    def _turn(self, value: object, where: str, role: str, content: str, roles: Sequence[str]) -> str:
        if not isinstance(value, dict):
            raise self.error(f"{where} is {kind_of(value)}, not an object with {role!r} and {content!r}")
        for key in (role, content):
            if key not in value:
                raise self.error(f"{where} has no {key!r}")
        if value[role] not in roles:
            raise self.error(f"{where} is not from {' or '.join(roles)}")
        return self._text(value[content], f"{content!r} in {where}")

    def _text(self, value: object, where: str) -> str:
        if not isinstance(value, str):
            raise self.error(f"{where} is {kind_of(value)}, not text")
        if not value.strip():
            raise self.error(f"{where} is empty")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise self.error(f"{where} holds lone surrogates, which are not text") from None
        return value


def kind_of(value: object) -> str:
    """What a JSON value is, in a word for people."""
    return _KINDS.get(type(value), "null" if value is None else type(value).__name__)


def read_file(path: Path) -> bytes:
    """The bytes of a file that has some."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InvalidData(path, "there is no such file") from None
    except IsADirectoryError:
        raise InvalidData(path, "is a folder, not a file") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a null character in it
        raise InvalidData(path, f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not data.strip():
        raise InvalidData(path, "is empty")
    return data


def text_rows(path: Path, data: bytes) -> Iterator[Row]:
    """The lines of a text as rows with the one field ``prompt``."""
    for number, line in _lines(_decode(path, data)):
        yield Row(str(path), number, {"prompt": line})


def json_rows(path: Path, data: bytes) -> Iterator[Row]:
    """The objects of a JSON list or, where the text does not begin with a bracket, of JSON lines."""
    text = _decode(path, data)
    start = _after_space(text, 0)
    values = _list_values(path, text, start + 1) if text.startswith("[", start) else _line_values(path, text)
    for number, value in values:
        if not isinstance(value, dict):
            raise InvalidData(path, f"a row must be an object, this one is {kind_of(value)}", number)
        yield Row(str(path), number, value)


def parquet_rows(path: Path, data: bytes, column: str) -> Iterator[Row]:
    """The rows of a parquet file, with one of its columns only."""
    import pyarrow as pa  # slow to import, and most files are JSON
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(pa.BufferReader(data)) as file:
            names = file.schema_arrow.names
            table = file.read(columns=[column]) if column in names else None
    except (pa.ArrowException, OSError) as error:
        raise InvalidData(path, f"is not a parquet file that can be read: {error}") from None
    if table is None:
        raise InvalidData(path, f"has no column {column!r}; it has {', '.join(names) or 'none'}")
    for number, value in enumerate(table.column(column), start=1):
        try:
            content = value.as_py()
        except UnicodeDecodeError:
            raise InvalidData(path, f"column {column!r} is not UTF-8", number) from None
        yield Row(str(path), number, {column: content})


def _decode(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidData(path, f"is not UTF-8: byte {error.start + 1:,}, in line {line:,}") from None


def _lines(text: str) -> Iterator[tuple[int, str]]:
    # Not splitlines: it also cuts at U+2028 and other characters that may stand within a text.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line.removesuffix("\r")


def _line_values(path: Path, text: str) -> Iterator[tuple[int, object]]:
    for number, line in _lines(text):
        value, end = _value(path, number, line, _after_space(line, 0))
        if _after_space(line, end) != len(line):
            raise InvalidData(path, f"not one JSON object a line: more follows in column {end + 1:,}", number)
        yield number, value


def _list_values(path: Path, text: str, start: int) -> Iterator[tuple[int, object]]:
    """The elements of a JSON list, parsed one by one so that an error can name its row."""
    number, position = 1, _after_space(text, start)
    if text.startswith("]", position):
        raise InvalidData(path, "holds no rows")
    while True:
        value, position = _value(path, number, text, position)
        yield number, value
        position = _after_space(text, position)
        if not text.startswith(",", position):
            break
        number, position = number + 1, _after_space(text, position + 1)
    if not text.startswith("]", position):
        raise InvalidData(path, f"not JSON: ',' or ']' expected {_place(text, position)}", number)
    position = _after_space(text, position + 1)
    if position != len(text):
        raise InvalidData(path, f"not JSON: something follows the list {_place(text, position)}")


def _value(path: Path, number: int, text: str, position: int) -> tuple[object, int]:
    try:
        return _DECODER.raw_decode(text, position)
    except json.JSONDecodeError as error:
        detail = f"not JSON: {error.msg} {_place(text, error.pos)}"
    except RecursionError:
        detail = "not a row: nested too deeply"
    except ValueError as error:  # from the hooks below, or a number of thousands of digits
        detail = f"not JSON: {error}"
    raise InvalidData(path, detail, number)


def _after_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _place(text: str, position: int) -> str:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return f"at column {column:,}" if "\n" not in text else f"at line {line:,}, column {column:,}"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _object(members: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(members)
    if len(fields) != len(members):  # Python's parser would keep the last and lose the others
        names = [name for name, _ in members]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"field {twice!r} stands twice")
    return fields


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_object)
