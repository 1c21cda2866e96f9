"""Texts of plots: laid out without a font that has them, and written as they are."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import matplotlib as mpl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font

from trainer.report.lettering import STYLE, Lettering, folded, stand_in, width
from trainer.report.text import clean_line

TEXTS = st.text(max_size=60) | st.text(alphabet="祝福语，。 ab_$<&🎉\n", max_size=60)


def figure_with(text: str) -> str:
    with mpl.rc_context(STYLE):
        figure, lettering = Figure(figsize=(3, 2)), Lettering()
        lettering.put(figure.text(0.1, 0.5, ""), text)
        return lettering.svg(figure)


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


@given(TEXTS)
def test_a_stand_in_needs_no_font_but_the_one_of_matplotlib(text: str) -> None:
    font = FT2Font(str(Path(mpl.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"))
    assert set(map(ord, stand_in(clean_line(text)))) <= set(font.get_charmap())


def test_a_chinese_character_is_an_em_wide_and_a_mark_on_a_letter_nothing() -> None:
    assert width("祝福🎉") == pytest.approx(3.0)
    assert width("\u0439\u0483\u0483") == pytest.approx(width("й"))
    assert 0.4 < width("n") < 0.8


@given(TEXTS, st.floats(2, 20), st.integers(1, 3))
def test_a_folded_text_keeps_within_its_lines(text: str, ems: float, lines: int) -> None:
    parts = folded(text, ems=ems, lines=lines).split("\n")
    assert len(parts) <= lines
    assert all(width(part) <= ems + 1e-6 for part in parts if len(part) > 2)


@given(TEXTS)
def test_a_folded_text_that_fits_loses_nothing(text: str) -> None:
    whole = folded(text, ems=10, lines=99)
    assert re.sub(r"\s", "", whole) == re.sub(r"\s", "", clean_line(text))


def test_a_text_is_broken_at_spaces_and_what_is_left_out_is_said() -> None:
    assert folded("a good greeting for another prompt", ems=12) == "a good greeting for\nanother prompt"
    assert folded("祝福" * 10, ems=5) == "祝福祝福祝\n福祝福祝…"
    assert folded("", ems=5) == ""


@pytest.mark.parametrize(
    "text",
    ["祝福语", "$x_1$", "_hidden", "<script>alert(1)</script>", "</svg>", "a & b", "🎉 كل عام", "—— 'DejaVu Sans'"],
)
def test_a_text_is_written_as_it_is(text: str) -> None:
    assert texts(figure_with(text)) == [text]


def test_lines_stay_apart_and_in_order() -> None:
    assert texts(figure_with("第一行\nsecond\n第三")) == ["第一行", "second", "第三"]


def test_what_xml_cannot_hold_is_marked() -> None:
    assert texts(figure_with("a\x00b\ud800")) == ["a�b�"]


def test_browsers_are_told_of_chinese_fonts_and_nothing_of_this_machine() -> None:
    svg = figure_with("祝福")
    (style,) = re.findall(r'<text style="([^"]*)"', svg)
    for family in ("PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif"):
        assert family in style
    assert svg.startswith("<svg")
    assert "<metadata" not in svg
