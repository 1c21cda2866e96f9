"""What training did to a policy, as parts of a report: samples before and after, and curves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from trainer.evaluation.policy import PolicyFigures
from trainer.report.page import SamplePair
from trainer.report.plots import curve


def sample_pairs(before: PolicyFigures, after: PolicyFigures, rows: Iterable[int]) -> list[SamplePair]:
    """The samples in some rows, which hold the same prompt before and after."""
    return [
        SamplePair(
            prompt=before.samples[row].prompt,
            before=before.samples[row].completion,
            before_reward=before.scores[row].reward,
            after=after.samples[row].completion,
            after_reward=after.scores[row].reward,
        )
        for row in rows
    ]


def training_curves(
    history: Sequence[Mapping[str, float]], *, reference: str = "the reference policy"
) -> list[str | None]:
    """All that `trainer.grpo` logs of a step beside rewards; ``reference`` says what KL is measured from."""
    return [
        curve(history, ["kl"], f"KL from {reference}", "nats per token"),
        curve(history, ["policy/characters"], "Length", "characters"),
        curve(history, ["completions/clipped_ratio"], "Ran into the token limit", "share"),
        curve(history, ["policy/distinct_2"], "Variety within a step (distinct-2)", "share"),
        curve(history, ["reward_wait_seconds"], "Waiting for rewards", "seconds a step"),
    ]
