"""What monitoring/ holds: rules, their cases, and dashboards, as data."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.processes import ROOT

PROMETHEUS = ROOT / "monitoring" / "prometheus"
DASHBOARDS = ROOT / "monitoring" / "grafana" / "dashboards"
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))
CASES = sorted((PROMETHEUS / "tests").glob("*.yml"))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A PromQL expression, and where it stands.

    Attributes:
        where: For people.
        text: Without Grafana's variables.
        shown: Labels that are shown beside its values, so that it must give them.
    """

    where: str
    text: str
    shown: frozenset[str] = frozenset()


def rules() -> list[Mapping[str, Any]]:
    """All rules, in order."""
    return [
        rule
        for path in RULES
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    ]


def alerts() -> list[Mapping[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def alert_names() -> list[str]:
    return [alert["alert"] for alert in alerts()]


def cases() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All cases that an alert was tried in: its name, and the case."""
    for path in CASES:
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            for case in test.get("alert_rule_test", []):
                yield case["alertname"], case


def rule_expressions() -> list[Expression]:
    found = []
    for rule in rules():
        told = " ".join(rule.get("annotations", {}).values())
        shown = frozenset(re.findall(r"\$labels\.(\w+)", told))
        found.append(Expression(where=rule.get("alert", rule.get("record")), text=rule["expr"], shown=shown))
    return found


def dashboards() -> dict[str, Any]:
    """By the names of their files."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(DASHBOARDS.glob("*.json"))}


def dashboard_expressions() -> list[Expression]:
    found = []
    for name, board in dashboards().items():
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
                assert asked, variable["query"]
                found.append(
                    Expression(
                        where=f"{name}: ${variable['name']}",
                        text=without_variables(asked[1]),
                        shown=frozenset([asked[2]]),
                    )
                )
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                shown = frozenset(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", "")))
                where = f"{name}: {panel['title']}"
                found.append(Expression(where=where, text=without_variables(target["expr"]), shown=shown))
    return found


def without_variables(text: str) -> str:
    """A query as Grafana would send it, with something in place of each variable."""
    text = re.sub(r"\[\$__(rate_interval|range)\]", "[5m]", text)
    return re.sub(r"\$price_\w+", "1.5", text)


def promtool(*arguments: str | Path, folder: Path = PROMETHEUS) -> subprocess.CompletedProcess[str]:
    """Run Prometheus' own tool on files of a folder; skips the test where there is none."""
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed; Debian's package prometheus has it")
    return subprocess.run([tool, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=60)
