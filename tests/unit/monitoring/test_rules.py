"""Prometheus' own tool accepts configuration and rules, and every alert was seen to fire and to stay silent."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.support.monitoring import CASES, PROMETHEUS, RULES, alert_names, alerts, cases, promtool, rules


def test_prometheus_takes_the_configuration_and_finds_all_rules() -> None:
    checked = promtool("check", "config", "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    for path in RULES:
        assert f"Checking rules/{path.name}" in checked.stdout
    assert "WARNING" not in checked.stdout + checked.stderr


def test_prometheus_takes_the_rules() -> None:
    checked = promtool("check", "rules", "--lint=all", "--lint-fatal", *(f"rules/{path.name}" for path in RULES))
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_only_then(path: Path) -> None:
    tested = promtool("test", "rules", f"tests/{path.name}")
    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.parametrize("change", [("for: 2m", "for: 90m"), ("> 300", "> 30000"), ("> 300", ">= 0")])
def test_these_cases_can_fail(change: tuple[str, str], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(PROMETHEUS, tmp_path / "prometheus"))
    rule_file = folder / "rules" / "queue.yml"
    before = rule_file.read_text(encoding="utf-8")
    assert change[0] in before
    rule_file.write_text(before.replace(*change), encoding="utf-8")
    tested = promtool("test", "rules", "tests/queue.yml", folder=folder)
    assert tested.returncode != 0
    assert "ZhufuQueueOld" in tested.stdout + tested.stderr


@pytest.mark.parametrize("name", alert_names())
def test_every_alert_has_a_case_that_fires_it_and_one_that_does_not(name: str) -> None:
    outcomes = {bool(case.get("exp_alerts")) for alert, case in cases() if alert == name}
    assert outcomes == {True, False}


def test_no_case_is_of_an_alert_that_is_not_there() -> None:
    assert {alert for alert, _ in cases()} == set(alert_names())


def test_alerts_have_a_name_a_severity_and_words() -> None:
    assert len(set(alert_names())) == len(alert_names())
    for alert in alerts():
        assert re.fullmatch(r"Zhufu([A-Z][a-z]+)+", alert["alert"])
        assert alert["labels"]["severity"] in {"warning", "critical"}
        assert alert["annotations"].keys() == {"summary", "description", "runbook"}


def test_groups_are_named_after_their_files_and_records_by_level_metric_and_operation() -> None:
    for path in RULES:
        groups = yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        assert [group["name"] for group in groups] == [f"zhufu-{path.stem}"]
    records = [rule["record"] for rule in rules() if "record" in rule]
    assert len(set(records)) == len(records)
    for record in records:
        assert re.fullmatch(r"job(_reward)?:zhufu_\w+:\w+", record)


def test_services_are_scraped_where_they_listen_and_under_the_names_that_the_rules_know() -> None:
    configuration = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))
    jobs = {job["job_name"]: job for job in configuration["scrape_configs"]}
    known = {
        name
        for rule in rules()
        for names in re.findall(r'job!?=~"\(\.\+/\)\?\(zhufu-\)\?\(?([\w|-]+)\)?"', rule["expr"])
        for name in names.split("|")
    }
    assert known == set(jobs) - {"trainer", "prometheus"}
    for name, port in (("judge", 8001), ("reward-model", 8002), ("multi-agent", 8003)):
        assert jobs[name]["dns_sd_configs"] == [{"names": [name], "type": "A", "port": port, "refresh_interval": "15s"}]


def test_the_ports_are_the_defaults_of_the_services() -> None:
    from services.judge.settings import JudgeSettings
    from services.multi_agent.settings import MultiAgentSettings
    from services.reward_model.settings import RewardModelSettings

    ports = [
        settings.model_fields["port"].default for settings in (JudgeSettings, RewardModelSettings, MultiAgentSettings)
    ]
    assert ports == [8001, 8002, 8003]
