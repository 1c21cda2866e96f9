"""A document as Markdown of GitHub's kind. Texts of unknown origin stay texts: no markup, no HTML, no link."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final, assert_never

from trainer.report.columns import columns
from trainer.report.document import SIGNS, Block, Cell, Document, Notice, Paragraph, Plot, Section, Table, worst_first
from trainer.report.text import clean, clean_line

SHORT_NOTE: Final = 60
"""Longer notes of cells are for the page only."""
_MARKUP = re.compile(
    r"[\\`*|~$]"
    r"|(?<![^\W_])_|_(?![^\W_])"  # within a word it is a letter
    r"|\](?=[(\[:])|\[(?=\^)"  # brackets by themselves are nothing, and intervals have many
    r"|(?<=:)//|(?<=www)\.|(?<=\w)@(?=[\w-]+\.)",  # what becomes a link without any markup
    re.IGNORECASE,
)
_BLOCK = re.compile(r"^(?:[-+#=]|(\d+)(?=[.)](?:\s|$)))")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def markdown(document: Document) -> str:
    """The whole report; of plots only what they show."""
    return "\n\n".join(_parts(document)) + "\n"


def settings_text(document: Document) -> str:
    """Settings as JSON."""
    return clean(json.dumps(dict(document.settings), ensure_ascii=False, indent=2, default=str))


def escaped(text: str) -> str:
    """A text that Markdown shows as it is, in one line, where no block can begin."""
    line = re.sub("[&<>]", lambda found: _ENTITIES[found[0]], clean_line(text))
    return _MARKUP.sub(lambda found: "".join(f"\\{character}" for character in found[0]), line)


def _lines(text: str) -> str:
    """Several lines, which stay apart."""
    return "<br>".join(escaped(line) for line in clean(text).strip().split("\n"))


def _paragraph(text: str) -> str:
    return _BLOCK.sub(lambda found: f"{found[1]}\\" if found[1] else f"\\{found[0]}", _lines(text))


def _parts(document: Document) -> Iterator[str]:
    yield f"# {escaped(document.title)}"
    for notice in worst_first(document.notices):
        yield _notice(notice)
    if document.summary.strip():
        yield _paragraph(document.summary)
    for section in document.sections:
        yield from _section(section)
    if document.settings:
        text = settings_text(document)
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
        yield f"## Settings\n\n{fence}json\n{text}\n{fence}"


def _section(section: Section) -> Iterator[str]:
    if section.folded:
        yield f"<details><summary>{escaped(section.title)}</summary>"
    else:
        yield f"## {escaped(section.title)}"
    for block in section.blocks:
        yield from _block(block)
    if section.folded:
        yield "</details>"


def _block(block: Block) -> Iterator[str]:
    match block:
        case Table():
            yield from _table(block)
        case Plot():
            yield f"*Plot: {escaped(block.title)} (on the page)*"
            if block.note:
                yield _paragraph(block.note)
        case Notice():
            yield _notice(block)
        case Paragraph():
            yield _paragraph(block.text)
        case _:
            assert_never(block)


def _notice(notice: Notice) -> str:
    sign = f"**{SIGNS[notice.tone][0]} {SIGNS[notice.tone][1]}:** " if notice.tone in SIGNS else ""
    return f"> {sign}{_lines(notice.text) if sign else _paragraph(notice.text)}"


def _table(table: Table) -> Iterator[str]:
    if table.title:
        yield f"### {escaped(table.title)}"
    described = columns(table)
    lines = [
        [_lines(column.name) for column in described],
        ["---:" if column.numeric else "---" for column in described],
        *([_cell(cell) for cell in row] for row in table.rows),
    ]
    yield "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    if table.note:
        yield _paragraph(table.note)


def _cell(cell: Cell) -> str:
    text = _lines(cell.text)
    if cell.tone in SIGNS:
        text = f"{SIGNS[cell.tone][0]} {text}"
    if cell.tone == "bad":
        text = f"**{text}**"
    return f"{text} ({_lines(cell.note)})" if cell.note and len(cell.note) <= SHORT_NOTE else text
