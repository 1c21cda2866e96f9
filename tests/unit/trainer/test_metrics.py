from __future__ import annotations

import math

import httpx
import pytest

from tests.support.processes import free_port
from trainer.metrics import MetricsPortTaken, TrainerMetrics

ELSEWHERE = "127.0.0.2"
"""Another address of this machine than the one that metrics are served on by default."""


def answers(host: str, port: int) -> bool:
    try:
        answer = httpx.get(f"http://{host}:{port}/metrics", timeout=5, trust_env=False)
    except httpx.ConnectError:
        return False
    return "zhufu_trainer_step_seconds_count" in answer.text


def test_metrics_are_served_on_one_address_unless_told_otherwise() -> None:
    port = free_port()
    TrainerMetrics().serve(port)
    assert answers("127.0.0.1", port)
    assert not answers(ELSEWHERE, port)


def test_all_addresses_can_be_had_for_a_prometheus_in_another_container() -> None:
    port = free_port()
    TrainerMetrics().serve(port, "0.0.0.0")
    assert answers("127.0.0.1", port)
    assert answers(ELSEWHERE, port)


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.1", "no-such-host.invalid"])
def test_an_address_that_cannot_be_had_is_told_in_a_sentence(host: str) -> None:
    port = free_port()
    if host == "127.0.0.1":
        TrainerMetrics().serve(port, host)
    with pytest.raises(MetricsPortTaken, match=f"metrics cannot be served on {host} port {port}: ."):
        TrainerMetrics().serve(port, host)


def test_a_monitor_shows_its_bounds_at_once_and_no_value_before_it_has_one() -> None:
    metrics = TrainerMetrics()

    def shown(what: str) -> float | None:
        return metrics.registry.get_sample_value(f"zhufu_trainer_monitor{what}", {"monitor": "duplicates"})

    metrics.expect_monitor("duplicates", 0.3, None)
    assert (shown("_warn"), shown("_stop"), shown("_level")) == (0.3, None, 0.0)
    value = shown("")
    assert value is not None
    assert math.isnan(value), "not measured yet is not zero"
    metrics.show_monitor("duplicates", 0.5, 1)
    assert (shown(""), shown("_level")) == (0.5, 1.0)
