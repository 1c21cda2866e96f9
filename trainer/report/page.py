"""A report as data, and as one HTML page."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

import jinja2

from trainer.report.monitors import MonitorSection
from trainer.run_folder import write_whole


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One bound that a run has to keep: what was measured, what is allowed, and whether it holds."""

    name: str
    measured: str
    allowed: str
    passed: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SamplePair:
    """What the policy wrote for one prompt before and after training, with the rewards."""

    prompt: str
    before: str
    before_reward: float | None
    after: str
    after_reward: float | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DebateStep:
    """What one agent said in the weighing of a greeting."""

    agent: str
    round: int
    said: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Debate:
    """A preference pair of the agents, where they found one, and how the chosen greeting was weighed."""

    prompt: str
    chosen: str | None
    rejected: str | None
    steps: Sequence[DebateStep]
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that a page shows. ``plots`` are base64 PNG; None ones are left out."""

    title: str
    summary: str
    checks: Sequence[Check] = ()
    monitors: MonitorSection | None = None
    figures: Mapping[str, str] = dataclasses.field(default_factory=dict)
    plots: Sequence[str | None] = ()
    samples: Sequence[SamplePair] = ()
    debate: Debate | None = None
    settings: Mapping[str, object] = dataclasses.field(default_factory=dict)
    notes: Sequence[str] = ()


def write_report(report: Report, path: Path) -> Path:
    """Render to one file, whole or not at all. Every text is escaped: what a policy wrote is shown, never run."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = resources.files("trainer.report").joinpath("report.html.j2").read_text(encoding="utf-8")
    html = environment.from_string(template).render(report=report, plots=[plot for plot in report.plots if plot])
    write_whole(path, html)
    return path
