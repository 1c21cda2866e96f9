"""The page of a report in a real browser: tables are sorted by mouse and keyboard, and nothing is run or fetched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.browser import ENTER, SPACE, Browser, browser_missing
from trainer.report.charts import interval_bars
from trainer.report.document import (
    Cell,
    Document,
    Notice,
    Paragraph,
    Plot,
    Section,
    Table,
    number_cell,
    text_cell,
)
from trainer.report.document_page import write_document

pytestmark = pytest.mark.skipif(bool(browser_missing()), reason=browser_missing() or "there is a browser")

EVIL = "<script>document.title = 'run'</script><img src=x onerror=\"document.title = 'run'\"></svg>"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


def table() -> Table:
    rows = [
        (text_cell("乙", tone="bad"), number_cell(10.0, form=".0f")),
        (text_cell(""), number_cell(None)),
        (text_cell("丙", note="一条注"), number_cell(-2.0, form=".0f", tone="bad")),
        (text_cell("丁"), number_cell(9.0, form=".0f")),
        (text_cell("甲"), number_cell(9.0, form=".0f")),
        (text_cell("–"), Cell(text="none", value=float("nan"))),
        (text_cell("戊"), Cell(text="above all", value=float("inf"))),
    ]
    return Table(columns=("name", "reward"), rows=rows)


def shown(browser: Browser) -> str:
    """Second column, top to bottom, without signs."""
    texts = browser.texts("tbody td:nth-child(2)")
    return " ".join(text.removeprefix("✗fails: ") for text in texts)


def order(browser: Browser, column: int) -> str:
    return str(browser.run(f"return document.querySelectorAll('th')[{column - 1}].getAttribute('aria-sort')"))


ORIGINAL = "10 – -2 9 9 none above all"


def open_table(browser: Browser, folder: Path) -> None:
    document = Document(title="t", summary="s", sections=[Section(title="rows", blocks=[table()])])
    browser.open(write_document(document, folder))
    assert shown(browser) == ORIGINAL


def test_clicks_sort_by_value_up_down_and_back(browser: Browser, tmp_path: Path) -> None:
    open_table(browser, tmp_path)
    browser.click("th:nth-child(2) button")
    assert shown(browser) == "-2 9 9 10 above all – none"
    assert order(browser, 2) == "ascending"
    browser.click("th:nth-child(2) button")
    assert shown(browser) == "above all 10 9 9 -2 – none"
    assert order(browser, 2) == "descending"
    browser.click("th:nth-child(2) button")
    assert shown(browser) == ORIGINAL
    assert order(browser, 2) == "none"


def test_rows_of_the_same_value_stay_in_their_order_both_ways(browser: Browser, tmp_path: Path) -> None:
    open_table(browser, tmp_path)
    for _ in range(2):
        browser.click("th:nth-child(2) button")
        names = browser.texts("tbody td:first-child")
        assert names.index("丁") + 1 == names.index("甲")


def test_the_keyboard_sorts_texts_as_they_are_read(browser: Browser, tmp_path: Path) -> None:
    open_table(browser, tmp_path)
    browser.type("th:nth-child(2) button", ENTER)
    assert order(browser, 2) == "ascending"
    browser.type("th:first-child button", SPACE)
    assert (order(browser, 1), order(browser, 2)) == ("ascending", "none")
    # bǐng, dīng, jiǎ, wù, yǐ: the sign of a failing cell counts for nothing, and what is missing stands last
    assert shown(browser) == "-2 9 9 above all 10 – none"


def test_texts_are_shown_and_nothing_is_run_or_refused(browser: Browser, tmp_path: Path) -> None:
    plot = Plot(title=EVIL, svg=interval_bars({EVIL: None, "祝福": None}, EVIL, EVIL), note=EVIL)
    hostile = Plot(
        title="made elsewhere", svg='<svg xmlns="http://www.w3.org/2000/svg"><script>top.x = 1</script></svg>'
    )
    cells = [[text_cell(EVIL, note=EVIL, tone="bad")]]
    sections = [
        Section(title=EVIL, blocks=[Paragraph(text=EVIL), plot, hostile]),
        Section(title=EVIL, folded=True, blocks=[Table(columns=[EVIL], rows=cells, title=EVIL, note=EVIL)]),
    ]
    document = Document(
        title=EVIL, summary=EVIL, notices=[Notice(text=EVIL)], sections=sections, settings={EVIL: "</pre></script>"}
    )
    browser.open(write_document(document, tmp_path))
    assert browser.run("return document.title") == EVIL
    assert browser.texts("h1") == [EVIL]
    assert browser.run("return document.querySelectorAll('script').length") == 1
    assert browser.run("return [...document.images].every(each => each.complete && each.naturalWidth > 0)")
    assert list(browser.complaints()) == []


def test_on_a_phone_the_page_stands_and_a_wide_table_moves_with_its_first_column_in_sight(
    browser: Browser, tmp_path: Path
) -> None:
    columns = ["name", *(f"figure {number}" for number in range(20))]
    names = ["rm", "a_name_without_any_place_to_break_it_in_two", "给外婆的八十岁生日祝福给外婆的"]
    rows = [[text_cell(name), *(number_cell(number / 7) for number in range(20))] for name in names]
    wide = Table(columns=columns, rows=rows)
    plot = Plot(title="plot", svg=interval_bars({"祝福": None}, "t", "l"))
    document = Document(title="t", summary="s", sections=[Section(title="rows", blocks=[wide, plot])])
    page = write_document(document, tmp_path)
    browser.command("Emulation.setDeviceMetricsOverride", width=400, height=800, deviceScaleFactor=1, mobile=True)
    try:
        browser.open(page)
        assert browser.run("return document.documentElement.scrollWidth") == 400
        browser.run("document.querySelector('.wide').scrollLeft = 600")
        box = browser.run("return document.querySelector('td').getBoundingClientRect()")
        assert 0 <= box["left"] <= 30
        assert 60 < box["width"] < 200
        heads = browser.run("return [...document.querySelectorAll('th')].map(each => each.clientHeight)")
        assert max(heads) < 60, "no name is broken into its letters"
    finally:
        browser.command("Emulation.clearDeviceMetricsOverride")
