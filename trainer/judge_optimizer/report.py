"""OUTPUT/report.html: agreement with the gate's decisions, fooling rate, rule changes, the rules before and after."""

from __future__ import annotations

import base64
import dataclasses
import io
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from trainer.evaluation.intervals import Interval
from trainer.judge_optimizer.optimize import Optimized, OptimizerJob
from trainer.report.plots import STYLE
from trainer.run_folder import write_whole

REPORT = "report.html"
MARKS = {"kept": ("o", "#2e7d32"), "rolled_back": ("x", "#c62828")}
PHASES = ("adversarial", "reflection")


@dataclasses.dataclass(frozen=True, slots=True)
class GatePoint:
    """One measurement on the validation set: where it stands on the axis of rounds, and what was decided."""

    at: float
    agreement: Mapping[str, float]
    decision: str


def write_optimizer_report(job: OptimizerJob, done: Optimized, path: Path) -> Path:
    """Render one file. Every text is escaped: what a model wrote is shown, never run."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    template = resources.files("trainer.judge_optimizer").joinpath("report.html.j2").read_text(encoding="utf-8")
    played = done.records[1:]
    best = job.start.detector if done.best is None else done.best.strategy
    last = played[-1]["after"]["generator"] if played else list(job.start.generator.rules)
    html = environment.from_string(template).render(
        summary=_summary(done),
        figures=_figures(job, done),
        plots=[plot for plot in (agreement_plot(done), fooling_plot(played), changes_plot(played)) if plot],
        rounds=[_row(record) for record in played],
        detector=(list(job.start.detector.rules), list(best.rules)),
        generator=(list(job.start.generator.rules), last),
        settings=job.settings(),
    )
    write_whole(path, html)
    return path


def gate_points(records: Sequence[Mapping[str, Any]]) -> list[GatePoint]:
    """All measurements of a log; the two phases of round n stand at n - 0.5 and n."""
    points: list[GatePoint] = []
    for record in records:
        if record["round"] == 0:
            measured, decision = record["validation"]["agreement"], "kept"
            points.append(GatePoint(0.0, measured, decision))
            continue
        for phase, back in zip(PHASES, (0.5, 0.0), strict=True):
            update = record[phase]["detector_update"]
            if update["gate"] is not None and update["gate"]["validation"]["agreement"] is not None:
                points.append(
                    GatePoint(record["round"] - back, update["gate"]["validation"]["agreement"], update["decision"])
                )
    return points


def agreement_plot(done: Optimized) -> str | None:
    """Agreement of each S_D that the gate saw, with its interval and what became of it; the best so far as a line."""
    points = gate_points(done.records)
    if not points:
        return None
    with mpl.rc_context(STYLE):
        figure, axes = _axes("Agreement on the validation set", "share of labels")
        axes.axhline(0.5, color="grey", linewidth=0.8, linestyle=":", label="chance, and length alone")
        rounds = [record["round"] for record in done.records]
        best = [(record["best"] if record["round"] else record["validation"])["agreement"] for record in done.records]
        steps = [(number, each["mean"]) for number, each in zip(rounds, best, strict=True) if each]
        axes.step(*zip(*steps, strict=True), where="post", color="#1565c0", linewidth=1.2, label="best so far")
        for decision, (mark, color) in MARKS.items():
            some = [point for point in points if point.decision == decision]
            if some:
                means = [point.agreement["mean"] for point in some]
                down = [point.agreement["mean"] - point.agreement["low"] for point in some]
                up = [point.agreement["high"] - point.agreement["mean"] for point in some]
                label = decision.replace("_", " ")
                axes.errorbar(
                    [point.at for point in some], means, yerr=[down, up], fmt=mark, color=color, capsize=2,
                    linewidth=0.8, label=label,
                )  # fmt: skip
        axes.set_ylim(0, 1)
        axes.legend(fontsize=7)
        return _png(figure)


def fooling_plot(played: Sequence[Mapping[str, Any]]) -> str | None:
    """Share of the attacks of each round that passed for good."""
    points = [
        (record["round"], record["adversarial"]["fooled"] / record["adversarial"]["judged"])
        for record in played
        if record["adversarial"]["judged"]
    ]
    if not points:
        return None
    with mpl.rc_context(STYLE):
        figure, axes = _axes("Fooling rate", "attacks that passed for good")
        axes.plot(*zip(*points, strict=True), marker="o", color="#6a1b9a")
        axes.set_ylim(-0.02, 1.02)
        return _png(figure)


def changes_plot(played: Sequence[Mapping[str, Any]]) -> str | None:
    """How many rules were added or removed in each round, what was rolled back left out."""
    if not played:
        return None
    with mpl.rc_context(STYLE):
        figure, axes = _axes("Rule changes", "rules added and removed")
        rounds = [record["round"] for record in played]
        for side, shift in (("generator", -0.18), ("detector", 0.18)):
            counts = [len(set(record["before"][side]) ^ set(record["after"][side])) for record in played]
            axes.bar([number + shift for number in rounds], counts, width=0.34, label=f"S_{side[0].upper()}")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(fontsize=7)
        return _png(figure)


def _summary(done: Optimized) -> str:
    if done.stopped is not None:
        return f"Stopped after {done.played} whole rounds: {done.stopped.detail}. It can be resumed."
    best = done.best.round_number if done.best else 0
    if not best:
        return f"{done.played} rounds. No change was measured to be better than the starting rules, which stay."
    told = f"{done.played} rounds; the best rules are those of round {best}."
    if done.test is not None and done.test.difference is not None and done.test.difference.high < 0:
        told += " On data that decided nothing they are worse than the start: they should not be served."
    return told


def _figures(job: OptimizerJob, done: Optimized) -> dict[str, str]:
    figures: dict[str, str] = {}
    if done.test is not None:
        figures[f"agreement on {job.pools.test.source}, before"] = _shown(done.test.before.agreement)
        figures[f"agreement on {job.pools.test.source}, after"] = _shown(done.test.after.agreement)
        figures["difference, paired"] = _shown(done.test.difference)
        figures["verdicts there that failed, before / after"] = f"{done.test.before.failed} / {done.test.after.failed}"
    if done.start is not None and done.best is not None:
        figures[f"agreement on {job.pools.validation.source}, start"] = _shown(done.start.agreement)
        figures[f"agreement on {job.pools.validation.source}, best (chosen by it: too high)"] = _shown(
            done.best.measurement.agreement
        )
    if done.fooling_rate is not None:
        figures["fooling rate, all rounds"] = f"{done.fooling_rate:.3f} ({done.fooled} of {done.judged})"
    failures: dict[str, int] = {}
    for record in done.records:
        for code, count in record["failures"].items():
            failures[code] = failures.get(code, 0) + count
    for code, count in sorted(failures.items()):
        figures[f"failed: {code}"] = str(count)
    figures["calls paid"] = f"{done.spent.calls:,}"
    figures["tokens paid, prompt / answer"] = f"{done.spent.prompt_tokens:,} / {done.spent.completion_tokens:,}"
    return figures


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    """One line of the table of rounds."""
    gates = []
    for phase in PHASES:
        update = record[phase]["detector_update"]
        gate = update["gate"]
        text = update["decision"].replace("_", " ")
        if gate is not None and gate["difference"] is not None:
            difference = gate["difference"]
            text += f" ({difference['mean']:+.3f} [{difference['low']:+.3f}, {difference['high']:+.3f}])"
        gates.append({"text": text, "bad": update["decision"] in {"rolled_back", "refused", "failed"}})
    return {
        "round": record["round"],
        "fooled": f"{record['adversarial']['fooled']} / {record['adversarial']['judged']}",
        "generator": record["adversarial"]["generator_update"]["decision"].replace("_", " "),
        "wrong": f"{record['reflection']['wrong']} / {len(record['reflection']['examples'])}",
        "gates": gates,
        "best": record["best"]["round"],
        "failed": sum(record["failures"].values()),
    }


def _shown(interval: Interval | None) -> str:
    return "none: no pair has both verdicts" if interval is None else str(interval)


def _axes(title: str, label: str) -> tuple[Any, Any]:
    figure = Figure(figsize=(4.6, 2.6), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title)
    axes.set_xlabel("round")
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure, axes


def _png(figure: Any) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return base64.b64encode(buffer.getvalue()).decode()
