"""A Prometheus histogram for values that come by the ten thousand a second.

`prometheus_client.Histogram` takes a lock and walks along its buckets for every value. This one counts in a plain list:
one event loop observes, and what is counted becomes samples only when it is asked for. What a scrape shows is the same,
but for the ``_created`` series, which are left out.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


def _text(bound: float) -> str:
    return str(floatToGoString(bound))  # type: ignore[no-untyped-call]


class Tally:
    """The values of one series."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, *values: float) -> None:
        """Count values; not thread-safe."""
        counts, bounds, place = self.counts, self._bounds, bisect.bisect_left
        for value in values:
            counts[place(bounds, value)] += 1
        self.sum += sum(values)


class TallyHistogram(Collector):
    """A family of series that differ in the values of their labels.

    Args:
        name: With its prefix.
        text: What it tells.
        labels: Their names.
        bounds: Of the buckets, rising, without infinity. As with `prometheus_client`, there is no sum of values that
            may be negative.
        registry: Where it is declared.
    """

    def __init__(
        self, name: str, text: str, labels: Sequence[str], bounds: Sequence[float], registry: CollectorRegistry
    ) -> None:
        self._name = name
        self._text = text
        self._labels = tuple(labels)
        self._bounds = tuple(map(float, bounds))
        self._series: dict[tuple[str, ...], Tally] = {}
        registry.register(self)

    def labels(self, *values: str) -> Tally:
        """The series of these values, in the order of the labels' names."""
        return self._series.setdefault(values, Tally(self._bounds))

    def collect(self) -> Iterable[Metric]:
        """All series as samples."""
        family = Metric(self._name, self._text, "histogram")
        for values, tally in self._series.items():
            labels = dict(zip(self._labels, values, strict=True))
            cumulative = list(itertools.accumulate(tally.counts))
            for bound, count in zip((*self._bounds, math.inf), cumulative, strict=True):
                family.add_sample(f"{self._name}_bucket", {**labels, "le": _text(bound)}, count)
            family.add_sample(f"{self._name}_count", labels, cumulative[-1])
            if self._bounds[0] >= 0:
                family.add_sample(f"{self._name}_sum", labels, tally.sum)
        yield family
