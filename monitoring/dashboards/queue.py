"""Does the queue move, and does everything in it come to an end?"""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from monitoring.dashboards.panels import Query, Section, board, graph, number
from monitoring.dashboards.selectors import OF_REWARD, RATE, job_variable, quantiles, reward_variable


def dashboard() -> Dashboard:
    """Build it."""
    return board(
        "queue",
        "zhufu: queue",
        "How many rollouts wait in Redis and for how long, how fast they are taken, and what is given up.",
        (job_variable(), reward_variable()),
        _now(),
        _queue(),
        _outcomes(),
    )


def _now() -> Section:
    return Section(
        "Now",
        (
            number(
                "Rollouts in the stream",
                Query(f"job_reward:zhufu_queue_depth:max{{{OF_REWARD}}}", "{{reward}}"),
                about="Those in work included.",
                width=6,
            ),
            number(
                "Oldest",
                Query(f"job_reward:zhufu_queue_oldest_seconds:max{{{OF_REWARD}}}", "{{reward}}"),
                about="Age of the oldest rollout. Alert: above five minutes.",
                unit="s",
                width=6,
                limits=(120, 300),
            ),
            number(
                "Given up in the last hour",
                Query(f"sum by (reward) (increase(zhufu_dead_letter_total{{{OF_REWARD}}}[1h]))", "{{reward}}"),
                about="Dead letters. Any is an alert.",
                width=6,
                decimals=0,
                limits=(1,),
            ),
            number(
                "Time to empty",
                Query(
                    f"max by (reward) (zhufu_queue_depth{{{OF_REWARD}}}) / "
                    f'(sum by (reward) (rate(zhufu_score_requests_total{{door="queue", {OF_REWARD}}}[5m])) > 0)',
                    "{{reward}}",
                ),
                about="At the pace of the last five minutes, if nothing comes.",
                unit="s",
                width=6,
            ),
        ),
    )


def _queue() -> Section:
    return Section(
        "The stream",
        (
            graph(
                "Rollouts in the stream",
                Query(f"max by (reward) (zhufu_queue_depth{{{OF_REWARD}}})", "{{reward}}"),
                about="Those in work included. No line: Redis does not answer.",
                least=0,
                width=12,
            ),
            graph(
                "Age of the oldest",
                Query(f"max by (reward) (zhufu_queue_oldest_seconds{{{OF_REWARD}}})", "{{reward}}"),
                about="Alert above five minutes. No line: Redis does not answer.",
                unit="s",
                least=0,
                limits=(300,),
                width=12,
            ),
        ),
    )


def _outcomes() -> Section:
    return Section(
        "What comes of it",
        (
            graph(
                "Outcomes",
                Query(
                    f'sum by (reward, status) (rate(zhufu_score_requests_total{{door="queue", {OF_REWARD}}}[{RATE}]))',
                    "{{reward}} {{status}}",
                ),
                about="Rollouts of the queue a second.",
                unit="cps",
                least=0,
                stacked=True,
            ),
            graph(
                "Given up, taken over",
                Query(
                    f"sum by (reward) (increase(zhufu_dead_letter_total{{{OF_REWARD}}}[{RATE}]))", "{{reward}} given up"
                ),
                Query(
                    f"sum by (reward) (increase(zhufu_queue_reclaimed_total{{{OF_REWARD}}}[{RATE}]))",
                    "{{reward}} taken over",
                ),
                about="Dead letters, and rollouts taken over from a process that died.",
                least=0,
            ),
            graph(
                "Waiting for a batch",
                *quantiles("zhufu_queue_wait_seconds", OF_REWARD, of=(0.5, 0.95)),
                about="In the process, after Redis.",
                unit="s",
                least=0,
            ),
        ),
    )
