"""The committed dashboards are what their generator writes, and fit together."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest
import yaml

from tests.support.monitoring import DASHBOARDS, dashboards
from tests.support.processes import ROOT

GRAFANA = ROOT / "monitoring" / "grafana"
NAMES = ["latency", "llm-cost", "queue", "rewards", "training"]
BUILT_IN = {"__rate_interval", "__range", "__all"}


def test_there_is_one_for_each_thing_to_look_at() -> None:
    assert list(dashboards()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_dashboard_is_what_the_generator_writes(name: str) -> None:
    pytest.importorskip("grafana_foundation_sdk", reason="grafana-foundation-sdk is not installed")
    from monitoring.dashboards.__main__ import DASHBOARDS as MADE
    from monitoring.dashboards.__main__ import written

    committed = (DASHBOARDS / f"{name}.json").read_text(encoding="utf-8")
    assert committed == written(MADE[name]()), "run make dashboards"


@pytest.mark.parametrize("name", NAMES)
def test_panels_fill_their_lines_and_do_not_overlap(name: str) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboards()[name]["panels"]:
        place = panel["gridPos"]
        for cell in itertools.product(
            range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        ):
            assert cell not in taken, f"{panel['title']} lies on {taken[cell]}"
            taken[cell] = panel["title"]
    rows = {y for _, y in taken}
    assert {x for x, _ in taken} == set(range(24))
    assert all((x, y) in taken for y in rows for x in range(24)), "a line has a hole"


def test_ids_and_addresses_are_unique() -> None:
    boards = dashboards()
    assert {board["uid"] for board in boards.values()} == {f"zhufu-{name}" for name in boards}
    for board in boards.values():
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids)


def test_every_variable_that_is_used_is_there_and_the_other_way_round() -> None:
    for name, board in dashboards().items():
        there = {variable["name"] for variable in board["templating"]["list"]}
        used = set(re.findall(r"\$\{?(\w+)", json.dumps(board))) - BUILT_IN
        assert used == there, name


def test_every_panel_says_what_it_shows_and_takes_the_chosen_prometheus() -> None:
    for board in dashboards().values():
        for panel in board["panels"]:
            if panel["type"] == "row":
                continue
            assert panel["description"].endswith(".")
            assert panel["targets"]
            assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}


def test_tokens_become_cost_by_prices_that_people_can_type_in() -> None:
    board = dashboards()["llm-cost"]
    prices = {each["name"]: each for each in board["templating"]["list"] if each["name"].startswith("price_")}
    assert {each["type"] for each in prices.values()} == {"textbox"}
    assert all(float(each["query"]) >= 0 for each in prices.values())
    (panel,) = [panel for panel in board["panels"] if panel["title"] == "In the time shown"]
    expression = panel["targets"][0]["expr"]
    for kind in ("prompt", "cached_prompt", "completion"):
        assert f'kind="{kind}"' in expression
        assert f"$price_{kind}" in expression


def test_grafana_finds_its_prometheus_and_its_dashboards() -> None:
    def read(*path: str) -> Any:
        return yaml.safe_load(GRAFANA.joinpath("provisioning", *path).read_text(encoding="utf-8"))

    (source,) = read("datasources", "prometheus.yml")["datasources"]
    assert (source["type"], source["uid"]) == ("prometheus", "prometheus")
    for board in dashboards().values():
        (choice,) = [each for each in board["templating"]["list"] if each["name"] == "datasource"]
        assert choice["current"]["value"] == source["uid"]
    (provider,) = read("dashboards", "zhufu.yml")["providers"]
    assert provider["type"] == "file"
