"""What was found of policies, as a report."""

from __future__ import annotations

from collections.abc import Mapping

from trainer.evaluation.policies.notices import notices
from trainer.evaluation.policies.result import PolicyResult
from trainer.evaluation.policies.sections import sections
from trainer.report.document import Document


def policy_document(result: PolicyResult, settings: Mapping[str, object]) -> Document:
    """Describe it."""
    samples = sum(len(each.samples) for each in result.written)
    policies = len(result.written)
    return Document(
        title="zhufu: policies",
        summary=(
            f"{policies} {'policy' if policies == 1 else 'policies'}, {result.prompts:,} prompts, {samples:,} samples, "
            f"under {', '.join(each.reward for each in result.judged)}. Intervals are 95 %, over prompts."
        ),
        notices=list(notices(result)),
        sections=sections(result),
        settings=settings,
    )
