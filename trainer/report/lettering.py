"""The texts of a figure: kept as texts in its SVG, so that whoever looks at it sees them in a font of their own.

No font of matplotlib's has Chinese, and what is installed differs from machine to machine. A browser knows fonts for
all there is. A figure is therefore laid out with stand-ins, as wide as the real texts and made of letters that the
font of matplotlib has; the real ones take their places in what is written.
"""

from __future__ import annotations

import functools
import html
import io
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.ft2font import FT2Font

from trainer.report.text import clean_line

LAID_OUT_IN: Final = "DejaVu Sans"
"""Comes with matplotlib, and is wider than what a browser may take instead: what fits here fits there."""
FAMILIES: Final = (
    "system-ui, 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', 'Source Han Sans SC', 'WenQuanYi Micro Hei', "
    "'DejaVu Sans', sans-serif"
)
EM: Final = "\N{EM DASH}"
"""As wide as a Chinese character."""
EM_POINTS: Final = 16
STYLE: Any = {
    "font.family": LAID_OUT_IN,
    "svg.fonttype": "none",
    "svg.hashsalt": "zhufu",
    "text.parse_math": False,
    "text.usetex": False,
}
"""What a figure has to be made with, in `matplotlib.rc_context`."""
_GROUP = re.compile(r'<g id="lettering-(\d+)">(.*?)</g>', re.DOTALL)
_TEXT = re.compile(r"(<text\b[^>]*>)[^<]*(</text>)")


class Lettering:
    """The texts of one figure that is made with `STYLE`."""

    def __init__(self) -> None:
        self._lines: list[list[str]] = []

    def put(self, artist: Any, text: str) -> None:
        """Give a matplotlib Text its text; lines are parted by a newline."""
        lines = [clean_line(line) or " " for line in text.split("\n")]
        artist.set_gid(f"lettering-{len(self._lines)}")
        artist.set_text("\n".join(stand_in(line) for line in lines))
        self._lines.append(lines)

    def put_ticks(self, axis: Any, texts: Sequence[str]) -> None:
        """Give a matplotlib Axis texts at 0, 1, …"""
        axis.set_ticks(range(len(texts)), labels=["m"] * len(texts))
        artists = axis.get_ticklabels()
        for artist, text in zip(artists, texts, strict=True):
            self.put(artist, text)
        # An axis gives its labels their texts anew when it is drawn.
        axis.set_ticks(range(len(texts)), labels=[artist.get_text() for artist in artists])

    def svg(self, figure: Any) -> str:
        """The figure as one ``<svg>`` element, without date or version, with all texts in place."""
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
        drawn = buffer.getvalue()
        drawn = drawn[drawn.index("<svg") :].replace(f"'{LAID_OUT_IN}'", FAMILIES)
        return _GROUP.sub(self._restored, drawn)

    def _restored(self, group: re.Match[str]) -> str:
        lines = iter(self._lines[int(group[1])])
        return _TEXT.sub(lambda text: f"{text[1]}{html.escape(next(lines), quote=False)}{text[2]}", group[0])


def stand_in(line: str) -> str:
    """A line about as wide, of letters that `LAID_OUT_IN` has."""
    return "".join(_stand_in(character) for character in line) or " "


def folded(text: str, *, ems: float, lines: int = 2) -> str:
    """A text in lines of a width, broken at spaces where possible; what does not fit is left out with an ellipsis."""
    parts: list[str] = []
    rest = clean_line(text)
    while rest:
        taken = _that_fits(rest, ems)
        if len(taken) < len(rest) and len(parts) == lines - 1:
            parts.append(_that_fits(rest, ems - 1).rstrip() + "…")
            break
        if len(taken) < len(rest) and (space := rest.rfind(" ", 0, len(taken) + 1)) > len(taken) // 3:
            taken = rest[:space]
        parts.append(taken.rstrip())
        rest = rest[len(taken) :].lstrip()
    return "\n".join(parts)


def width(line: str) -> float:
    """In ems."""
    return sum(_width(character) for character in stand_in(line))


def _that_fits(text: str, ems: float) -> str:
    """The longest beginning, of one character at least."""
    taken, used = 0, 0.0
    for character in text:
        used += width(character) if _stand_in(character) else 0.0
        if used > ems and taken:
            break
        taken += 1
    return text[:taken]


def _stand_in(character: str) -> str:
    if character in _letters():
        return character
    if unicodedata.east_asian_width(character) in {"W", "F"}:
        return EM
    # What modifies the letter before it, or is not seen at all, takes no place.
    return "" if unicodedata.category(character) in {"Mn", "Me", "Cf"} else "m"


@functools.cache
def _font() -> FT2Font:
    font = FT2Font(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"))
    font.set_size(EM_POINTS, 72)
    return font


@functools.cache
def _letters() -> frozenset[str]:
    return frozenset(map(chr, _font().get_charmap()))


@functools.cache
def _width(character: str) -> float:
    return float(_font().load_char(ord(character)).linearHoriAdvance) / 65536 / EM_POINTS
