"""``--watch``: presets, and bounds for one monitor."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from shared.errors import InvalidRequest
from trainer.monitors.catalogue import MONITORS
from trainer.monitors.threshold import Threshold

STEPS: Final = 10
SHADOW_STEPS: Final = 5
"""A shadow may be asked at each n-th step only, and its values are means of rewards: fewer of them will do."""


def _bounds(warn: float, stop: float | None = None, steps: int = STEPS) -> Threshold:
    return Threshold(warn=warn, stop=stop, steps=steps)


DEFAULT: Final[Mapping[str, Threshold]] = {
    "length_correlation": _bounds(0.5),
    "length_change": _bounds(0.6),
    "truncated": _bounds(0.2),
    "distinct_2": _bounds(0.75, 0.4),
    "duplicates": _bounds(0.3, 0.8),
    "copying": _bounds(0.5),
    "attacks": _bounds(0.05, 0.5),
    "shadow_gap": _bounds(1.0, steps=SHADOW_STEPS),
    "shadow_fall": _bounds(0.5, 1.0, SHADOW_STEPS),
}
"""Why these: docs/monitors.md. What stops a run is what no run has any use for."""
STRICT: Final[Mapping[str, Threshold]] = {
    "length_correlation": _bounds(0.3, 0.6),
    "length_change": _bounds(0.3, 0.6),
    "truncated": _bounds(0.1, 0.3),
    "distinct_2": _bounds(0.85, 0.7),
    "duplicates": _bounds(0.1, 0.3),
    "copying": _bounds(0.3, 0.6),
    "attacks": _bounds(0.02, 0.1),
    "shadow_gap": _bounds(0.5, 1.0, SHADOW_STEPS),
    "shadow_fall": _bounds(0.25, 0.5, SHADOW_STEPS),
}
PRESETS: Final[Mapping[str, Mapping[str, Threshold]]] = {
    "default": DEFAULT,
    "warn-only": {name: dataclasses.replace(bounds, stop=None) for name, bounds in DEFAULT.items()},
    "strict": STRICT,
    "off": {},
}
OFF: Final = "off"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MonitorPlan:
    """What is watched.

    Attributes:
        thresholds: By the monitor's name; one without is off.
        named: Those that were asked for by name: where one of them cannot be watched, that is an error.
    """

    thresholds: Mapping[str, Threshold]
    named: frozenset[str] = frozenset()


DEFAULT_PLAN: Final = MonitorPlan(thresholds=DEFAULT)


def parse_monitors(options: Sequence[str]) -> MonitorPlan:
    """Read ``PRESET``, ``NAME=off`` and ``NAME=WARN:STOP[:STEPS]`` options, in any order; an empty bound is none.

    Raises:
        InvalidRequest: One is not of these forms, names no monitor or preset, or a monitor or preset stands twice.
    """
    presets = [option for option in options if "=" not in option]
    if len(presets) > 1:
        raise InvalidRequest(f"--watch: one preset at most, not {' and '.join(presets)}")
    chosen = presets[0] if presets else "default"
    if chosen not in PRESETS:
        raise InvalidRequest(f"--watch {chosen}: a preset is one of {', '.join(PRESETS)}; else write NAME=WARN:STOP")
    thresholds = dict(PRESETS[chosen])
    seen: set[str] = set()
    named: set[str] = set()
    for name, text in _pairs(options):
        if name in seen:
            raise InvalidRequest(f"--watch {name} stands twice")
        seen.add(name)
        if text == OFF:
            thresholds.pop(name, None)
            continue
        thresholds[name] = _threshold(name, text, (thresholds.get(name) or DEFAULT[name]).steps)
        named.add(name)
    return MonitorPlan(thresholds=thresholds, named=frozenset(named))


def _pairs(options: Sequence[str]) -> Iterator[tuple[str, str]]:
    for option in options:
        name, separator, text = option.partition("=")
        if not separator:
            continue
        if name not in MONITORS:
            raise InvalidRequest(f"--watch {name!r}: there is {', '.join(MONITORS)}")
        yield name, text


def _threshold(name: str, text: str, usual_steps: int) -> Threshold:
    parts = text.split(":")
    try:
        if len(parts) not in {2, 3}:
            raise ValueError
        warn, stop = (float(part) if part else None for part in parts[:2])
        steps = int(parts[2]) if len(parts) == 3 else usual_steps
    except ValueError:
        raise InvalidRequest(f"--watch {name}={text}: write WARN:STOP or WARN:STOP:STEPS, or off") from None
    try:
        threshold = Threshold(warn=warn, stop=stop, steps=steps)
        threshold.check(MONITORS[name].direction)
    except InvalidRequest as error:
        raise InvalidRequest(f"--watch {name}={text}: {error.detail}") from None
    return threshold
