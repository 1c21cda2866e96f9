"""The runbook has a section for every alert, and the table of metrics is complete."""

from __future__ import annotations

import re

from monitoring.metrics import END, PAGE, by_part, with_tables
from tests.support.monitoring import alert_names, alerts
from tests.support.processes import ROOT

RUNBOOK = ROOT / "docs" / "runbook.md"
PARTS_OF_A_SECTION = ("**Means:**", "**Look at:**", "**Do:**")


def sections() -> dict[str, str]:
    """Of the runbook's alerts, by their headings."""
    found = re.split(r"^## (Zhufu\w+)$", RUNBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(found[1::2], found[2::2], strict=True))


def test_every_alert_has_a_section_and_every_section_an_alert() -> None:
    assert sorted(sections()) == sorted(alert_names())


def test_every_section_says_what_it_means_what_to_look_at_and_what_to_do() -> None:
    for name, text in sections().items():
        places = [text.find(part) for part in PARTS_OF_A_SECTION]
        assert -1 < places[0] < places[1] < places[2], name


def test_every_alert_names_its_section() -> None:
    for alert in alerts():
        # The anchor that a heading of one word gets.
        assert alert["annotations"]["runbook"] == f"docs/runbook.md#{alert['alert'].lower()}"


def test_the_runbook_names_no_metric_that_is_not_there() -> None:
    known = {metric.name for _, metrics in by_part() for metric in metrics}
    known |= {f"{metric.name}_count" for _, metrics in by_part() for metric in metrics if metric.kind == "histogram"}
    named = set(re.findall(r"`(zhufu_\w+)", RUNBOOK.read_text(encoding="utf-8") + PAGE.read_text(encoding="utf-8")))
    assert named
    assert named <= known


def test_the_tables_of_metrics_are_what_the_registries_declare() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert END in page
    assert page == with_tables(page), "run python -m monitoring.metrics"
    for _, metrics in by_part():
        assert metrics
        assert all(metric.about for metric in metrics)
