"""The page of a document: safe to open whatever its texts hold, complete in itself, and plain about what failed."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from trainer.report.charts import heat_map, interval_bars
from trainer.report.document import (
    Block,
    Cell,
    Document,
    Notice,
    Paragraph,
    Plot,
    Section,
    Table,
    Tone,
    number_cell,
    text_cell,
)
from trainer.report.document_page import write_document

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7 * 7 }}</svg></title></style>"


class Page(HTMLParser):
    """All elements with their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def named(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == name]


def rendered(folder: Path, document: Document) -> tuple[str, Page]:
    text = write_document(document, folder).read_text(encoding="utf-8")
    return text, Page(text)


def of_blocks(*blocks: Block, folded: bool = False) -> Document:
    return Document(title="t", summary="s", sections=[Section(title="blocks", blocks=blocks, folded=folded)])


def evil_document() -> Document:
    blocks: list[Block] = [
        Paragraph(text=EVIL),
        Notice(text=EVIL, tone="warn"),
        Table(columns=[EVIL], rows=[[text_cell(EVIL, tone="bad", note=EVIL)]], title=EVIL, note=EVIL),
        Plot(title=EVIL, svg=f"<svg>{EVIL}", note=EVIL),
    ]
    sections = [Section(title=EVIL, blocks=blocks, folded=folded) for folded in (True, False, True, False)]
    notices = [Notice(text=EVIL, tone="bad")]
    return Document(title=EVIL, summary=EVIL, notices=notices, sections=sections, settings={EVIL: EVIL})


def test_texts_are_shown_and_never_run(tmp_path: Path) -> None:
    _, page = rendered(tmp_path, evil_document())
    assert len(page.named("script")) == 1
    assert not {tag for tag, _ in page.elements} & {"iframe", "object", "embed", "link", "form", "base", "svg"}
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert {(image["src"] or "").split(",")[0] for image in page.named("img")} == {"data:image/svg+xml;base64"}
    assert {(link["href"] or "")[:9] for link in page.named("a")} == {"#section-"}
    assert page.text.count("<script>alert(1)</script>") > 40
    assert "{{ 7 * 7 }}" in page.text


