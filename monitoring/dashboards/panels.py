"""What all dashboards are made of: variables, panels of a few kinds, and a frame around them."""

from __future__ import annotations

import dataclasses
from typing import Final

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE: Final = dashboard.DataSourceRef(type_val="prometheus", uid="${datasource}")
ALL: Final = dashboard.VariableOption(selected=True, text="All", value="$__all")
FULL_WIDTH: Final = 24
"""Columns of Grafana's grid; the panels of a line fill it."""

PanelBuilder = Builder[dashboard.Panel]
VariableBuilder = Builder[dashboard.VariableModel]


@dataclasses.dataclass(frozen=True, slots=True)
class Query:
    """A PromQL expression, and what its series are called: Grafana's template of their labels."""

    expression: str
    legend: str = ""

    def target(self, number: int, *, instant: bool = False) -> prometheus.Dataquery:
        """As a panel takes it; ``number`` counts the queries of a panel from 0."""
        target = prometheus.Dataquery().datasource(SOURCE).ref_id(chr(ord("A") + number)).expr(self.expression)
        target.legend_format(self.legend or "__auto")
        return target.instant() if instant else target.range()


# Variables


def source_variable() -> VariableBuilder:
    """Which Prometheus; a dashboard that is imported elsewhere asks for it."""
    current = dashboard.VariableOption(selected=True, text="Prometheus", value="prometheus")
    return builders.DatasourceVariable("datasource").label("Prometheus").type("prometheus").current(current)


def values_of(name: str, query: str, label: str) -> VariableBuilder:
    """Values of a label, all of them at first.

    Args:
        name: By which queries name it.
        query: Such as ``label_values(metric, label)``.
        label: What people read.
    """
    return (
        builders.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(ALL)
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
    )


def number_variable(name: str, label: str, value: str) -> VariableBuilder:
    """A number that people can type in."""
    current = dashboard.VariableOption(selected=True, text=value, value=value)
    return builders.TextBoxVariable(name).label(label).default_value(value).current(current)


# Panels


def graph(
    title: str,
    *queries: Query,
    about: str,
    unit: str = "short",
    width: int = 8,
    least: float | None = None,
    most: float | None = None,
    limits: tuple[float, ...] = (),
    stacked: bool = False,
) -> PanelBuilder:
    """Lines over time.

    Args:
        title: Of the panel.
        queries: What it shows.
        about: What it means, in a sentence; stands behind the panel's mark.
        unit: Of Grafana.
        width: In columns.
        least: Where the axis begins.
        most: Where it ends.
        limits: From these values on an alert fires: shown as dashed lines.
        stacked: Lines add up.
    """
    panel = (
        timeseries.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit(unit)
        .span(width)
        .height(8)
        .line_width(1)
        .fill_opacity(30 if stacked else 8)
        .show_points(common.VisibilityMode.NEVER)
        .legend(
            common_builders.VizLegendOptions()
            .show_legend(True)
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
        )
        .tooltip(
            common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
        )
    )
    for number, query in enumerate(queries):
        panel.with_target(query.target(number))
    if least is not None:
        panel.min(least)
    if most is not None:
        panel.max(most)
    if stacked:
        panel.stacking(common_builders.StackingConfig().mode(common.StackingMode.NORMAL))
    if limits:
        panel.thresholds(_thresholds(limits))
        panel.thresholds_style(
            common_builders.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
        )
    return panel


def number(
    title: str,
    query: Query,
    *,
    about: str,
    unit: str = "short",
    width: int = 4,
    decimals: int | None = None,
    limits: tuple[float, ...] = (),
) -> PanelBuilder:
    """What holds now, in large figures: one for each series. From the last of ``limits`` on it is red."""
    panel = (
        stat.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit(unit)
        .span(width)
        .height(5)
        .graph_mode(common.BigValueGraphMode.NONE)
        .text_mode(common.BigValueTextMode.AUTO)
        .color_mode(common.BigValueColorMode.VALUE)
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(_thresholds(limits))
        .with_target(query.target(0, instant=True))
    )
    return panel if decimals is None else panel.decimals(decimals)


def distribution(title: str, query: Query, *, about: str, width: int = 12, repeat: str | None = None) -> PanelBuilder:
    """A histogram over time; the query gives the buckets by ``le``."""
    panel = (
        heatmap.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .span(width)
        .height(8)
        .calculate(False)
        .cell_gap(1)
        .hide_legend()
        .show_y_histogram()
        .with_target(query.target(0).format(PromQueryFormat.HEATMAP))
    )
    return panel if repeat is None else panel.repeat(repeat).repeat_direction("h").max_per_row(2)


def rows(title: str, query: Query, *, about: str, hidden: tuple[str, ...] = (), width: int = 8) -> PanelBuilder:
    """A table of the series that there are now, with a column for each label but the hidden ones."""
    panel = (
        table.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .span(width)
        .height(8)
        .with_target(query.target(0, instant=True).format(PromQueryFormat.TABLE))
    )
    hide = [dashboard.DynamicConfigValue(id_val="custom.hidden", value=True)]
    for name in ("Time", "__name__", *hidden):
        panel.override_by_name(name, hide)
    return panel


def _thresholds(limits: tuple[float, ...]) -> builders.ThresholdsConfig:
    """Green below the first limit; what lies between two is for the eye only, the last one is red."""
    steps = [dashboard.Threshold(value=None, color="green")]
    steps += [dashboard.Threshold(value=limit, color="orange") for limit in limits[:-1]]
    steps += [dashboard.Threshold(value=limit, color="red") for limit in limits[-1:]]
    return builders.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(steps)


# The frame


@dataclasses.dataclass(frozen=True, slots=True)
class Section:
    """A row of a dashboard with its panels. Those of a line together are `FULL_WIDTH` wide."""

    title: str
    panels: tuple[PanelBuilder, ...]


def board(
    name: str, title: str, about: str, variables: tuple[VariableBuilder, ...], *sections: Section
) -> dashboard.Dashboard:
    """A dashboard with a choice of Prometheus, links to its sisters, and a mark wherever an alert fires.

    Args:
        name: Of its file, and in its address.
        title: What people read.
        about: What it answers.
        variables: What can be chosen, besides.
        sections: Its rows.
    """
    frame = (
        builders.Dashboard(title)
        .uid(f"zhufu-{name}")
        .description(about)
        .tags(["zhufu"])
        .timezone("browser")
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .refresh("30s")
        .time("now-3h", "now")
        .link(
            builders.DashboardLink("zhufu")
            .type(dashboard.DashboardLinkType.DASHBOARDS)
            .tags(["zhufu"])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
        .annotation(
            builders.AnnotationQuery()
            .name("Alerts")
            .datasource(SOURCE)
            .enable(True)
            .icon_color("red")
            .expr('ALERTS{alertname=~"Zhufu.+", alertstate="firing"}')
        )
        .variables([source_variable(), *variables])
    )
    for section in sections:
        frame.with_row(builders.Row(section.title))
        for panel in section.panels:
            frame.with_panel(panel)
    built = frame.build()
    for place, each in enumerate(built.panels or [], start=1):
        each.id_val = place
    return built
