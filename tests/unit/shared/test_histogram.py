"""`TallyHistogram` shows what prometheus_client's own histogram would."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from shared.histogram import TallyHistogram

BOUNDS = [(0.0, 0.5, 1.0, 20.0), (-20.0, -0.5, 0.0, 1.0)]


def shown(registry: CollectorRegistry) -> dict[tuple[str, str], float]:
    return {
        (sample.name, sample.labels.get("le", "")): sample.value
        for family in registry.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def filled(
    declare: Callable[..., Histogram | TallyHistogram], values: list[float], **bounds: tuple[float, ...]
) -> object:
    registry = CollectorRegistry()
    series = declare("waits", "How long.", ["door"], registry=registry, **bounds).labels("http")
    for value in values:
        series.observe(value)
    return shown(registry)


@pytest.mark.parametrize("bounds", BOUNDS)
@given(values=st.lists(st.sampled_from([*BOUNDS[0], *BOUNDS[1]]) | st.floats(-30, 30)))
def test_a_scrape_shows_the_same(bounds: tuple[float, ...], values: list[float]) -> None:
    assert filled(TallyHistogram, values, bounds=bounds) == pytest.approx(filled(Histogram, values, buckets=bounds))
