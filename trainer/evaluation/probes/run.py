"""Running probes against rewards: ask for all texts once, and compare."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from shared.client.base import DEFAULT_TIMEOUT_SECONDS
from trainer.evaluation.asking import NamedReward, ask
from trainer.evaluation.probes.outcome import Outcome, outcome_of
from trainer.evaluation.probes.plan import ProbePlan, Row
from trainer.evaluation.probes.results import ProbeResults, measure_probes

Ask = Callable[[Sequence[Row]], Awaitable[Mapping[str, Sequence[Outcome]]]]
"""Gives what each reward gave for some texts, in their order; served rewards, baselines, or both."""


async def run_probes(
    plan: ProbePlan, ask_all: Ask, *, baselines: Mapping[str, Sequence[Outcome]] | None = None
) -> ProbeResults:
    """Ask for all texts of a plan and compare.

    Args:
        plan: What is asked.
        ask_all: Whoever answers.
        baselines: What others gave for ``plan.rows``, such as `baselines.baseline_outcomes`; they stand last.

    Raises:
        Whatever asking raises.
    """
    return measure_probes(plan, {**await ask_all(plan.rows), **(baselines or {})})


def served(
    rewards: Sequence[NamedReward],
    *,
    journal: Path | None,
    console: Console,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    api_key: str | None = None,
) -> Ask:
    """Asks rewards by their URLs; see `trainer.evaluation.asking.ask` for the arguments, and for what it raises."""

    async def ask_all(rows: Sequence[Row]) -> Mapping[str, Sequence[Outcome]]:
        scores = await ask(
            rewards,
            rows,
            journal=journal,
            console=console,
            timeout_seconds=timeout_seconds,
            api_key=api_key,
            title="probe",
        )
        return {name: [outcome_of(score) for score in found] for name, found in scores.items()}

    return ask_all