def test_the_page_allows_its_own_script_and_nothing_else(tmp_path: Path) -> None:
    text, page = rendered(tmp_path, evil_document())
    (policy,) = [meta["content"] for meta in page.named("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    before_title = [tag for tag, _ in page.elements[: [tag for tag, _ in page.elements].index("title")]]
    assert before_title.count("meta") >= 3, "the policy stands before all else"


def test_columns_are_sorted_by_buttons_and_know_what_is_missing(tmp_path: Path) -> None:
    rows = [
        (text_cell("a"), number_cell(0.1234), number_cell(None)),
        (text_cell("–"), number_cell(None), number_cell(None)),
        (text_cell(""), Cell(text="much", value=float("inf")), Cell(text="what", value=float("nan"))),
        (text_cell("b"), text_cell("failed"), number_cell(None)),
    ]
    _, page = rendered(tmp_path, of_blocks(Table(columns=("name", "figure", "nothing"), rows=rows)))
    assert [header["aria-sort"] for header in page.named("th")] == ["none"] * 3
    assert [button["type"] for button in page.named("button")] == ["button"] * 3
    keys = ["missing" if "data-missing" in cell else cell.get("data-value", "text") for cell in page.named("td")]
    assert keys[0::3] == ["text", "missing", "missing", "text"]
    assert keys[1::3] == ["0.1234", "missing", "Infinity", "missing"]
    assert keys[2::3] == ["missing", "missing", "text", "missing"]


@pytest.mark.parametrize(
    ("tone", "sign"), [("bad", "✗fails: 0.5"), ("warn", "⚠︎warning: 0.5"), ("good", "✓passes: 0.5")]
)
def test_tones_are_told_by_more_than_a_colour(tmp_path: Path, tone: Tone, sign: str) -> None:
    _, page = rendered(tmp_path, of_blocks(Table(columns=["c"], rows=[[number_cell(0.5, form=".1f", tone=tone)]])))
    assert sign in page.text
    (cell,) = page.named("td")
    assert tone in (cell["class"] or "").split()


def test_what_failed_stands_first_and_in_the_title_of_the_window(tmp_path: Path) -> None:
    notices = [Notice(text="fine", tone="good"), Notice(text="an aside"), Notice(text="broken", tone="bad")]
    _, page = rendered(tmp_path, Document(title="Report", summary="the summary", notices=notices))
    assert re.search(r"✗ Report", page.text)
    places = [page.text.index(part) for part in ("broken", "an aside", "fine", "the summary")]
    assert places == sorted(places)


def test_a_crowd_of_notices_shares_a_box_and_every_one_is_there(tmp_path: Path) -> None:
    def boxes(count: int) -> list[str]:
        notices = [Notice(text=f"broken {number}", tone="bad") for number in range(count)]
        notices.append(Notice(text="fine", tone="good"))
        text, _ = rendered(tmp_path, Document(title="t", summary="s", notices=notices))
        return re.findall(r'<div class="notice .*?</div>', text)

    assert [box.count("broken") for box in boxes(3)] == [1, 1, 1, 0]
    assert [box.count("broken") for box in boxes(4)] == [4, 0]


def test_a_window_of_what_passed_has_no_sign(tmp_path: Path) -> None:
    text, _ = rendered(tmp_path, Document(title="Report", summary="s", notices=[Notice(text="fine", tone="good")]))
    assert "<title>Report</title>" in text


def test_folded_sections_show_that_something_within_fails(tmp_path: Path) -> None:
    bad = Table(columns=["c"], rows=[[text_cell("falls", tone="bad")]])
    text, _ = rendered(tmp_path, of_blocks(bad, folded=True))
    (summary,) = re.findall(r"<summary>(.*?)</summary>", text)
    assert "✗" in summary
    text, _ = rendered(tmp_path, of_blocks(Paragraph(text="nothing of note"), folded=True))
    (summary,) = re.findall(r"<summary>(.*?)</summary>", text)
    assert "✗" not in summary


def test_plots_are_inside_and_wide_ones_are_not_shrunk_to_nothing(tmp_path: Path) -> None:
    wide = interval_bars({"祝福": None}, "t", "l")
    _, page = rendered(tmp_path, of_blocks(Plot(title="计划", svg=wide, note="n"), Plot(title="b", svg="<svg/>")))
    first, second = page.named("img")
    assert first["alt"] == "计划"
    assert base64.b64decode((first["src"] or "").split(",")[1]).decode() == wide
    assert (first.get("class"), second.get("class")) == ("broad", None)


def test_chinese_cells_are_said_to_be_chinese(tmp_path: Path) -> None:
    _, page = rendered(tmp_path, of_blocks(Table(columns=["c"], rows=[[text_cell("祝福")], [text_cell("wish")]])))
    assert [cell.get("lang") for cell in page.named("td")] == ["zh", None]


def test_notes_and_lines_are_kept(tmp_path: Path) -> None:
    table = Table(columns=["c"], rows=[[text_cell("第一行\n第二行", note="what it is")]], title="Rows", note="Below.")
    text, page = rendered(tmp_path, of_blocks(table))
    assert "第一行\n第二行" in page.text
    assert text.count("what it is") == 2, "for a pointer, and for a finger or the keyboard"
    assert {"Rows", "Below."} <= set(re.findall(r">([^<>]+)<", text))


def test_long_documents_have_a_list_of_their_sections(tmp_path: Path) -> None:
    sections = [Section(title=f"Part {number}", blocks=[]) for number in range(4)]
    text, page = rendered(tmp_path, Document(title="t", summary="s", sections=sections))
    assert [link["href"] for link in page.named("a")] == [f"#section-{number}" for number in range(1, 5)]
    assert re.findall(r'id="(section-\d)"', text) == [f"section-{number}" for number in range(1, 5)]
    text, page = rendered(tmp_path, Document(title="t", summary="s", sections=sections[:3]))
    assert not page.named("nav")


def test_texts_that_utf_8_cannot_hold_are_written_all_the_same(tmp_path: Path) -> None:
    text, _ = rendered(tmp_path, Document(title="a\ud800b\x00c", summary="s", settings={"d\ud800": "e"}))
    assert "a�b�c" in text
    assert "a�b�c" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_settings_are_shown_as_they_are(tmp_path: Path) -> None:
    text, _ = rendered(tmp_path, Document(title="t", summary="s", settings={"folder": Path("runs/祝福"), "seed": 0}))
    assert '"folder": "runs/祝福",\n  "seed": 0' in html.unescape(text)


def test_both_files_are_written_and_nothing_else(tmp_path: Path) -> None:
    svg = heat_map({"a": {"x": 0.5}}, "t", "l", low=0, high=1, bad_is_high=True)
    path = write_document(of_blocks(Plot(title="p", svg=svg)), tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "report.html"
    assert sorted(each.name for each in path.parent.iterdir()) == ["report.html", "report.md"]


def test_a_report_that_cannot_be_made_leaves_the_one_before(tmp_path: Path) -> None:
    write_document(Document(title="before", summary="s"), tmp_path)
    unheard_of = Notice(text="n", tone="awful")  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        write_document(Document(title="after", summary="s", notices=[unheard_of]), tmp_path)
    assert "before" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "before" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="row 1 has 1 cells for 2 columns"):
        Table(columns=("a", "b"), rows=[(text_cell("x"), text_cell("y")), (text_cell("x"),)])
