"""What the rewards say, and whether somebody is fooling them."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from monitoring.dashboards.panels import Query, Section, board, distribution, graph, number, rows
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
        "rewards",
        "zhufu: rewards",
        "What the rewards say, whether length or repetition drives them, and whether the texts attack their judge.",
        (job_variable(), reward_variable()),
        _now(),
        _rewards(),
        _policy(),
        _judge(),
        _agents(),
    )


def _now() -> Section:
    return Section(
        "Now",
        (
            number(
                "Mean",
                Query(f"avg by (reward) (zhufu_reward_mean{{{OF_REWARD}}})", "{{reward}}"),
                about="Mean of the last 1,000 rewards. Rewards of different kinds have different scales.",
                decimals=3,
            ),
            number(
                "Drift",
                Query(f"job_reward:zhufu_reward_mean:drift{{{OF_REWARD}}}", "{{reward}}"),
                about="How far the mean has moved since an hour ago, in standard deviations. Alert: more than 1.",
                decimals=2,
                limits=(1,),
            ),
            number(
                "Reward and length",
                Query(f"avg by (reward) (zhufu_reward_length_correlation{{{OF_REWARD}}})", "{{reward}}"),
                about="Pearson correlation of reward and length, last 1,000 rewards. Alert: more than 0.6 either way.",
                decimals=2,
                limits=(0.3, 0.6),
            ),
            number(
                "Seen before",
                Query(f"avg by (reward) (zhufu_duplicate_ratio{{{OF_REWARD}}})", "{{reward}}"),
                about="Share of the last 1,000 completions that repeat another one. Alert: more than half.",
                unit="percentunit",
                limits=(0.3, 0.5),
            ),
            number(
                "Signs of an attack",
                Query(f"job_reward:zhufu_inspected_completions_flagged:ratio_rate15m{{{OF_REWARD}}}", "{{reward}}"),
                about="Share of completions with signs of an attack on the judge, 15 minutes. Alert: more than 5 %.",
                unit="percentunit",
                limits=(0.02, 0.05),
            ),
            number(
                "Scored in the last hour",
                Query(f"sum by (reward) (increase(zhufu_reward_count{{{OF_REWARD}}}[1h]))", "{{reward}}"),
                about="Rollouts that got a reward.",
                decimals=0,
            ),
        ),
    )


def _rewards() -> Section:
    return Section(
        "Rewards",
        (
            graph(
                "Mean and spread",
                Query(f"avg by (reward) (zhufu_reward_mean{{{OF_REWARD}}})", "{{reward}}"),
                Query(
                    f"avg by (reward) (zhufu_reward_mean{{{OF_REWARD}}})"
                    f" + avg by (reward) (zhufu_reward_deviation{{{OF_REWARD}}})",
                    "{{reward}} + 1 sd",
                ),
                Query(
                    f"avg by (reward) (zhufu_reward_mean{{{OF_REWARD}}})"
                    f" - avg by (reward) (zhufu_reward_deviation{{{OF_REWARD}}})",
                    "{{reward}} − 1 sd",
                ),
                about="Of the last 1,000 rewards. A rising reward proves nothing by itself.",
                width=12,
            ),
            graph(
                "Good verdicts",
                Query(share("zhufu_verdicts_total", 'verdict="1"', OF_REWARD, "reward"), "{{reward}}"),
                about="Share of verdicts that are 1.",
                unit="percentunit",
                least=0,
                most=1,
                width=12,
            ),
            distribution(
                "Distribution of $reward",
                Query(f"sum by (le) (increase(zhufu_reward_bucket{{{OF_REWARD}}}[{RATE}]))", "{{le}}"),
                about="How many rewards fall into each bucket.",
                width=24,
                repeat="reward",
            ),
        ),
    )


def _policy() -> Section:
    return Section(
        "What is scored",
        (
            graph(
                "Reward and length",
                Query(f"avg by (reward) (zhufu_reward_length_correlation{{{OF_REWARD}}})", "{{reward}}"),
                about="Pearson correlation over the last 1,000 rewards; alert beyond 0.6 either way.",
                least=-1,
                most=1,
                limits=(-0.6, 0.6),
            ),
            graph(
                "Length of completions",
                *quantiles("zhufu_completion_characters", OF_REWARD, of=(0.1, 0.5, 0.9)),
                about="In characters.",
                least=0,
            ),
            graph(
                "Seen before",
                Query(f"avg by (reward) (zhufu_duplicate_ratio{{{OF_REWARD}}})", "{{reward}}"),
                about="Share of the last 1,000 completions that repeat another one; alert beyond one half.",
                unit="percentunit",
                least=0,
                most=1,
                limits=(0.5,),
            ),
            graph(
                "Signs of an attack",
                Query(share("zhufu_inspected_completions_total", 'flagged="true"', OF_REWARD, "reward"), "{{reward}}"),
                about="Share of completions with signs of an attack on the judge; alert beyond 5 %.",
                unit="percentunit",
                least=0,
                limits=(0.05,),
                width=12,
            ),
            graph(
                "Kinds of attack",
                Query(f"sum by (kind) (rate(zhufu_injection_attempts_total{{{OF_REWARD}}}[{RATE}])) > 0", "{{kind}}"),
                about="Completions a second with signs of each kind; one can have several.",
                unit="cps",
                least=0,
                width=12,
            ),
        ),
    )


def _judge() -> Section:
    return Section(
        "Judge and reward model",
        (
            graph(
                "Disagreement",
                *quantiles("zhufu_judge_disagreement", OF_JOB, by="job", of=(0.5, 0.9)),
                about="Standard deviation of the votes on one rollout, where there are several.",
                least=0,
                most=0.5,
            ),
            graph(
                "Position bias",
                *quantiles("zhufu_judge_position_bias", OF_JOB, by="job", of=(0.5, 0.9)),
                about="Group mode: log-odds of the best place over the worst. It is taken out of the rewards.",
                least=0,
            ),
            graph(
                "Can the model judge?",
                Query(f"avg by (job, model) (zhufu_judge_example_auc{{{OF_JOB}}})", "{{job}} {{model}}"),
                about="AUC on examples that its prompt does not show: 1 tells good from bad always, 0.5 not at all.",
                least=0,
                most=1,
            ),
            rows(
                "Principles in force",
                Query(f"count by (job, version) (zhufu_judge_principles_info{{{OF_JOB}}} == 1)"),
                about="And how many replicas have them.",
            ),
            rows(
                "Checkpoints in force",
                Query(f"count by (job, version) (zhufu_reward_model_checkpoint_info{{{OF_JOB}}} == 1)"),
                about="And how many replicas have them.",
            ),
            graph(
                "Groups and swaps",
                Query(
                    f"sum by (outcome) (increase(zhufu_judge_groups_total{{{OF_JOB}}}[{RATE}]))", "groups {{outcome}}"
                ),
                Query(
                    f"sum by (outcome) (increase(zhufu_reward_model_swaps_total{{{OF_JOB}}}[{RATE}]))",
                    "checkpoints {{outcome}}",
                ),
                about="Groups compared, whether all members came or not; checkpoints activated, or not.",
                least=0,
            ),
        ),
    )


def _agents() -> Section:
    return Section(
        "Agents",
        (
            graph(
                "Verdicts",
                Query(share("zhufu_agent_verdicts_total", 'verdict="1"', OF_JOB, "agent"), "{{agent}}"),
                about="Share of good verdicts, of the judge and of the reflect agent.",
                unit="percentunit",
                least=0,
                most=1,
            ),
            graph(
                "Second thoughts",
                Query(f"sum(rate(zhufu_agent_overrides_total{{{OF_JOB}}}[{RATE}]))", "verdicts changed"),
                Query(f"sum(rate(zhufu_agent_reevaluations_total{{{OF_JOB}}}[{RATE}]))", "further rounds"),
                about="What the reflect agent does, a second.",
                unit="cps",
                least=0,
            ),
            graph(
                "Without a usable answer",
                Query(
                    f"sum by (agent, code) (rate(zhufu_agent_failures_total{{{OF_JOB}}}[{RATE}]))", "{{agent}} {{code}}"
                ),
                Query(
                    f"sum by (agent) (rate(zhufu_agent_text_flags_total{{{OF_JOB}}}[{RATE}]))",
                    "{{agent}} repeats an attack",
                ),
                about="Questions to an agent or to retrieval that failed, and texts of agents with signs of an attack.",
                unit="cps",
                least=0,
            ),
            graph(
                "Preference pairs",
                Query(f"sum by (outcome) (increase(zhufu_preference_pairs_total{{{OF_JOB}}}[{RATE}]))", "{{outcome}}"),
                about="Samples by what came of them: a pair, or why there is none.",
                width=24,
                least=0,
                stacked=True,
            ),
        ),
    )
