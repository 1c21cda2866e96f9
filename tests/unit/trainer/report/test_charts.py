"""Charts: the same bytes for the same figures, every name readable, and nothing drawn of what is not there."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable

import pytest

from trainer.evaluation.intervals import Interval
from trainer.report.charts import grouped_histograms, heat_map, interval_bars, lines, points

SVG = "{http://www.w3.org/2000/svg}"
NAMES = ("长度规则", "_reward$_1$", "<script>alert(1)</script>", "很长" * 60)


def charts(*names: str) -> dict[str, Callable[[], str]]:
    """Each chart with these names everywhere."""
    title = names[0] if names else "t"
    bars = {name: Interval(0.5, 0.4, 0.6) for name in names}
    groups = {name: [1.0, 2.0, 4.0] for name in names}
    pairs = {name: ([0.1, 0.5], [0.2, 0.4]) for name in names}
    heat = {name: dict.fromkeys(names, 0.5) for name in names}
    return {
        "bars": lambda: interval_bars(bars, title, title, line=0.5),
        "histograms": lambda: grouped_histograms(groups, title, title),
        "points": lambda: points(pairs, title, title, title),
        "lines": lambda: lines(pairs, title, title, title, diagonal=True),
        "heat": lambda: heat_map(heat, title, title, low=0, high=1, bad_is_high=True),
    }


KINDS = list(charts())


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}text")]


def uses(svg: str, group: str) -> int:
    """Marks within the groups whose id begins so."""
    found = [each for each in ET.fromstring(svg).iter(f"{SVG}g") if (each.get("id") or "").startswith(group)]
    return sum(len(list(each.iter(f"{SVG}use"))) for each in found)


def hatched(svg: str) -> int:
    return len(re.findall(r"fill: url\(#", svg))


@pytest.mark.parametrize("kind", KINDS)
def test_every_name_is_a_text_of_the_plot(kind: str) -> None:
    svg = charts(*NAMES)[kind]()
    shown = "\n".join(texts(svg))
    for name in NAMES[:2]:
        assert name in shown
    assert "<script>" in shown
    assert "…" in shown, "a name without an end has to end somewhere"
    assert not list(ET.fromstring(svg).iter(f"{SVG}script"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_figures_are_the_same_bytes(kind: str) -> None:
    draw = charts("祝福", "b")[kind]
    assert draw() == draw()


@pytest.mark.parametrize("kind", KINDS)
def test_a_plot_of_nothing_says_so(kind: str) -> None:
    assert "no figures" in texts(charts()[kind]())


def test_an_interval_stands_beside_its_bar_and_a_missing_one_is_hatched() -> None:
    bars = {"a": Interval(0.75, 0.5, 1.0), "b": None, "c": Interval(math.nan, 0.0, 0.0), "d": Interval(-1, -2, 0)}
    svg = interval_bars(bars, "t", "l")
    beside = ["0.750 [0.500, 1.000]", "no figure", "no figure", "-1.000 [-2.000, 0.000]"]
    assert [text for text in texts(svg) if text in beside] == beside
    assert hatched(svg) == 2


def test_shares_can_be_written_as_percentages() -> None:
    shown = texts(interval_bars({"a": Interval(0.5, 0.25, 0.75)}, "t", "l", form=".1%"))
    assert "50.0% [25.0%, 75.0%]" in shown
    assert "60%" in shown


def test_the_line_to_compare_with_is_in_the_picture() -> None:
    bars = {"a": Interval(0.9, 0.85, 0.95)}
    assert "0.5" not in texts(interval_bars(bars, "t", "l"))
    assert "0.5" in texts(interval_bars(bars, "t", "l", line=0.5))


def test_points_without_both_coordinates_are_left_out() -> None:
    across: list[float] = [1.0, math.nan, 3.0, 4.0]
    svg = points({"a": (across, [1.0, 2.0, math.inf, 4.0])}, "t", "x", "y")
    assert "a (2)" in texts(svg)
    assert uses(svg, "PathCollection") == 2


def test_very_many_points_are_one_picture() -> None:
    many = [float(number) for number in range(4000)]
    svg = points({"a": (many, many)}, "t", "x", "y")
    assert uses(svg, "PathCollection") == 0
    assert svg.count("<image") == 1
    assert len(svg) < 200_000


def test_histograms_count_what_is_there_in_shares_of_each_group() -> None:
    svg = grouped_histograms({"好": [1.0, 1.0, math.nan], "差": [3.0] * 40, "none": []}, "t", "l")
    assert {"好 (2)", "差 (40)", "none (0)"} <= set(texts(svg))
    assert "1.0" in texts(svg), "each group is all in one bin"


def test_many_histograms_stand_below_each_other() -> None:
    def frames(count: int) -> int:
        svg = grouped_histograms({str(number): [1.0, 2.0] for number in range(count)}, "t", "l")
        return len(re.findall(r'<g id="axes_\d+">', svg))

    assert (frames(3), frames(4)) == (1, 4)


def test_a_line_has_a_gap_where_a_value_is_missing() -> None:
    def strokes(values: list[float]) -> int:
        svg = lines({"a": ([0.0, 1.0, 2.0, 3.0, 4.0], values)}, "t", "x", "y")
        return max(str(path).count("M ") for path in re.findall(r'd="([^"]*)" clip-path', svg) if "L " in path)

    assert strokes([1.0, 2.0, 5.0, 4.0, 7.0]) == 1
    assert strokes([1.0, 2.0, math.nan, 4.0, 7.0]) == 2


def test_a_heat_map_hatches_what_is_missing_and_writes_the_rest() -> None:
    values: dict[str, dict[str, float | None]] = {"a": {"x": 0.25, "y": None}, "b": {"x": math.nan}}
    svg = heat_map(values, "t", "share", low=0, high=1, bad_is_high=True)
    assert hatched(svg) == 3
    assert [text for text in texts(svg) if re.fullmatch(r"\d\.\d\d", text)] == ["0.25"]
    assert "share; hatched: no figure" in texts(svg)


@pytest.mark.parametrize("bad_is_high", [True, False])
def test_bad_is_dark_in_a_heat_map(bad_is_high: bool) -> None:
    svg = heat_map({"a": {"x": 0.0, "y": 1.0}}, "t", "l", low=0, high=1, bad_is_high=bad_is_high)
    low, high = (sum(bytes.fromhex(colour)) for colour in re.findall(r"fill: #(\w{6}); stroke: #ffffff", svg)[:2])
    assert (low > high) is bad_is_high


def test_the_longer_side_of_a_heat_map_is_its_height() -> None:
    def places(values: dict[str, dict[str, float | None]], text: str) -> tuple[float, float]:
        svg = heat_map(values, "t", "l", low=0, high=1, bad_is_high=True)
        (found,) = [each for each in ET.fromstring(svg).iter(f"{SVG}text") if each.text == text]
        return float(found.get("x") or 0), float(found.get("y") or 0)

    wide: dict[str, dict[str, float | None]] = {"reward": {"first": 0.1, "second": 0.2, "third": 0.3}}
    long: dict[str, dict[str, float | None]] = {name: {"reward": value} for name, value in wide["reward"].items()}
    for values in (wide, long):
        (left, upper), (same, lower) = places(values, "first"), places(values, "third")
        assert left == pytest.approx(same)
        assert upper < lower


def test_names_have_room_without_a_font_that_has_them() -> None:
    def left(name: str) -> float:
        svg = interval_bars({name: Interval(0.5, 0.4, 0.6)}, "t", "l")
        (begin,) = re.findall(r'<g id="axes_1">\s*<g id="patch_2">\s*<path d="M (\S+) ', svg)
        return float(begin)

    assert left("祝" * 16) - left("祝") == pytest.approx(15 * 9, abs=3)
