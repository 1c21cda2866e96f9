"""docs/benchmarks.md: a run of one part replaces its section and leaves the others as they are."""

from __future__ import annotations

from benchmarks.parts import PARTS
from benchmarks.report import Measured, rendered, with_section
from benchmarks.tables import Section
from tests.support.processes import ROOT

ORDER = ["one", "two", "three"]
DOCUMENT = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")


def document(**texts: str) -> str:
    made = ""
    for name, text in texts.items():
        made = with_section(made, name, text, ORDER)
    return made


def test_only_the_section_of_the_part_is_replaced() -> None:
    before = document(one="## One\n\n1", two="## Two\n\n2", three="## Three\n\n3")
    after = with_section(before, "two", "## Two\n\n22", ORDER)
    assert after == before.replace("\n2\n", "\n22\n")


def test_sections_stand_in_the_order_of_the_parts_whenever_they_were_measured() -> None:
    assert document(three="c", one="a", two="b") == document(one="a", two="b", three="c")


def test_a_section_of_a_part_that_is_no_more_is_left_out() -> None:
    assert "old text" not in with_section(document(one="old text"), "two", "b", ["two", "three"])


def test_the_committed_page_is_what_is_written() -> None:
    (name, text) = ("queue", DOCUMENT.partition("<!-- part: queue -->\n")[2].partition("\n<!-- end: queue -->")[0])
    assert text.startswith("## The queue")
    assert with_section(DOCUMENT, name, text, list(PARTS)) == DOCUMENT


def test_a_section_tells_how_it_was_measured() -> None:
    section = Section(
        title="Speed",
        text="What was done.",
        columns=("", "a"),
        rows=[("x", "1")],
        versions={"taskiq": "0.1"},
        notes="Why.",
    )
    text = rendered(section, Measured(command="python -m benchmarks --only one", load=0.25, seconds=90))
    assert text.startswith("## Speed\n\n`python -m benchmarks --only one`, ")
    assert "1.5 minutes" in text
    assert "load 0.2" in text
    assert "taskiq 0.1" in text
    assert text.endswith("| x | 1 |\n\nWhy.")
