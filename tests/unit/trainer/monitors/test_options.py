"""``--watch``."""

from __future__ import annotations

import pytest

from shared.errors import InvalidRequest
from trainer.evaluation.policies.copying import KnownTexts
from trainer.monitors.catalogue import MONITORS, build_monitors
from trainer.monitors.options import DEFAULT, DEFAULT_PLAN, PRESETS, STRICT, parse_monitors
from trainer.monitors.threshold import Threshold


def test_without_options_the_defaults_hold() -> None:
    assert parse_monitors([]) == DEFAULT_PLAN
    assert set(DEFAULT) == set(MONITORS), "every monitor is on"


def test_every_preset_has_bounds_that_make_sense() -> None:
    for thresholds in PRESETS.values():
        for name, threshold in thresholds.items():
            threshold.check(MONITORS[name].direction)
            assert threshold.warn is not None, "nothing stops a run without a warning"


def test_only_the_gravest_stop_a_run_unless_told_otherwise() -> None:
    stops = {name for name, threshold in DEFAULT.items() if threshold.stop is not None}
    assert stops == {"distinct_2", "duplicates", "attacks", "shadow_fall"}
    assert all(threshold.stop is None for threshold in PRESETS["warn-only"].values())
    assert all(threshold.stop is not None for threshold in STRICT.values())


def test_bounds_of_one_monitor_are_put_into_the_preset_in_any_order() -> None:
    plan = parse_monitors(["duplicates=0.2:0.6", "strict", "copying=off", "attacks=:0.2:3", "truncated=0.9:"])
    assert plan.thresholds["duplicates"] == Threshold(warn=0.2, stop=0.6, steps=STRICT["duplicates"].steps)
    assert plan.thresholds["attacks"] == Threshold(warn=None, stop=0.2, steps=3)
    assert plan.thresholds["truncated"] == Threshold(warn=0.9, stop=None, steps=STRICT["truncated"].steps)
    assert "copying" not in plan.thresholds
    assert plan.thresholds["length_change"] == STRICT["length_change"]
    assert plan.named == {"duplicates", "attacks", "truncated"}


def test_one_monitor_can_be_watched_alone() -> None:
    plan = parse_monitors(["off", "shadow_gap=1:2"])
    assert dict(plan.thresholds) == {"shadow_gap": Threshold(warn=1.0, stop=2.0, steps=DEFAULT["shadow_gap"].steps)}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["lenient"], "a preset is one of default, warn-only, strict, off"),
        (["strict", "off"], "one preset at most"),
        (["lenght=1:2"], "there is length_correlation, length_change"),
        (["duplicates=0.5"], "write WARN:STOP"),
        (["duplicates=1:2:3:4"], "write WARN:STOP"),
        (["duplicates=much:more"], "write WARN:STOP"),
        (["duplicates=0.1:0.2:2.5"], "write WARN:STOP"),
        (["duplicates=0.1:0.2:0"], "looks at one step at least"),
        (["duplicates=nan:0.2"], "finite"),
        (["duplicates=0.5:0.2"], "before it warns"),
        (["distinct_2=0.2:0.5"], "before it warns"),
        (["length_change=-1:1"], "without a sign"),
        (["duplicates=0.1:0.2", "duplicates=off"], "duplicates stands twice"),
    ],
)
def test_options_that_say_nothing_are_refused(options: list[str], says: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_monitors(options)
    assert says in refused.value.detail
    assert refused.value.detail.startswith("--watch")


def test_what_has_nothing_to_watch_is_left_out() -> None:
    watched = [monitor.name for monitor in build_monitors(DEFAULT)]
    assert watched == [name for name in MONITORS if name not in {"copying", "shadow_gap", "shadow_fall"}]
    everything = build_monitors(DEFAULT, shadows=["judge"], corpus=KnownTexts(["新居大吉"]))
    assert [monitor.name for monitor in everything] == list(MONITORS)


@pytest.mark.parametrize(
    ("name", "says"), [("copying", "--watch-corpus"), ("shadow_gap", "no shadow"), ("shadow_fall", "no shadow")]
)
def test_what_was_asked_for_and_has_nothing_to_watch_is_refused(name: str, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        build_monitors(DEFAULT, named=[name])
