"""A real Prometheus that scrapes what a test runs, with the project's own configuration and rules."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.processes import ROOT, START_SECONDS, Service
from tests.support.waiting import GENEROUS_SECONDS

FOLDER = ROOT / "monitoring" / "prometheus"
EVERY = "1s"
"""Scrapes and rules, instead of every 15 seconds; the rules' own windows stay."""


def configuration(targets: Mapping[str, int]) -> dict[str, Any]:
    """The committed configuration, its names of containers replaced by ports of this machine.

    Args:
        targets: Ports by the names of jobs; a job that is not among them has no target.
    """
    committed: dict[str, Any] = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    committed["global"] |= {"scrape_interval": EVERY, "scrape_timeout": EVERY, "evaluation_interval": EVERY}
    committed["rule_files"] = [str(FOLDER / pattern) for pattern in committed["rule_files"]]
    jobs = {job["job_name"]: job for job in committed["scrape_configs"]}
    assert targets.keys() <= jobs.keys()
    for name, job in jobs.items():
        for way in [way for way in job if way.endswith("_sd_configs")]:
            del job[way]
        addresses = [f"127.0.0.1:{targets[name]}"] if name in targets else []
        job["static_configs"] = [{"targets": addresses}]
    return committed


def program() -> str:
    """Where it is; skips the test where it is not installed."""
    found = shutil.which("prometheus")
    if found is None:
        pytest.skip("prometheus is not installed; Debian's package prometheus has it")
    return found


class Prometheus(Service):
    """The server; ended by its owner."""

    def __init__(self, folder: Path, port: int, targets: Mapping[str, int]) -> None:
        """Start it and wait until it is ready; skips the test where it is not installed."""
        written = folder / "prometheus.yml"
        written.write_text(yaml.safe_dump(configuration(targets)), encoding="utf-8")
        command = (
            program(),
            f"--config.file={written}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        )
        super().__init__(command, folder / "prometheus.log", {}, port)
        self._api = httpx.Client(base_url=f"{self.url}/api/v1/", timeout=30, trust_env=False)
        try:
            self.wait_until("/-/ready", timeout_seconds=START_SECONDS)
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        self._api.close()
        super().end()

    def asked(self, path: str, **parameters: str) -> Any:
        """What the API answers; fails where it refuses."""
        answer = self._api.get(path, params=parameters).json()
        assert answer["status"] == "success", (parameters, answer)
        return answer["data"]

    def query(self, expression: str) -> dict[tuple[tuple[str, str], ...], float]:
        """An expression's value now, by the labels of its series."""
        data = self.asked("query", query=expression)
        assert data["resultType"] == "vector", data
        return {
            tuple(sorted((name, value) for name, value in series["metric"].items() if name != "__name__")): float(
                series["value"][1]
            )
            for series in data["result"]
        }

    def wait_for(self, expression: str) -> dict[tuple[tuple[str, str], ...], float]:
        """The value of an expression as soon as it has one."""
        deadline = time.monotonic() + GENEROUS_SECONDS
        while not (found := self.query(expression)):
            assert time.monotonic() < deadline, f"no value within {GENEROUS_SECONDS:g} s: {expression}"
            time.sleep(0.2)
        return found

    def value(self, expression: str) -> float:
        """The one value of an expression, as soon as it has one."""
        (value,) = self.wait_for(expression).values()
        return value
