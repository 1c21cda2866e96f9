"""What a run's monitors said: a table that tells at a glance, and a plot of each with its bounds."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Sequence
from typing import Any, Final, Literal

from matplotlib.lines import Line2D

from trainer.monitors.story import Bounds, Story, spans
from trainer.monitors.threshold import Direction, Level
from trainer.report.document import NOTHING
from trainer.report.drawing import COLOURS, WIDTH, describe, drawing, legend, legend_height

Tone = Literal["ok", "warn", "bad", "off"]
WARN_COLOUR: Final = "#e69f00"
STOP_COLOUR: Final = "#c62828"
VALUE: Final = "每一步 · each step"
STEADY: Final = "监控值 · what is compared"
WARN: Final = "警告线 · warns"
STOP: Final = "停止线 · stops the run"
NOTE_IN_CHINESE: Final = (
    "细线是每一步的值；粗线是最近几步的平均，去掉其中最差的一步，与警告线、停止线比较的是它。"
    "黄色区域：警告；红色竖线：因此停止训练。"
)
NOTE: Final = (
    "The thin line is the value of each step. The thick one, the mean of the last steps without the worst of them, is "
    "what the bounds are compared with. Yellow: it warned. A red vertical line: it stopped the run."
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MonitorRow:
    """One row of the table, as it is shown."""

    name: str
    title: str
    tone: Tone
    state: str
    last: str
    warn: str
    stop: str
    warned: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MonitorPlot:
    """A picture: base64 of SVG."""

    title: str
    picture: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MonitorSection:
    """A section of a report. ``notices`` are sentences that must not be overlooked, the worst first."""

    notices: Sequence[tuple[Tone, str]]
    rows: Sequence[MonitorRow]
    plots: Sequence[MonitorPlot]
    note: str = NOTE
    note_in_chinese: str = NOTE_IN_CHINESE


def monitor_section(stories: Sequence[Story], steps: Sequence[int]) -> MonitorSection | None:
    """The section of a run; None where nothing was watched.

    Args:
        stories: Of all monitors.
        steps: All that the run has done, in order.
    """
    if all(story.is_off for story in stories):
        return None
    worst_first = sorted(stories, key=lambda story: -_worst(story))
    notices = [_notice(story) for story in worst_first if _worst(story) is not Level.CALM]
    return MonitorSection(
        notices=notices or [("ok", "✓ 没有一项警告。No monitor warned.")],
        rows=[_row(story) for story in stories],
        plots=[
            MonitorPlot(title=story.monitor.title, picture=_encoded(monitor_plot(story, steps)))
            for story in stories
            if story.readings
        ],
    )


def monitor_plot(story: Story, steps: Sequence[int]) -> str:
    """One monitor over the steps, as SVG: its values, what its bounds are compared with, and where it was beyond."""
    monitor = story.monitor
    taken = list(story.readings)
    names = [VALUE, STEADY, WARN, STOP]
    with drawing(WIDTH, 2.6 + legend_height(names, WIDTH)) as (figure, lettering):
        axes = figure.add_subplot()
        axes.set_xlim(min(steps) - 0.5, max(steps) + 0.5)
        (thin,) = axes.plot(taken, [each.value for each in story.readings.values()], color="#7fb2d6", linewidth=1)
        known = {step: each.steady for step, each in story.readings.items() if each.steady is not None}
        (thick,) = axes.plot(list(known), list(known.values()), color=COLOURS[0], linewidth=2.2)
        for first, last in spans(story.warned, taken):
            axes.axvspan(first - 0.5, last + 0.5, color=WARN_COLOUR, alpha=0.22, linewidth=0)
        for bounds in story.bounds:
            _draw(axes, bounds, monitor.direction)
        for step in story.stopped:
            axes.axvline(step, color=STOP_COLOUR, linewidth=2.5)
            axes.plot([step], [known[step]], "X", color=STOP_COLOUR, markersize=10, zorder=5)
        describe(lettering, axes, f"{_sign(story)} {monitor.title}", "step", monitor.unit)
        lines = [Line2D([], [], color=WARN_COLOUR, linestyle="--"), Line2D([], [], color=STOP_COLOUR)]
        legend(lettering, figure, [thin, thick, *lines], names)
        return lettering.svg(figure)


def _draw(axes: Any, bounds: Bounds, direction: Direction) -> None:
    for bound, colour, style in (
        (bounds.threshold.warn, WARN_COLOUR, "--"),
        (bounds.threshold.stop, STOP_COLOUR, "-"),
    ):
        for side in (1, -1) if direction == "either" else (1,):
            if bound is not None:
                ends = [bounds.after + 0.5, bounds.last + 0.5]
                axes.plot(ends, [side * bound] * 2, color=colour, linestyle=style, linewidth=1.5)


def _worst(story: Story) -> Level:
    return max((reading.level for reading in story.readings.values()), default=Level.CALM)


def _sign(story: Story) -> str:
    return {Level.STOP: "✗", Level.WARN: "⚠", Level.CALM: "✓"}[_worst(story)]


def _notice(story: Story) -> tuple[Tone, str]:
    title, name = story.monitor.title, story.monitor.name
    if story.stopped:
        at = ", ".join(map(str, story.stopped))
        return "bad", f"✗ 训练在第 {at} 步停止：{title}。Stopped the run at step {at}: {name}."
    at = _ranges(story.warned, list(story.readings))
    calm = "" if story.warned[-1] == list(story.readings)[-1] else "现在已恢复。"
    return "warn", f"⚠ 警告，第 {at} 步：{title}。{calm}Warned at steps {at}: {name}."


def _row(story: Story) -> MonitorRow:
    last = story.last
    bounds = story.bounds[-1].threshold if story.bounds else None
    return MonitorRow(
        name=story.monitor.name,
        title=story.monitor.title,
        tone=_tone(story),
        state=_state(story),
        last=NOTHING if last is None or last.steady is None else f"{last.steady:.3f}",
        warn=_bound(None if bounds is None else bounds.warn, story.monitor.direction),
        stop=_bound(None if bounds is None else bounds.stop, story.monitor.direction),
        warned=_ranges(story.warned, list(story.readings)) or NOTHING,
    )


def _tone(story: Story) -> Tone:
    if story.is_off or not story.readings:
        return "off"
    tones: dict[Level, Tone] = {Level.STOP: "bad", Level.WARN: "warn", Level.CALM: "ok"}
    return tones[_worst(story)]


def _state(story: Story) -> str:
    if story.is_off:
        return "未监控 · not watched"
    if story.last is None:
        return "没有数据 · no values"
    if story.last.level is Level.STOP:
        return "✗ 停止训练 · stopped the run"
    if story.last.level is Level.WARN:
        return "⚠ 警告 · warns"
    if story.stopped:
        return "✗ 曾停止训练 · had stopped the run"
    if story.warned:
        return "⚠ 曾警告 · warned, calm now"
    if all(reading.steady is None for reading in story.readings.values()):
        return "步数不够 · too few steps"
    return "✓ 正常 · calm"


def _bound(bound: float | None, direction: Direction) -> str:
    if bound is None:
        return NOTHING
    return {"high": f"> {bound:g}", "low": f"< {bound:g}", "either": f"±{bound:g}"}[direction]


def _ranges(steps: Sequence[int], of: Sequence[int]) -> str:
    return ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in spans(steps, of))


def _encoded(svg: str) -> str:
    return base64.b64encode(svg.encode()).decode()
