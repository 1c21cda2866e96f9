"""A training run: the reward beside length, truncation, variety and the shadows."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from monitoring.dashboards.panels import Query, Section, board, graph, number, values_of
from monitoring.dashboards.selectors import OF_RUN, RATE, quantiles


def dashboard() -> Dashboard:
    """Build it."""
    return board(
        "training",
        "zhufu: training",
        "A GRPO run that serves its metrics: what it climbs, beside what it must not pay for it.",
        (values_of("run", "label_values(zhufu_trainer_step, instance)", "Run"),),
        _now(),
        _rewards(),
        _policy(),
        _monitors(),
        _time(),
    )


def _now() -> Section:
    return Section(
        "Now",
        (
            number("Step", Query(f"zhufu_trainer_step{{{OF_RUN}}}", "{{instance}}"), about="Optimizer steps done."),
            number(
                "Reward",
                Query(f"zhufu_trainer_reward{{{OF_RUN}}}", "{{instance}}"),
                about="Mean weighted reward of the last step.",
                decimals=3,
            ),
            number(
                "Without a reward",
                Query(
                    f'sum by (reward) (increase(zhufu_trainer_rollouts_total{{status!="scored", {OF_RUN}}}[15m])) / '
                    f"(sum by (reward) (increase(zhufu_trainer_rollouts_total{{{OF_RUN}}}[15m])) > 0)",
                    "{{reward}}",
                ),
                about="Share of rollouts of 15 minutes. The run stops by itself at one half, unless told otherwise.",
                unit="percentunit",
                limits=(0.05, 0.5),
            ),
            number(
                "Ran into the limit",
                Query(f"zhufu_trainer_policy_truncated{{{OF_RUN}}}", "{{instance}}"),
                about="Share of the completions of the last step that ended at the token limit.",
                unit="percentunit",
                limits=(0.05, 0.2),
            ),
            number(
                "Length",
                Query(f"zhufu_trainer_policy_characters{{{OF_RUN}}}", "{{instance}}"),
                about="Mean, in characters.",
                decimals=1,
            ),
            number(
                "Variety",
                Query(f"zhufu_trainer_policy_distinct_2{{{OF_RUN}}}", "{{instance}}"),
                about="Distinct character bigrams of a step, as a share. It falls when a policy repeats itself.",
                unit="percentunit",
            ),
        ),
    )


def _rewards() -> Section:
    return Section(
        "Rewards",
        (
            graph(
                "Weighted reward",
                Query(f"zhufu_trainer_reward{{{OF_RUN}}}", "{{instance}}"),
                about="What the policy climbs: mean of a step.",
            ),
            graph(
                "Each reward, shadows too",
                Query(f"zhufu_trainer_score{{{OF_RUN}}}", "{{reward}}"),
                about="Means. A reward that climbs while its shadow does not is being fooled.",
            ),
            graph(
                "KL divergence",
                Query(f"zhufu_trainer_kl{{{OF_RUN}}}", "{{instance}}"),
                about="From the reference policy.",
                least=0,
            ),
        ),
    )


def _policy() -> Section:
    return Section(
        "The policy",
        (
            graph(
                "Length",
                Query(f"zhufu_trainer_policy_characters{{{OF_RUN}}}", "{{instance}}"),
                about="Mean of a step, in characters. Long is not good.",
                least=0,
            ),
            graph(
                "Variety",
                Query(f"zhufu_trainer_policy_distinct_2{{{OF_RUN}}}", "{{instance}}"),
                about="Distinct character bigrams of a step, as a share.",
                unit="percentunit",
                least=0,
                most=1,
            ),
            graph(
                "Ran into the limit",
                Query(f"zhufu_trainer_policy_truncated{{{OF_RUN}}}", "{{instance}}"),
                about="Share of completions that ended at the token limit.",
                unit="percentunit",
                least=0,
                most=1,
            ),
        ),
    )


def _monitors() -> Section:
    return Section(
        "Monitors",
        (
            number(
                "Warn or stop",
                Query(f"zhufu_trainer_monitor_level{{{OF_RUN}}}", "{{monitor}}"),
                about="0: calm, 1: it warns, 2: it has stopped the run. docs/monitors.md says what each one watches.",
                width=24,
                decimals=0,
                limits=(1, 2),
            ),
            graph(
                "What monitors see",
                Query(f"zhufu_trainer_monitor{{{OF_RUN}}}", "{{monitor}}"),
                about="Of each the mean of its last values, the worst left out: what its bounds are compared with.",
                width=12,
            ),
            graph(
                "Their bounds",
                Query(f"zhufu_trainer_monitor_warn{{{OF_RUN}}}", "{{monitor}} warns"),
                Query(f"zhufu_trainer_monitor_stop{{{OF_RUN}}}", "{{monitor}} stops the run"),
                about="As the run was started with. Of distinct_2 low values are bad, of length_… either side is.",
                width=12,
            ),
        ),
    )


def _time() -> Section:
    return Section(
        "Time",
        (
            graph(
                "Time for a step",
                *quantiles("zhufu_trainer_step_seconds", OF_RUN, by="instance", of=(0.5, 0.95)),
                about="Wall time.",
                unit="s",
                least=0,
            ),
            graph(
                "Share spent waiting for rewards",
                Query(
                    f"sum by (instance) (rate(zhufu_trainer_reward_wait_seconds_sum{{{OF_RUN}}}[{RATE}])) / "
                    f"(sum by (instance) (rate(zhufu_trainer_step_seconds_sum{{{OF_RUN}}}[{RATE}])) > 0)",
                    "{{instance}}",
                ),
                about="Of the time of the steps. Where it is large, more replicas of the reward help.",
                unit="percentunit",
                least=0,
            ),
            graph(
                "Rollouts by outcome",
                Query(
                    f"sum by (reward, status) (rate(zhufu_trainer_rollouts_total{{{OF_RUN}}}[{RATE}]))",
                    "{{reward}} {{status}}",
                ),
                about="A second, as the trainer counts them; of several processes, the first one's.",
                unit="cps",
                least=0,
                stacked=True,
            ),
        ),
    )
