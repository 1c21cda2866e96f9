"""Which series a dashboard looks at, and the quantiles that all show alike."""

from __future__ import annotations

from typing import Final

from monitoring.dashboards.panels import Query, VariableBuilder, values_of

OF_REWARD: Final = 'job=~"$job", reward=~"$reward"'
OF_JOB: Final = 'job=~"$job"'
OF_RUN: Final = 'instance=~"$run"'
RATE: Final = "$__rate_interval"


def job_variable() -> VariableBuilder:
    """Which services."""
    return values_of("job", "label_values(zhufu_ready, job)", "Service")


def reward_variable() -> VariableBuilder:
    """Which rewards of the chosen services."""
    return values_of("reward", 'label_values(zhufu_ready{job=~"$job"}, reward)', "Reward")


def quantiles(
    histogram: str, selector: str, by: str = "reward", of: tuple[float, ...] = (0.5, 0.95, 0.99)
) -> tuple[Query, ...]:
    """Quantiles of a histogram over all replicas.

    Args:
        histogram: Its name without ``_bucket``.
        selector: Which series.
        by: Label that tells the lines apart.
        of: The quantiles, 0 to 1.
    """
    return tuple(
        Query(
            f"histogram_quantile({quantile:g}, sum by ({by}, le) (rate({histogram}_bucket{{{selector}}}[{RATE}])))",
            f"{{{{{by}}}}} p{100 * quantile:g}",
        )
        for quantile in of
    )


def share(counter: str, part: str, selector: str, by: str) -> str:
    """Share of a counter's rise that has the labels ``part``; nothing where it does not rise."""
    return (
        f"sum by ({by}) (rate({counter}{{{part}, {selector}}}[{RATE}]))"
        f" / (sum by ({by}) (rate({counter}{{{selector}}}[{RATE}])) > 0)"
    )
