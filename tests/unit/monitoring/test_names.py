"""Every metric and label that a rule or a dashboard names is one that a service, the trainer or an exporter has."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from monitoring.metrics import ANY, PARTS, by_part, with_series
from tests.support.monitoring import Expression, dashboard_expressions, rule_expressions, rules

promql: Any = pytest.importorskip("promql_parser", reason="promql-parser is not installed")

TARGET = {"job", "instance"}
"""Labels that a scrape adds."""
OF_OTHERS: Mapping[str, set[str]] = {
    "up": set(),
    "ALERTS": {"alertname", "alertstate", "severity", "reward"},
    # vLLM, docs/design/metrics.md
    "vllm:num_requests_running": {"model_name", "engine"},
    "vllm:num_requests_waiting": {"model_name", "engine"},
    "vllm:kv_cache_usage_perc": {"model_name", "engine"},
    # dcgm-exporter, etc/default-counters.csv
    "DCGM_FI_DEV_GPU_UTIL": {"gpu", "Hostname", "UUID", "modelName"},
    "DCGM_FI_DEV_FB_USED": {"gpu", "Hostname", "UUID", "modelName"},
    "DCGM_FI_DEV_POWER_USAGE": {"gpu", "Hostname", "UUID", "modelName"},
}
"""Metrics of others, and their labels."""


def real_series() -> dict[str, dict[str, set[str]]]:
    """What the registries give: the values of each label, by the name of the series."""
    found: dict[str, dict[str, set[str]]] = {}
    for declared in PARTS.values():
        for family in with_series(declared()).collect():
            for sample in family.samples:
                values = found.setdefault(sample.name, {})
                for label, value in sample.labels.items():
                    values.setdefault(label, set()).add(value)
    return found


REAL = real_series()
RECORDED = {rule["record"]: set(rule["record"].partition(":")[0].split("_")) for rule in rules() if "record" in rule}
"""Labels of recorded series, as their names tell."""


def labels_of(name: str) -> set[str]:
    """Labels that a series has; fails where there is no such series."""
    if name in REAL:
        return REAL[name].keys() | TARGET
    if name in RECORDED:
        return RECORDED[name]
    assert name in OF_OTHERS, f"nobody has a metric {name}"
    return OF_OTHERS[name] | TARGET


def check(expression: Expression) -> set[str]:
    """Hold an expression to what there is; returns the labels of its result."""
    given: set[str] = labels_given(promql.parse(expression.text))
    missing = expression.shown - given
    assert not missing, f"{expression.where} shows {missing}, and its result has {given}"
    return given


def labels_given(node: Any) -> set[str]:
    """Labels of what a part of an expression gives, all below it looked at."""
    kinds: Mapping[type, Callable[[Any], set[str]]] = {
        promql.VectorSelector: labels_selected,
        promql.MatrixSelector: lambda node: labels_selected(node.vector_selector),
        promql.AggregateExpr: labels_aggregated,
        promql.BinaryExpr: labels_combined,
        promql.ParenExpr: lambda node: labels_given(node.expr),
        promql.UnaryExpr: lambda node: labels_given(node.expr),
        promql.SubqueryExpr: lambda node: labels_given(node.expr),
        promql.Call: labels_called,
        promql.NumberLiteral: lambda node: set(),
        promql.StringLiteral: lambda node: set(),
    }
    return kinds[type(node)](node)


def labels_selected(selector: Any) -> set[str]:
    labels = labels_of(selector.name)
    for matcher in selector.matchers.matchers:
        assert matcher.name in labels, f"{selector.name} has no label {matcher.name}"
        values = REAL.get(selector.name, {}).get(matcher.name, set())
        if matcher.op == promql.MatchOp.Equal and values and ANY not in values:
            assert matcher.value in values, f"{selector.name} has no {matcher.name}={matcher.value!r}"
    return labels


def labels_called(node: Any) -> set[str]:
    given = set().union(*map(labels_given, node.args))
    if node.func.name != "histogram_quantile":
        return given
    assert "le" in given, f"{node} has no buckets"
    return given - {"le"}


def labels_aggregated(node: Any) -> set[str]:
    below = labels_given(node.expr)
    if node.modifier is None:
        return set()
    assert node.modifier.type == promql.AggModifierType.By
    by = set(node.modifier.labels)
    assert by <= below, f"by {by - below}, which {node.expr} does not have"
    return by


def labels_combined(node: Any) -> set[str]:
    sides = [labels_given(side) for side in (node.lhs, node.rhs)]
    vectors = [side for side in sides if side]
    matching = node.modifier.matching if node.modifier is not None else None
    if matching is not None:
        on = set(matching.labels)
        assert matching.type == promql.LabelModifierType.Include
        assert all(on <= side for side in sides)
    elif len(vectors) == 2:
        assert vectors[0] == vectors[1], f"{node}: {vectors[0]} never match {vectors[1]}"
    return sides[0] or sides[1]


@pytest.mark.parametrize("expression", rule_expressions(), ids=lambda expression: expression.where)
def test_rules_name_what_there_is(expression: Expression) -> None:
    given = check(expression)
    if expression.where in RECORDED:
        assert given == RECORDED[expression.where], "the level in its name is what it is of"


@pytest.mark.parametrize("expression", dashboard_expressions(), ids=lambda expression: expression.where)
def test_dashboards_name_what_there_is(expression: Expression) -> None:
    check(expression)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("zhufu_nothing_total", "nobody has a metric"),
        ("zhufu_reward_sum", "nobody has a metric"),
        ('zhufu_score_requests_total{state="failed"}', "no label state"),
        ('zhufu_score_requests_total{status="broken"}', "no status='broken'"),
        ("sum by (kind) (zhufu_ready)", "does not have"),
        ("sum by (job) (zhufu_ready) / sum by (job, reward) (zhufu_ready)", "never match"),
    ],
)
def test_what_there_is_not_comes_to_light(text: str, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        check(Expression(where="here", text=text))


def test_what_is_shown_must_be_given() -> None:
    with pytest.raises(AssertionError, match="shows"):
        check(Expression(where="here", text="sum by (job) (zhufu_ready)", shown=frozenset(["reward"])))


def test_every_metric_of_ours_is_on_a_dashboard_or_in_a_rule() -> None:
    texts = [each.text for each in [*rule_expressions(), *dashboard_expressions()]]
    named = {re.sub(r"_(bucket|count|sum)$", "", name) for name in re.findall(r"zhufu_\w+", " ".join(texts))}
    ours = {metric.name for _, metrics in by_part() for metric in metrics if metric.name.startswith("zhufu_")}
    assert ours - named == set()
