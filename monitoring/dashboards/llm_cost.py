"""What the language model costs, and how it does. The prices are variables of the dashboard."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from monitoring.dashboards.panels import Query, Section, board, graph, number, number_variable
from monitoring.dashboards.selectors import OF_JOB, RATE, job_variable, quantiles, share

TOKENS_A_PRICE_IS_FOR = 1_000_000


def dashboard() -> Dashboard:
    """Build it."""
    return board(
        "llm-cost",
        "zhufu: LLM cost",
        "Tokens and what they cost, how much the caches save, and how the language model answers. Type your prices in.",
        (
            job_variable(),
            number_variable("price_prompt", "Price of 1M prompt tokens", "0.30"),
            number_variable("price_cached_prompt", "of 1M cached prompt tokens", "0.03"),
            number_variable("price_completion", "of 1M completion tokens", "1.20"),
        ),
        _cost(),
        _tokens(),
        _requests(),
        _gpus(),
    )


def cost(rise: str, window: str, by: str = "") -> str:
    """PromQL for what tokens cost.

    Args:
        rise: ``rate`` for the cost a second, ``increase`` for that of the window.
        window: Over what.
        by: Label to keep; without one, all together.
    """
    grouped = f"sum by ({by}) " if by else "sum"

    def tokens(kind: str) -> str:
        return f'{grouped}({rise}(zhufu_llm_tokens_total{{kind="{kind}", {OF_JOB}}}[{window}]))'

    # Tokens of the prompt that the server had in its cache are counted in both.
    return (
        f"(({tokens('prompt')} - {tokens('cached_prompt')}) * $price_prompt"
        f" + {tokens('cached_prompt')} * $price_cached_prompt"
        f" + {tokens('completion')} * $price_completion) / {TOKENS_A_PRICE_IS_FOR}"
    )


def _cost() -> Section:
    scored = f'(sum by (job) (increase(zhufu_score_requests_total{{status="scored", {OF_JOB}}}[$__range])) > 0)'
    asked = f"sum by (job) (increase(zhufu_llm_requests_total{{{OF_JOB}}}[$__range]))"
    return Section(
        "Cost, in the currency of your prices",
        (
            number(
                "In the time shown",
                Query(cost("increase", "$__range"), "cost"),
                about="Of all tokens that were asked for, also for answers that could not be used.",
                decimals=2,
                width=6,
            ),
            number(
                "An hour, now",
                Query(f"3600 * {cost('rate', '15m')}", "cost"),
                about="At the pace of the last 15 minutes.",
                decimals=2,
                width=6,
            ),
            number(
                "For 1,000 rewards",
                Query(f"1000 * {cost('increase', '$__range', 'job')} / {scored}", "{{job}}"),
                about="Of the services that ask a language model, over the time shown.",
                decimals=3,
                width=6,
            ),
            number(
                "Questions for a reward",
                Query(f"{asked} / {scored}", "{{job}}"),
                about="Requests sent, over the rewards given. Cached answers cost none.",
                decimals=2,
                width=6,
            ),
            graph(
                "Cost an hour",
                Query(f"3600 * {cost('rate', RATE, 'job')}", "{{job}}"),
                about="By service.",
                width=24,
                least=0,
                stacked=True,
            ),
        ),
    )


def _tokens() -> Section:
    return Section(
        "Tokens and caches",
        (
            graph(
                "Tokens",
                Query(f"sum by (kind) (rate(zhufu_llm_tokens_total{{{OF_JOB}}}[{RATE}]))", "{{kind}}"),
                about="A second, by the server's count; cached_prompt is a part of prompt.",
                unit="cps",
                least=0,
            ),
            graph(
                "Prompt not computed again",
                Query(
                    f'sum by (job) (rate(zhufu_llm_tokens_total{{kind="cached_prompt", {OF_JOB}}}[{RATE}])) / '
                    f'(sum by (job) (rate(zhufu_llm_tokens_total{{kind="prompt", {OF_JOB}}}[{RATE}])) > 0)',
                    "{{job}}",
                ),
                about="Share of the prompt tokens that the server's prefix cache held.",
                unit="percentunit",
                least=0,
                most=1,
            ),
            graph(
                "Questions to our cache",
                Query(f"sum by (result) (rate(zhufu_cache_requests_total{{{OF_JOB}}}[{RATE}]))", "{{result}}"),
                about="hit: known; shared: asked once for several; miss: asked; error: the cache did not answer.",
                unit="cps",
                least=0,
                stacked=True,
            ),
        ),
    )


def _requests() -> Section:
    return Section(
        "Requests",
        (
            graph(
                "Outcomes",
                Query(f"sum by (outcome) (rate(zhufu_llm_requests_total{{{OF_JOB}}}[{RATE}]))", "{{outcome}}"),
                about="A second.",
                unit="cps",
                least=0,
                stacked=True,
            ),
            graph(
                "Failed",
                Query(share("zhufu_llm_requests_total", 'outcome!~"ok|cancelled"', OF_JOB, "job"), "{{job}}"),
                about="Share of the requests without a usable answer.",
                unit="percentunit",
                least=0,
                most=1,
            ),
            graph(
                "Latency of a request",
                *quantiles("zhufu_llm_latency_seconds", OF_JOB, by="job"),
                about="From sending it to its whole answer.",
                unit="s",
                least=0,
            ),
            graph(
                "Tried again",
                Query(f"sum by (reason) (rate(zhufu_llm_retries_total{{{OF_JOB}}}[{RATE}]))", "{{reason}}"),
                about="A second, by why the try before failed.",
                unit="cps",
                least=0,
            ),
            graph(
                "Waiting for a permit",
                Query(f"sum by (job) (rate(zhufu_rate_limited_seconds_total{{{OF_JOB}}}[{RATE}]))", "{{job}}"),
                about="How many requests wait at a time for the fleet's limit, or because the server said so.",
                least=0,
            ),
            graph(
                "Circuit breaker",
                Query(f"max by (job) (zhufu_llm_circuit_open{{{OF_JOB}}})", "{{job}}"),
                about="1 while it holds requests back.",
                least=0,
                most=1,
            ),
        ),
    )


def _gpus() -> Section:
    return Section(
        "vLLM and GPUs, where Prometheus reads them",
        (
            graph(
                "vLLM: requests",
                Query("sum by (instance) (vllm:num_requests_running)", "{{instance}} running"),
                Query("sum by (instance) (vllm:num_requests_waiting)", "{{instance}} waiting"),
                about="Where some wait for long, the model is what saturates.",
                least=0,
            ),
            graph(
                "vLLM: key-value cache",
                Query("max by (instance) (vllm:kv_cache_usage_perc)", "{{instance}}"),
                about="Share of its blocks in use.",
                unit="percentunit",
                least=0,
                most=1,
            ),
            graph(
                "GPU: utilization",
                Query("DCGM_FI_DEV_GPU_UTIL", "{{Hostname}} {{gpu}}"),
                about="By NVIDIA's exporter.",
                unit="percent",
                least=0,
                most=100,
            ),
            graph(
                "GPU: memory in use",
                Query("DCGM_FI_DEV_FB_USED * 1048576", "{{Hostname}} {{gpu}}"),
                about="By NVIDIA's exporter.",
                unit="bytes",
                least=0,
                width=12,
            ),
            graph(
                "GPU: power",
                Query("DCGM_FI_DEV_POWER_USAGE", "{{Hostname}} {{gpu}}"),
                about="By NVIDIA's exporter.",
                unit="watt",
                least=0,
                width=12,
            ),
        ),
    )
