"""What a report tells of a run: read from its log, with the bounds that held at each step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.errors import InvalidData
from trainer.monitors.catalogue import MONITORS
from trainer.monitors.record import Segment, read_segments, write_segment
from trainer.monitors.story import Story, spans, stories
from trainer.monitors.threshold import Threshold


def segment(after_step: int, **thresholds: Threshold) -> Segment:
    return Segment(after_step=after_step, thresholds=thresholds, shadows=[], shadow_every=1)


def bounds(warn: float | None, stop: float | None, steps: int = 2) -> Threshold:
    return Threshold(warn=warn, stop=stop, steps=steps)


def of(name: str, told: list[Story]) -> Story:
    return next(story for story in told if story.monitor.name == name)


HISTORY = [
    {"step": float(step), "policy/duplicates": value}
    for step, value in enumerate([0.1, 0.1, 0.5, 0.5, 0.1, 0.9, 0.9, 0.5, 0.5], start=1)
]


def test_a_run_that_was_stopped_and_resumed_with_another_bound_is_told_as_it_was() -> None:
    told = stories(HISTORY, [segment(0, duplicates=bounds(0.3, 0.8)), segment(7, duplicates=bounds(0.6, None))])
    story = of("duplicates", told)
    assert story.warned == [4, 7]
    assert story.stopped == [7]
    assert [(each.after, each.last, each.threshold.stop) for each in story.bounds] == [(0, 7, 0.8), (7, 9, None)]
    assert list(story.readings) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert story.readings[8].steady == 0.5, "of steps 7 and 8: the window outlasts the resume"
    assert not story.is_off


def test_a_monitor_that_was_off_for_a_time_has_no_readings_of_that_time() -> None:
    story = of("duplicates", stories(HISTORY, [segment(0, duplicates=bounds(0.3, 0.8)), segment(7)]))
    assert list(story.readings) == [1, 2, 3, 4, 5, 6, 7]
    assert story.last == story.readings[7]


def test_all_monitors_are_told_of_and_those_that_were_off_say_so() -> None:
    told = stories(HISTORY, [segment(0, duplicates=bounds(0.3, 0.8))])
    assert [story.monitor.name for story in told] == list(MONITORS)
    assert [story.monitor.name for story in told if not story.is_off] == ["duplicates"]
    assert stories([], [])[0].last is None


def test_steps_that_are_neighbours_are_told_as_one() -> None:
    assert list(spans([1, 2, 4, 7, 8], of=range(1, 10))) == [(1, 2), (4, 4), (7, 8)]
    assert list(spans([1, 6, 16], of=[1, 6, 11, 16])) == [(1, 6), (16, 16)], "of a shadow that is asked seldom"


def test_bounds_are_kept_in_the_folder_of_the_run(tmp_path: Path) -> None:
    path = tmp_path / "monitors.json"
    assert read_segments(path) == []
    first, second = segment(0, duplicates=bounds(0.3, None, 7)), segment(4)
    write_segment(path, first)
    write_segment(path, second)
    assert read_segments(path) == [first, second]


def test_a_run_that_begins_again_from_before_forgets_the_bounds_of_what_it_has_not_done(tmp_path: Path) -> None:
    path = tmp_path / "monitors.json"
    for after in (0, 20, 40):
        write_segment(path, segment(after))
    write_segment(path, segment(20, duplicates=bounds(0.3, 0.8)))
    assert read_segments(path) == [segment(0), segment(20, duplicates=bounds(0.3, 0.8))]


@pytest.mark.parametrize("content", ["", "{", "{}", '[{"after_step": 0}]', json.dumps([{"after_step": "x"}])])
def test_a_broken_record_is_an_error_that_names_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "monitors.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InvalidData, match=r"monitors\.json"):
        read_segments(path)
