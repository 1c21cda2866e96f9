"""How long rollouts take, where they wait, and what the services do meanwhile."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from monitoring.dashboards.panels import Query, Section, board, distribution, graph, number
from monitoring.dashboards.selectors import (
    OF_JOB,
    OF_REWARD,
    RATE,
    job_variable,
    quantiles,
    reward_variable,
    share,
)


def dashboard() -> Dashboard:
    """Build it."""
    return board(
        "latency",
        "zhufu: latency",
        "How long rollouts take from admission to outcome, where they wait, and how many get no reward.",
        (job_variable(), reward_variable()),
        _now(),
        _latency(),
        _batches(),
        _processes(),
    )


def _now() -> Section:
    return Section(
        "Now",
        (
            number(
                "Ready replicas",
                Query(f"sum by (job) (zhufu_ready{{{OF_REWARD}}})", "{{job}}"),
                about="Processes that say they can score.",
                width=6,
            ),
            number(
                "95th percentile",
                Query(f"job_reward:zhufu_score_latency_seconds:p95_rate5m{{{OF_REWARD}}}", "{{reward}}"),
                about="From admission to outcome, five minutes. Alert: above 60 s, 10 s for a reward model.",
                unit="s",
                width=6,
                limits=(10, 60),
            ),
            number(
                "Rollouts a second",
                Query(f"sum by (reward) (rate(zhufu_score_requests_total{{{OF_REWARD}}}[5m]))", "{{reward}}"),
                about="With any outcome, five minutes.",
                unit="cps",
                width=6,
            ),
            number(
                "Failed",
                Query(f"job_reward:zhufu_score_requests_failed:ratio_rate10m{{{OF_REWARD}}}", "{{reward}}"),
                about="Share of rollouts that failed, ten minutes. Alert: above 5 %.",
                unit="percentunit",
                width=6,
                limits=(0.01, 0.05),
            ),
        ),
    )


def _latency() -> Section:
    return Section(
        "Latency",
        (
            graph(
                "From admission to outcome",
                *quantiles("zhufu_score_latency_seconds", OF_REWARD),
                about="Waiting for a batch included.",
                unit="s",
                least=0,
                width=12,
            ),
            graph(
                "Waiting for a batch",
                *quantiles("zhufu_queue_wait_seconds", OF_REWARD),
                about="From admission to the start of the batch.",
                unit="s",
                least=0,
                width=12,
            ),
            graph(
                "95th percentile by door",
                Query(
                    "histogram_quantile(0.95, sum by (reward, door, le) "
                    f"(rate(zhufu_score_latency_seconds_bucket{{{OF_REWARD}}}[{RATE}])))",
                    "{{reward}} {{door}}",
                ),
                about="HTTP, or the queue; what waits in Redis is not in it.",
                unit="s",
                least=0,
            ),
            distribution(
                "All latencies",
                Query(f"sum by (le) (increase(zhufu_score_latency_seconds_bucket{{{OF_REWARD}}}[{RATE}]))", "{{le}}"),
                about="In seconds.",
                width=16,
            ),
        ),
    )


def _batches() -> Section:
    return Section(
        "Throughput and batches",
        (
            graph(
                "Rollouts by outcome",
                Query(
                    f"sum by (reward, status) (rate(zhufu_score_requests_total{{{OF_REWARD}}}[{RATE}]))",
                    "{{reward}} {{status}}",
                ),
                about="A second. Scored, failed and expired are all there is.",
                unit="cps",
                least=0,
                stacked=True,
            ),
            graph(
                "Failed",
                Query(share("zhufu_score_requests_total", 'status="failed"', OF_REWARD, "reward"), "{{reward}}"),
                about="Share of the rollouts; alert above 5 %.",
                unit="percentunit",
                least=0,
                limits=(0.05,),
            ),
            graph(
                "Expired",
                Query(share("zhufu_score_requests_total", 'status="expired"', OF_REWARD, "reward"), "{{reward}}"),
                about="Share of the rollouts that nobody waited for any more.",
                unit="percentunit",
                least=0,
            ),
            graph(
                "Rollouts in a batch",
                *quantiles("zhufu_batch_size", OF_REWARD, of=(0.5, 0.95)),
                about="Batches are full when there is much to do.",
                least=0,
            ),
            graph(
                "Tokens in a batch",
                *quantiles("zhufu_batch_tokens", OF_REWARD, of=(0.5, 0.95)),
                about="Padding included.",
                least=0,
            ),
            graph(
                "Reward model: one batch",
                *quantiles("zhufu_reward_model_forward_seconds", OF_JOB, by="job"),
                about="Encoding and forward pass.",
                unit="s",
                least=0,
            ),
        ),
    )


def _processes() -> Section:
    return Section(
        "Processes",
        (
            graph(
                "CPU",
                Query(f"sum by (job, instance) (rate(process_cpu_seconds_total{{{OF_JOB}}}[{RATE}]))", "{{instance}}"),
                about="Cores in use.",
                least=0,
            ),
            graph(
                "Memory",
                Query(f"process_resident_memory_bytes{{{OF_JOB}}}", "{{instance}}"),
                about="Resident.",
                unit="bytes",
                least=0,
            ),
            graph(
                "Ready",
                Query(f"zhufu_ready{{{OF_REWARD}}}", "{{instance}}"),
                about="1 while a process says that it can score.",
                least=0,
                most=1,
            ),
        ),
    )
