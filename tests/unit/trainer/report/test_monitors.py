"""What a report shows of a run's monitors."""

from __future__ import annotations

import base64
import html
import re
from pathlib import Path

from trainer.monitors.record import Segment
from trainer.monitors.story import stories
from trainer.monitors.threshold import Threshold
from trainer.report.monitors import STOP_COLOUR, WARN_COLOUR, MonitorSection, monitor_section
from trainer.report.page import Report, write_report


def section(values: list[float], *, warn: float | None = 0.3, stop: float | None = 0.8) -> MonitorSection:
    """Of a run whose duplicates were watched alone, over two steps."""
    history = [{"step": float(step), "policy/duplicates": value} for step, value in enumerate(values, start=1)]
    bounds = {"duplicates": Threshold(warn=warn, stop=stop, steps=2)}
    told = stories(history, [Segment(after_step=0, thresholds=bounds, shadows=[], shadow_every=1)])
    made = monitor_section(told, list(range(1, len(values) + 1)))
    assert made is not None
    return made


def picture(made: MonitorSection) -> str:
    (plot,) = made.plots
    return base64.b64decode(plot.picture).decode()


CALM, WARNED, STOPPED = [0.1] * 5, [0.1, 0.5, 0.5, 0.5, 0.1, 0.1], [0.1, 0.5, 0.5, 0.9, 0.9]


def test_a_calm_run_is_said_to_be_calm() -> None:
    made = section(CALM)
    assert [tone for tone, _ in made.notices] == ["ok"]
    row = next(row for row in made.rows if row.name == "duplicates")
    assert (row.tone, row.last, row.warn, row.stop, row.warned) == ("ok", "0.100", "> 0.3", "> 0.8", "–")
    assert "正常" in row.state


def test_the_steps_that_warned_are_told_and_that_it_is_over() -> None:
    made = section(WARNED)
    ((tone, text),) = made.notices
    assert tone == "warn"
    assert "3–4" in text
    assert "duplicates" in text
    row = next(row for row in made.rows if row.name == "duplicates")
    assert (row.tone, row.warned) == ("warn", "3–4")
    assert "calm now" in row.state


def test_the_monitor_that_stopped_the_run_stands_first() -> None:
    made = section(STOPPED)
    assert made.notices[0][0] == "bad"
    assert "第 5 步停止" in made.notices[0][1]
    row = next(row for row in made.rows if row.name == "duplicates")
    assert row.tone == "bad"
    assert "停止训练" in row.state


def test_the_plot_draws_both_bounds_and_marks_warnings_and_the_stop() -> None:
    """Each bound is a line, and so is its sample in the legend; a warning is an area, a stop a line and a cross."""
    colours = {
        name: (
            drawn.count(f"stroke: {WARN_COLOUR}"),
            drawn.count(f"stroke: {STOP_COLOUR}"),
            f"fill: {WARN_COLOUR}" in drawn,
        )
        for name, drawn in (("calm", picture(section(CALM))), ("stopped", picture(section(STOPPED))))
    }
    assert colours["calm"] == (2, 2, False)
    assert colours["stopped"][1] > colours["calm"][1]
    assert colours["stopped"][2]
    assert picture(section(CALM, stop=None)).count(f"stroke: {STOP_COLOUR}") == 1, "the legend's alone"


def test_its_texts_are_chinese_and_kept_as_texts() -> None:
    drawn = html.unescape(picture(section(WARNED)))
    for text in ("重复的回答", "警告线", "停止线", "监控值"):
        assert text in drawn


def test_monitors_that_were_off_are_rows_without_a_plot_and_a_run_without_any_has_no_section() -> None:
    made = section(CALM)
    assert len(made.rows) > 1
    assert {row.tone for row in made.rows if row.name != "duplicates"} == {"off"}
    assert len(made.plots) == 1
    assert monitor_section(stories([], []), []) is None


def test_the_page_has_the_section_and_loads_nothing(tmp_path: Path) -> None:
    page = write_report(Report(title="t", summary="s", monitors=section(STOPPED)), tmp_path / "report.html").read_text(
        encoding="utf-8"
    )
    assert "监控 · Monitors" in page
    assert re.findall(r'<p class="notice (\w+)">', page) == ["bad"]
    assert page.count('src="data:image/svg+xml;base64,') == 1
    assert 'class="off"' in page
    assert "http" not in page.replace("http-equiv", "")
