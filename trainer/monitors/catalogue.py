"""All monitors there are."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from shared.errors import InvalidRequest
from trainer.evaluation.policies.copying import KnownTexts
from trainer.monitors.attacks import Attacks
from trainer.monitors.corpus import Copying
from trainer.monitors.length import LengthChange, LengthCorrelation, Truncated
from trainer.monitors.monitor import Monitor
from trainer.monitors.shadow import ShadowFall, ShadowGap
from trainer.monitors.variety import Distinct, Duplicates

MONITORS: Final[Mapping[str, type[Monitor]]] = {
    monitor.name: monitor
    for monitor in (
        LengthCorrelation,
        LengthChange,
        Truncated,
        Distinct,
        Duplicates,
        Copying,
        Attacks,
        ShadowGap,
        ShadowFall,
    )
}
"""By name, in the order in which they are shown."""


def build_monitors(
    names: Collection[str],
    *,
    named: Collection[str] = (),
    shadows: Sequence[str] = (),
    shadow_every: int = 1,
    corpus: KnownTexts | None = None,
) -> list[Monitor]:
    """Monitors of a run that has just begun, in the order of `MONITORS`; those that have nothing to watch are left out.

    Args:
        names: Of those wanted.
        named: Those of them that must not be left out.
        shadows: Names of the rewards of weight 0.
        shadow_every: At each n-th step they are asked.
        corpus: What must not be copied; None: nothing is known.

    Raises:
        InvalidRequest: One of ``named`` has nothing to watch.
    """
    monitors: list[Monitor] = []
    for name, kind in MONITORS.items():
        if name not in names:
            continue
        if kind is Copying:
            if corpus is not None:
                monitors.append(Copying(corpus))
            elif name in named:
                raise InvalidRequest(f"--watch {name}: no corpus is known; --watch-corpus names one")
        elif issubclass(kind, ShadowGap | ShadowFall):
            if shadows:
                monitors.append(kind(shadows, shadow_every))
            elif name in named:
                raise InvalidRequest(f"--watch {name}: there is no shadow, no reward of weight 0")
        else:
            monitors.append(kind())
    return monitors
