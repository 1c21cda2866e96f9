"""Texts that no file format can hold are made such that all can."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.report.text import clean, clean_line, is_chinese


@given(st.text(st.characters(), max_size=50))
def test_a_clean_text_can_be_written_as_xml_and_utf_8(text: str) -> None:
    cleaned = clean(text)
    assert ET.fromstring(f"<a>{escape(cleaned)}</a>".encode()).text == (cleaned or None)


@pytest.mark.parametrize("text", ["祝福\n第二行\t🎉", "é", ""])
def test_what_can_be_shown_stays(text: str) -> None:
    assert clean(text) == text


def test_what_cannot_is_seen_to_have_been_there() -> None:
    assert clean("a\x00b\ud800c\x1bd\ufffe") == "a�b�c�d�"
    assert clean("a\r\nb\rc") == "a\nb\nc"


def test_a_line_has_no_breaks() -> None:
    assert clean_line("  a \n\u2028 b\u3000c\t") == "a b c"


@pytest.mark.parametrize(("text", "expected"), [("a 祝", True), ("“abc” – é 🎉", False), ("𠀀", True), ("", False)])
def test_chinese_is_told(text: str, expected: bool) -> None:
    assert is_chinese(text) is expected
