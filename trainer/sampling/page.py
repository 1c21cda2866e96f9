"""The summary of a bulk run as a page to look at, and as a table for a terminal."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from trainer.report.page import Report, write_report
from trainer.report.plots import STYLE, histograms, scatter
from trainer.sampling.figures import figures
from trainer.sampling.results import whole_file
from trainer.sampling.summary import Summary

ABOUT = (
    "A reward model that is trained on pairs whose chosen texts are longer learns that long is good. Where the "
    "interval of the difference in length excludes zero, sample with --length require, or balance the pairs.",
    "Tokens are those that were paid: answers from a cache cost nothing. What was under way when a run was killed is "
    "not counted; it is answered from the cache when it is asked again.",
)


def write_page(summary: Summary, path: Path) -> None:
    """Write the page; whole or not at all."""
    report = Report(
        title="zhufu: preference pairs from rejection sampling",
        summary=f"{len(summary.pairs):,} pairs from {summary.prompts - summary.open:,} of {summary.prompts:,} prompts.",
        figures=figures(summary),
        plots=_plots(summary),
        settings=summary.settings,
        notes=ABOUT,
    )
    with whole_file(path) as file:
        write_report(report, Path(file.name))


def bars(counts: Mapping[str, int], title: str, label: str) -> str | None:
    """Counts by name, the first on top; None where there are none."""
    if not counts:
        return None
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 2.6), layout="constrained")
        axes = figure.add_subplot()
        axes.barh(list(counts), list(counts.values()))
        axes.invert_yaxis()
        axes.set_title(title)
        axes.set_xlabel(label)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=130)
        return base64.b64encode(buffer.getvalue()).decode()


def _plots(summary: Summary) -> list[str | None]:
    reasons = {**summary.no_pair, **summary.failures}
    plots = [bars(reasons, "Prompts without a pair, by reason", "prompts")]
    if summary.pairs:
        chosen = [float(len(pair.chosen)) for pair in summary.pairs]
        rejected = [float(len(pair.rejected)) for pair in summary.pairs]
        plots += [
            histograms({"chosen": chosen, "rejected": rejected}, "Lengths", "characters"),
            scatter({"pairs": (rejected, chosen)}, "Lengths within a pair", "rejected", "chosen"),
        ]
    return plots
