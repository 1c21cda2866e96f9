"""Reading sheets that came back, however a spreadsheet program has saved them.

UTF-8 with or without a byte order mark, UTF-16, or GBK; commas, semicolons or tabs; rows in any order, empty rows, a
line ``sep=;`` before all others. What is not a point is an error that names file, row (as the spreadsheet counts them,
the heading is row 1) and column; what is empty is missing, and stays so.
"""

from __future__ import annotations

import codecs
import csv
import dataclasses
import io
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from shared.errors import InvalidData
from trainer.evaluation.ratings.rubric import DIMENSIONS, POINTS
from trainer.evaluation.ratings.sheets import COMMENT, DIMENSION_COLUMNS, ID

ENDINGS = {".csv", ".tsv", ".txt"}
WORKBOOKS = {".xlsx", ".xls", ".xlsm", ".ods", ".numbers"}
DELIMITERS = ",;\t"

Points = Mapping[str, int]
"""What one rater gave one text, by dimension; dimensions without points are not in it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FilledSheet:
    """What one rater gave.

    Attributes:
        rater: Name of the file.
        points: By item; items without any point are not in it.
        comments: By item, where there is one.
        items: How many rows the sheet has.
    """

    rater: str
    points: Mapping[str, Points]
    comments: Mapping[str, str]
    items: int

    @property
    def complete(self) -> dict[str, Points]:
        """The items with points in every dimension."""
        return {item: given for item, given in self.points.items() if len(given) == len(DIMENSIONS)}


def read_sheets(folder: Path, known: Collection[str]) -> list[FilledSheet]:
    """All sheets of a folder, by name.

    Args:
        folder: Holds them.
        known: Ids of the items that were handed out.

    Raises:
        InvalidData: There are none, or one is not a sheet, was saved as a workbook, or has a cell that is none.
    """
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith((".", "~$")))
    except OSError as error:
        raise InvalidData(folder, f"cannot be read: {error.strerror}") from None
    sheets = [path for path in files if path.suffix.lower() in ENDINGS]
    workbooks = [path for path in files if path.suffix.lower() in WORKBOOKS]
    if workbooks:
        raise InvalidData(workbooks[0], "is a workbook: save it as CSV, and take the workbook out of the folder")
    if not sheets:
        raise InvalidData(folder, "holds no sheets: .csv, .tsv or .txt")
    names = [path.stem for path in sheets]
    for path in sheets:
        if names.count(path.stem) > 1:
            raise InvalidData(path, "there are two sheets of this name")
    return [read_sheet(path, known) for path in sheets]


def read_sheet(path: Path, known: Collection[str]) -> FilledSheet:
    """One sheet; see `read_sheets`."""
    rows = _rows(path)
    places = _header(path, rows)
    points: dict[str, Points] = {}
    comments: dict[str, str] = {}
    seen: dict[str, int] = {}
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        item = _cell(row, places[ID]).upper()
        if item not in known:
            raise InvalidData(path, f"column {ID!r}: {_short(item)} is no item of these sheets", number)
        if item in seen:
            raise InvalidData(path, f"column {ID!r}: {item} stands in row {seen[item]}, too", number)
        seen[item] = number
        given = {}
        for dimension, column in DIMENSION_COLUMNS.items():
            value = _points(path, number, column, _cell(row, places[column]))
            if value is not None:
                given[dimension] = value
        if given:
            points[item] = given
        if COMMENT in places and (comment := _cell(row, places[COMMENT])):
            comments[item] = comment
    return FilledSheet(rater=path.stem, points=points, comments=comments, items=len(seen))


def _points(path: Path, number: int, column: str, cell: str) -> int | None:
    """1, 2 or 3, as spreadsheets write them: also 2.0, and full-width digits; None for an empty cell."""
    if not cell:
        return None
    try:
        value = float(cell.replace(",", "."))
    except ValueError:
        value = 0.0
    if value not in POINTS:
        raise InvalidData(path, f"column {column!r}: {_short(cell)} is none of 1, 2 and 3", number)
    return int(value)


def _rows(path: Path) -> list[list[str]]:
    """The rows of a sheet, split by whichever delimiter gives it the columns of one; else by commas."""
    text = _text(path)
    begin, _, rest = text.partition("\n")
    if begin.strip().lower().startswith("sep="):  # no row to a spreadsheet program
        text = rest
    first: list[list[str]] | None = None
    for delimiter in DELIMITERS:
        try:
            rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
        except csv.Error:
            continue
        first = rows if first is None else first
        if rows and ID in map(_column, rows[0]):
            return rows
    if first is None:
        raise InvalidData(path, "is not a CSV file")
    return first


def _text(path: Path) -> str:
    data = path.read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings: Sequence[str] = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "gb18030")  # the second is what Excel's "CSV" is on a Chinese Windows
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InvalidData(path, f"is text in none of {', '.join(encodings)}: save it as CSV UTF-8")


def _header(path: Path, rows: Sequence[Sequence[str]]) -> dict[str, int]:
    """The place of each column."""
    places = {_column(cell): place for place, cell in enumerate(rows[0] if rows else ())}
    if ID not in places:
        raise InvalidData(path, f"has no column {ID!r} in its first row: it is not one of the sheets", 1)
    for column in DIMENSION_COLUMNS.values():
        if column not in places:
            raise InvalidData(path, f"column {column!r} is missing", 1)
    return places


def _column(cell: str) -> str:
    """The column that a heading names, by any of its words; else the heading itself."""
    words = unicodedata.normalize("NFKC", cell).casefold().split()
    for column in (ID, COMMENT, *DIMENSION_COLUMNS.values()):
        names = column.split()
        if words == names or (len(words) == 1 and words[0] in names):
            return column
    return " ".join(words)


def _cell(row: Sequence[str], place: int) -> str:
    return unicodedata.normalize("NFKC", row[place]).strip() if place < len(row) else ""


def _short(text: str) -> str:
    return repr(text if len(text) <= 20 else f"{text[:20]}…")
