from __future__ import annotations

from prometheus_client import CollectorRegistry

from shared.untrusted import FLAGS
from shared.untrusted.metrics import InspectionMetrics


def test_a_completion_counts_once_however_many_kinds_of_attack_it_shows() -> None:
    registry = CollectorRegistry()
    metrics = InspectionMetrics("judge", registry)

    def inspected(flagged: str) -> float | None:
        return registry.get_sample_value("zhufu_inspected_completions_total", {"reward": "judge", "flagged": flagged})

    def attempts() -> dict[str, float | None]:
        name = "zhufu_injection_attempts_total"
        return {flag: registry.get_sample_value(name, {"reward": "judge", "kind": flag}) for flag in FLAGS}

    assert (inspected("true"), inspected("false")) == (0, 0)
    assert attempts() == dict.fromkeys(FLAGS, 0.0), "every kind is there before the first attack"
    metrics.count(())
    metrics.count(("judge_order", "self_praise"))
    metrics.count(("judge_order",))
    assert (inspected("true"), inspected("false")) == (2, 1)
    assert attempts() == {**dict.fromkeys(FLAGS, 0.0), "judge_order": 2, "self_praise": 1}
