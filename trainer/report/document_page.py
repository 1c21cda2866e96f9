"""A document as one HTML page, complete without a network and safe whatever its texts hold; Markdown lies beside it."""

from __future__ import annotations

import base64
import functools
import hashlib
import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup

from trainer.report.columns import columns, sort_value
from trainer.report.document import (
    SIGNS,
    WORST_FIRST,
    Block,
    Cell,
    Document,
    Notice,
    Plot,
    Section,
    Table,
    Tone,
    worst_first,
)
from trainer.report.document_markdown import markdown, settings_text
from trainer.report.text import clean, is_chinese
from trainer.run_folder import write_whole

__all__ = ["markdown", "write_document"]

PAGE: Final = "report.html"
MARKDOWN: Final = "report.md"
LONG: Final = 40
"""A longer text, where a Chinese character counts as two, gets a column that is wide enough to read it."""
SHORT: Final = 20
"""A shorter one stays in one line."""
MOST_BOXES: Final = 3
"""More notices of one tone share a box."""
BROAD_POINTS: Final = 400
"""A wider plot cannot be read when it is made to fit a phone."""
_WIDTH = re.compile(r'<svg\b[^>]*?\bwidth="([\d.]+)pt"')


def write_document(document: Document, folder: Path) -> Path:
    """Write ``report.md`` and ``report.html`` into a folder, each whole or not at all.

    Returns:
        Where the page is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    page = html(document)
    write_whole(folder / MARKDOWN, markdown(document))
    write_whole(folder / PAGE, page)
    return folder / PAGE


def html(document: Document) -> str:
    """The page. Every text is escaped: what a policy wrote is shown, never run; pictures run nothing either."""
    script = _file("document.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    notices = worst_first(document.notices)
    return _template().render(
        document=document,
        ordered_notices=notices,
        worst=notices[0].tone if notices else "plain",
        settings=settings_text(document) if document.settings else "",
        script=Markup(script),  # noqa: S704 - a file of ours
        script_hash=f"sha256-{digest}",
        style=Markup(_file("document.css")),  # noqa: S704 - a file of ours
    )


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_finalized
    )
    environment.globals |= {
        "boxes": _boxes,
        "broad": _broad,
        "columns": columns,
        "is_chinese": is_chinese,
        "length_class": _length_class,
        "picture": _picture,
        "runs": _runs,
        "signs": SIGNS,
        "sort_value": sort_value,
        "tone_of": _tone_of,
        "zip": zip,
    }
    return environment.from_string(_file("document.html.j2"))


def _file(name: str) -> str:
    return resources.files("trainer.report").joinpath(name).read_text(encoding="utf-8")


def _finalized(value: Any) -> Any:
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _length_class(cell: Cell) -> str:
    size = sum(2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1 for character in cell.text)
    if size > LONG:
        return "long"
    return "short" if size < SHORT and "\n" not in cell.text else ""


def _boxes(notices: Iterable[Notice]) -> Iterator[tuple[Tone, list[str]]]:
    """What stands together in one box."""
    for tone, group in itertools.groupby(notices, key=lambda notice: notice.tone):
        texts = [notice.text for notice in group]
        if len(texts) > MOST_BOXES:
            yield tone, texts
        else:
            yield from ((tone, [text]) for text in texts)


def _picture(plot: Plot) -> str:
    """An address of the picture's own: nothing in it can run or load anything, and its ids are its own."""
    return "data:image/svg+xml;base64," + base64.b64encode(plot.svg.encode()).decode()


def _broad(plot: Plot) -> bool:
    """Whether it is scrolled on a small screen."""
    size = _WIDTH.match(plot.svg)
    return size is not None and float(size[1]) > BROAD_POINTS


def _runs(blocks: Iterable[Block]) -> Iterator[tuple[str, list[Block]]]:
    """Neighbours of one kind, by the kind's name."""
    for kind, group in itertools.groupby(blocks, key=lambda block: type(block).__name__):
        yield kind, list(group)


def _tone_of(section: Section) -> Tone:
    """The worst that a section says."""
    tones: set[Tone] = {block.tone for block in section.blocks if isinstance(block, Notice)}
    for block in section.blocks:
        if isinstance(block, Table):
            tones |= {cell.tone for row in block.rows for cell in row}
    return next((tone for tone in WORST_FIRST if tone in tones and tone in {"bad", "warn"}), "plain")
