"""Principles of a process that has no Redis: published, put in force, never two texts under one id."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from services.judge import store as store_module
from services.judge.metrics import JudgeMetrics
from services.judge.store import PrinciplesStore
from shared.errors import InvalidData, InvalidRequest
from tests.unit.services.judge.made import principles


class Metrics(JudgeMetrics):
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        super().__init__("judge", self.registry)

    def in_force_now(self) -> list[str]:
        return [
            sample.labels["version"]
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == "zhufu_judge_principles_info" and sample.value == 1
        ]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def store(metrics: Metrics) -> PrinciplesStore:
    return PrinciplesStore("greetings-v1", "judge", None, metrics)


def test_the_configured_ones_are_in_force_at_first(store: PrinciplesStore, metrics: Metrics) -> None:
    assert store.active.id == "greetings-v1"
    assert metrics.in_force_now() == [store.active.version]


def test_what_is_configured_must_exist(metrics: Metrics) -> None:
    with pytest.raises(InvalidData):
        PrinciplesStore("greetings-v0", "judge", None, metrics)


async def test_published_ones_can_be_named_and_put_in_force(store: PrinciplesStore, metrics: Metrics) -> None:
    await store.publish(principles())
    assert store.named("test-v1") == store.named(principles().version) == principles()
    assert store.active.id == "greetings-v1"
    await store.activate("test-v1")
    assert store.active == principles()
    assert metrics.in_force_now() == [principles().version]
    await store.activate("greetings-v1")
    assert metrics.in_force_now() == [store.named("greetings-v1").version]


@pytest.mark.parametrize("name", ["unknown", "test-v1", "greetings-v1#00000000", "greetings"])
async def test_unknown_ones_are_refused(store: PrinciplesStore, name: str) -> None:
    with pytest.raises(InvalidRequest):
        store.named(name)
    with pytest.raises(InvalidRequest):
        await store.activate(name)
    assert store.active.id == "greetings-v1"


async def test_an_id_stands_for_one_text(store: PrinciplesStore) -> None:
    await store.publish(principles())
    await store.publish(principles())
    await store.publish(principles(measured={"agreement": 0.9}))
    assert store.named("test-v1").measured == {"agreement": 0.9}
    with pytest.raises(InvalidRequest, match="choose a new one"):
        await store.publish(principles(rules=["别的。"]))
    with pytest.raises(InvalidRequest, match="choose a new one"):
        await store.publish(principles(id="greetings-v1"))


async def test_their_number_is_bounded(store: PrinciplesStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MAX_PUBLISHED", len(store.known) + 1)
    await store.publish(principles())
    with pytest.raises(InvalidRequest, match="already"):
        await store.publish(principles(id="test-v2"))
    await store.publish(principles())


async def test_there_is_nothing_to_hear_without_redis(store: PrinciplesStore) -> None:
    await store.refresh()
    assert store.active.id == "greetings-v1"
