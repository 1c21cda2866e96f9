"""Markdown of a report, as a Markdown parser reads it: every text comes out as it went in."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from trainer.evaluation.intervals import Interval
from trainer.report.document import (
    Cell,
    Document,
    Notice,
    Paragraph,
    Plot,
    Section,
    Table,
    interval_cell,
    number_cell,
    text_cell,
)
from trainer.report.document_page import markdown
from trainer.report.text import clean, clean_line

EVIL = "<script>alert(1)</script> | `x` **b** _c_ [d](http://e.example) ![f](g) \\| $h$ ~~i~~ &amp; #j"
MARKUP = "\\`*_[]()<>|~$#&!:-+=.@/ \n\t\"'a1祝"
# Comes with rich.
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def rendered(document: Document) -> str:
    return str(PARSER.render(markdown(document)))


def of_blocks(*blocks: Table | Plot | Notice | Paragraph) -> Document:
    return Document(title="t", summary="s", sections=[Section(title="blocks", blocks=blocks)])


def cells(page: str) -> list[str]:
    """Texts of all cells of a body, with lines."""
    found = re.findall(r"<td[^>]*>(.*?)</td>", page, re.DOTALL)
    texts = [text.replace("<br>", "\n") for text in found]
    assert not [text for text in texts if re.search(r"<(?!strong>|/strong>)", text)], texts
    return [html.unescape(re.sub(r"</?strong>", "", text)) for text in texts]


def lines(text: str) -> str:
    return "\n".join(clean_line(line) for line in clean(text).strip().split("\n"))


@given(st.text(alphabet=MARKUP, max_size=30) | st.text(max_size=30))
@example(EVIL)
@example("\\|")
@example("a\nb | c")
def test_a_cell_is_read_as_what_was_written(text: str) -> None:
    table = Table(columns=("one", "two"), rows=[(text_cell(text), text_cell("behind"))])
    assert cells(rendered(of_blocks(table))) == [lines(text), "behind"]


@given(st.text(alphabet=MARKUP, max_size=30) | st.text(max_size=30))
@example("# no heading")
@example("- no list")
@example("1. no list")
@example("1990) neither")
@example("---")
@example("=== ")
@example("[a]: http://e.example")
@example("```")
@example("~~~")
def test_a_paragraph_is_read_as_what_was_written(text: str) -> None:
    page = rendered(of_blocks(Paragraph(text=text), Paragraph(text="behind")))
    said = [html.unescape(each.replace("<br>", "\n")) for each in re.findall(r"<p>(.*?)</p>", page, re.DOTALL)]
    assert said == ["s", *([lines(text)] if lines(text) else []), "behind"]


def test_nothing_of_a_text_becomes_markup_wherever_it_stands() -> None:
    section = Section(
        title=EVIL,
        blocks=[
            Notice(text=EVIL, tone="bad"),
            Plot(title=EVIL, svg="<svg/>", note=EVIL),
            Table(columns=[EVIL], rows=[[text_cell(EVIL, tone="bad", note=EVIL[:50])]], title=EVIL, note=EVIL),
        ],
    )
    folded = Section(title=EVIL, blocks=[Paragraph(text=EVIL)], folded=True)
    sections = [section, folded]
    page = rendered(
        Document(title=EVIL, summary=EVIL, notices=[Notice(text=EVIL)], sections=sections, settings={"a": EVIL})
    )
    ours = {"h1", "h2", "h3", "p", "em", "strong", "blockquote", "details", "summary", "pre", "code"}
    assert set(re.findall(r"<(\w+)", page)) <= ours | {"table", "thead", "tbody", "tr", "th", "td"}
    assert html.unescape(page).count("<script>alert(1)</script>") == 15


def test_addresses_do_not_become_links_by_themselves() -> None:
    text = markdown(of_blocks(Paragraph(text="http://e.example and www.e.example and someone@e.example")))
    assert not re.search(r"http://|www\.|\w@", text)


def test_figures_are_written_as_they_are_and_set_to_the_right() -> None:
    rows = [
        (text_cell("reward_model@starter"), interval_cell(Interval(0.5, 0.25, 0.75)), number_cell(None)),
        (text_cell("长度"), interval_cell(None), number_cell(-0.125, form="+.2f")),
    ]
    text = markdown(of_blocks(Table(columns=("name", "mean", "change"), rows=rows)))
    assert "| name | mean | change |\n| --- | ---: | ---: |\n" in text
    assert "| reward_model@starter | 0.500 [0.250, 0.750] | – |\n| 长度 | – | -0.12 |" in text


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (text_cell("holds", tone="good"), "✓ holds"),
        (text_cell("falls", tone="bad"), "**✗ falls**"),
        (text_cell("long", note="n" * 61), "long"),
        (text_cell("short", note="n" * 60), f"short ({'n' * 60})"),
    ],
)
def test_tones_have_signs_and_short_notes_are_kept(cell: Cell, expected: str) -> None:
    assert f"| {expected} |" in markdown(of_blocks(Table(columns=["c"], rows=[[cell]])))


def test_what_failed_stands_at_the_top() -> None:
    notices = [Notice(text="one", tone="good"), Notice(text="two"), Notice(text="three", tone="bad")]
    text = markdown(Document(title="t", summary="the summary", notices=notices))
    places = [text.index(part) for part in ("# t", "**✗ fails:** three", "> two", "**✓ passes:** one", "the summary")]
    assert places == sorted(places)


def test_settings_cannot_leave_their_fence() -> None:
    page = rendered(Document(title="t", summary="s", settings={"a": "```\n# heading ````"}))
    assert re.findall("<h1>(.*?)</h1>", page) == ["t"]
    assert "# heading ````" in html.unescape(page)


def test_a_folded_section_is_closed_again() -> None:
    folded = Section(title="cases", blocks=[Paragraph(text="**in**")], folded=True)
    text = markdown(Document(title="t", summary="s", sections=[folded, Section(title="next", blocks=[])]))
    assert "<details><summary>cases</summary>\n\n" in text
    assert "\n\n</details>\n\n## next\n" in text
