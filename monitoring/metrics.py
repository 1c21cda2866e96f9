"""All metrics that are declared anywhere; ``python -m monitoring.metrics`` writes their tables in docs/metrics.md."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector

from services.judge.metrics import JudgeMetrics
from services.multi_agent.metrics import MultiAgentMetrics
from services.reward_model.metrics import RewardModelMetrics
from shared.llm.metrics import LlmMetrics
from shared.metrics import ServiceMetrics
from shared.reward_window import WINDOW_MINIMUM
from shared.schemas import Rollout, Score
from shared.untrusted.metrics import InspectionMetrics
from trainer.metrics import TrainerMetrics

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "metrics.md"
BEGIN: Final = "<!-- The tables are made by `python -m monitoring.metrics`. -->\n"
END: Final = "<!-- End of the tables. -->\n"
ANY: Final = "any"
"""Value of the labels whose values come with what is counted."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric as PromQL names it; of a histogram without ``_bucket``, ``_count`` and ``_sum``."""

    name: str
    kind: str
    labels: tuple[str, ...]
    about: str


def _service(registry: CollectorRegistry) -> None:
    """With rewards enough for what is told of the last ones."""
    metrics = ServiceMetrics(ANY, registry)
    for number in range(1, WINDOW_MINIMUM + 1):
        rollout = Rollout(id=ANY, prompt=ANY, completion=number * ANY)
        score = Score(id=ANY, status="scored", reward=1 / number, version=ANY, latency_seconds=0)
        metrics.observe_score(score, rollout, door="http")


def _trainer() -> CollectorRegistry:
    metrics = TrainerMetrics()
    metrics.expect([ANY])
    return metrics.registry


def _declared_by(*declare: Callable[[CollectorRegistry], object]) -> Callable[[], CollectorRegistry]:
    def registry() -> CollectorRegistry:
        made = CollectorRegistry()
        for each in declare:
            each(made)
        return made

    return registry


PARTS: Final[Mapping[str, Callable[[], CollectorRegistry]]] = {
    "Every service": _declared_by(_service),
    "Judge and multi-agent": _declared_by(lambda registry: InspectionMetrics(ANY, registry), LlmMetrics),
    "Judge": _declared_by(lambda registry: JudgeMetrics(ANY, registry)),
    "Multi-agent": _declared_by(lambda registry: MultiAgentMetrics(ANY, registry)),
    "Reward model": _declared_by(RewardModelMetrics),
    "Trainer": _trainer,
    "Every service's process": _declared_by(
        lambda registry: ProcessCollector(registry=registry), lambda registry: GCCollector(registry=registry)
    ),
}
"""Who declares what. What an earlier part has too belongs there."""


def with_series(registry: CollectorRegistry) -> CollectorRegistry:
    """The same, with a series of every metric: one with labels has none before the first value of theirs comes."""
    for collector in list(registry._collector_to_names):
        labels: tuple[str, ...] = getattr(collector, "_labelnames", ())
        metrics: dict[Any, Any] = getattr(collector, "_metrics", {})
        if labels and not metrics:
            collector.labels(*[ANY] * len(labels))  # type: ignore[attr-defined]
    return registry


def by_part() -> Iterator[tuple[str, list[Metric]]]:
    """All metrics, by who declares them, each once."""
    seen: set[str] = set()
    for part, declared in PARTS.items():
        metrics = []
        for family in with_series(declared()).collect():
            name = f"{family.name}_total" if family.type == "counter" else family.name
            if name in seen:
                continue
            seen.add(name)
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            metrics.append(
                Metric(name=name, kind=family.type, labels=tuple(sorted(labels)), about=family.documentation)
            )
        yield part, sorted(metrics, key=lambda metric: metric.name)


def tables() -> str:
    """All of it in Markdown."""
    text = ""
    for part, metrics in by_part():
        text += f"\n## {part}\n\n| metric | kind | labels | what |\n|---|---|---|---|\n"
        for metric in metrics:
            labels = ", ".join(f"`{label}`" for label in metric.labels)
            text += f"| `{metric.name}` | {metric.kind} | {labels} | {metric.about} |\n"
    return f"{text}\n"


def with_tables(page: str) -> str:
    """The page with the tables of now in their place."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{tables()}{END}{after}"


def main() -> None:
    """Write the page."""
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")


if __name__ == "__main__":
    main()
