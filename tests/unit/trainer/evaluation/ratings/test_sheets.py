"""Sheets out and back in: safe to open, blind, and read however a spreadsheet program has saved them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import pytest

from shared.errors import InvalidData
from tests.unit.trainer.evaluation.ratings.made import evaluated
from trainer.evaluation.ratings.cells import BLANK, MAX_CELL_CHARACTERS, safe_cell
from trainer.evaluation.ratings.filled import FilledSheet, read_sheet, read_sheets
from trainer.evaluation.ratings.items import Item, Origin, draw_items
from trainer.evaluation.ratings.rubric import DIMENSIONS
from trainer.evaluation.ratings.sheets import COLUMNS, README, sheet, write_sheets

KNOWN = ("BCDFGH", "JKLMNP", "QRSTVW")
HEADING = list(COLUMNS)


def row(item: str, *points: object, comment: str = "") -> list[str]:
    return [item, "要求", "文本", *map(str, points), comment]


def saved(rows: list[list[str]], *, delimiter: str = ",") -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue()


def read(folder: Path, content: str | bytes, name: str = "rater-1.csv") -> FilledSheet:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_sheet(path, KNOWN)


def given(sheet: FilledSheet) -> Mapping[str, list[int]]:
    return {item: list(points.values()) for item, points in sheet.points.items()}


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", " =1+1", "\t=1", "＝1+1", "＋1", "－1", "＠甲", "\u3000=1", "\n=1", "\ufeff=1"],
)
def test_no_text_begins_a_formula(text: str) -> None:
    assert safe_cell(text, "x").startswith("'")


def test_a_cell_shows_what_was_written_as_far_as_cells_can() -> None:
    assert safe_cell("愿你=平安\n第二行", "x") == "愿你=平安\n第二行"
    assert safe_cell("甲\x00乙\x1b[31m\r\n丙", "x") == "甲\ufffd乙\ufffd[31m\n丙"
    assert safe_cell(" \n", "x") == BLANK
    with pytest.raises(InvalidData, match="BCDFGH: a text of 32,768 characters"):
        safe_cell("福" * (MAX_CELL_CHARACTERS + 1), "BCDFGH")


def test_a_sheet_has_a_mark_for_excel_and_nothing_that_tells_who_wrote(tmp_path: Path) -> None:
    texts = evaluated(["secret-model", "另一个模型"], 6, completion=lambda model, prompt, number: f"第{prompt}条")
    drawn = draw_items(texts, items=12, raters=2, overlap=1.0, seed=0)
    paths = write_sheets(drawn, tmp_path)
    assert [path.name for path in paths] == ["rater-1.csv", "rater-2.csv"]
    for path in tmp_path.iterdir():
        content = path.read_text(encoding="utf-8")
        assert "secret-model" not in content
        assert "另一个模型" not in content
        assert "row-" not in content
    assert paths[0].read_bytes().startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(paths[0].read_text(encoding="utf-8-sig"), newline="")))
    assert rows[0] == HEADING
    assert [cells[0] for cells in rows[1:]] == list(drawn.sheets["rater-1"])
    assert all(cells[3:] == [""] * 6 for cells in rows[1:])
    for dimension in DIMENSIONS:
        assert f"{dimension.weight} %" in (tmp_path / README).read_text(encoding="utf-8")


def test_a_text_with_quotes_commas_and_lines_stays_in_its_cell() -> None:
    text = '愿你，"平安",\n=甲;乙\t丙'
    content = sheet([Item(id=KNOWN[0], prompt_id="row-1", prompt="要求", text=text, origins=(Origin("m", "s"),))])
    rows = list(csv.reader(io.StringIO(content.removeprefix("\ufeff"), newline="")))
    assert [len(cells) for cells in rows] == [len(COLUMNS)] * 2
    assert rows[1][2] == text


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "utf-16"])
def test_a_sheet_is_read_however_it_was_saved(tmp_path: Path, delimiter: str, encoding: str) -> None:
    rows = [HEADING, row(KNOWN[0], 1, 2, 3, 1, 2, comment="好；很好, 真的"), row(KNOWN[1], 3, 3, 3, 3, 3)]
    sheet = read(tmp_path, saved(rows, delimiter=delimiter).encode(encoding))
    assert given(sheet) == {KNOWN[0]: [1, 2, 3, 1, 2], KNOWN[1]: [3, 3, 3, 3, 3]}
    assert list(sheet.points[KNOWN[0]]) == ["language", "creativity", "emotion", "culture", "richness"]
    assert sheet.comments[KNOWN[0]].startswith("好")
    assert (sheet.rater, sheet.items, len(sheet.complete)) == ("rater-1", 2, 2)


def test_points_are_read_as_people_and_programs_write_them(tmp_path: Path) -> None:
    rows = [HEADING, row(KNOWN[0].lower(), " 1 ", "2.0", "３", "2,0", "1")]
    assert given(read(tmp_path, saved(rows, delimiter=";"))) == {KNOWN[0]: [1, 2, 3, 2, 1]}


def test_what_is_empty_is_missing(tmp_path: Path) -> None:
    rows = [HEADING, row(KNOWN[0], 1, "", 3, " ", 2), [""] * 9, row(KNOWN[1], "", "", "", "", ""), [KNOWN[2]]]
    sheet = read(tmp_path, saved(rows))
    assert {item: dict(points) for item, points in sheet.points.items()} == {
        KNOWN[0]: {"language": 1, "emotion": 3, "richness": 2}
    }
    assert (sheet.items, sheet.complete) == (3, {})


def test_columns_may_stand_in_another_order_with_others_between_and_half_a_name(tmp_path: Path) -> None:
    heading = ["richness", "note", "文化", "情感 emotion", "CREATIVITY", "语言", "id"]
    sheet = read(tmp_path, saved([heading, ["1", "x", "2", "3", "1", "2", KNOWN[0]]]))
    assert dict(sheet.points[KNOWN[0]]) == {"language": 2, "creativity": 1, "emotion": 3, "culture": 2, "richness": 1}


def test_a_line_that_names_the_delimiter_is_no_row(tmp_path: Path) -> None:
    rows = [HEADING, row(KNOWN[0], 1, 2, 3, 1, 4)]
    with pytest.raises(InvalidData, match="row 2: column '内容 richness'"):
        read(tmp_path, "sep=;\r\n" + saved(rows, delimiter=";"))


@pytest.mark.parametrize("value", ["0", "4", "1.5", "二", "good", "-1", "nan", "1 2", "=2"])
def test_what_is_no_point_is_named_with_file_row_and_column(tmp_path: Path, value: str) -> None:
    rows = [HEADING, row(KNOWN[0], 1, 1, 1, 1, 1), ["", "\n", ""], row(KNOWN[1], 1, value, 1, 1, 1)]
    with pytest.raises(InvalidData, match=r"rater-1\.csv, row 4: column '创意 creativity': .* is none of 1, 2 and 3"):
        read(tmp_path, saved(rows))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([HEADING, row("XXXXXX", 1, 1, 1, 1, 1)], "row 2: column '编号 id': 'XXXXXX' is no item of these sheets"),
        ([HEADING, row(KNOWN[0], 1, 1, 1, 1, 1), row(KNOWN[0], 2, 2, 2, 2, 2)], "row 3: .* stands in row 2, too"),
        ([["a", "b"], ["1", "2"]], "row 1: has no column '编号 id'"),
        ([HEADING[:4], ["", "", "", ""]], "row 1: column '创意 creativity' is missing"),
        ([], "has no column '编号 id'"),
    ],
)
def test_what_is_no_sheet_is_refused(tmp_path: Path, rows: list[list[str]], message: str) -> None:
    with pytest.raises(InvalidData, match=message):
        read(tmp_path, saved(rows))


def test_all_sheets_of_a_folder_are_read_and_other_files_are_not(tmp_path: Path) -> None:
    for name in ("rater-2.csv", "rater-1.txt"):
        (tmp_path / name).write_text(saved([HEADING, row(KNOWN[0], 1, 1, 1, 1, 1)]))
    for name in (README, "~$rater-1.csv", ".hidden.csv"):
        (tmp_path / name).write_text("no sheet")
    assert [sheet.rater for sheet in read_sheets(tmp_path, KNOWN)] == ["rater-1", "rater-2"]
    (tmp_path / "rater-1.csv").write_text("")
    with pytest.raises(InvalidData, match="two sheets of this name"):
        read_sheets(tmp_path, KNOWN)


def test_a_folder_without_sheets_or_with_workbooks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="holds no sheets"):
        read_sheets(tmp_path, KNOWN)
    with pytest.raises(InvalidData, match="cannot be read"):
        read_sheets(tmp_path / "nowhere", KNOWN)
    (tmp_path / "rater-1.xlsx").write_bytes(b"PK")
    with pytest.raises(InvalidData, match=r"rater-1\.xlsx: is a workbook: save it as CSV"):
        read_sheets(tmp_path, KNOWN)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="is text in none of utf-8-sig, gb18030"):
        read(tmp_path, b"\xff\xff\x80 \x80")
