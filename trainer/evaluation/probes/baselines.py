"""Baselines that run through the same probes: the length, and the style of the text alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from trainer.data.folding import folded_text
from trainer.data.labelled import Labelled
from trainer.evaluation.probes.outcome import Outcome
from trainer.evaluation.probes.plan import ProbePlan
from trainer.evaluation.rewards.baselines import LENGTH_RULE, NGRAMS
from trainer.evaluation.rewards.ngrams import fit_ngrams


def baseline_outcomes(plan: ProbePlan, train: Iterable[Labelled] = ()) -> dict[str, list[Outcome]]:
    """What the baselines give for ``plan.rows``.

    Args:
        plan: What is asked.
        train: What the n-gram model learns from, without the texts that are honest or flawed in the plan; it stands in
            the results only where labels of both kinds are left.
    """
    texts = [completion for _, completion in plan.rows]
    found = {LENGTH_RULE: [Outcome(reward=float(len(text))) for text in texts]}
    asked = {folded_text(completion) for _, completion in [*plan.honest, *plan.flawed]}
    known = [row for row in train if folded_text(row.completion) not in asked]
    if len({row.label for row in known}) > 1:
        found[NGRAMS] = _ngrams(texts, known)
    return found


def _ngrams(texts: Sequence[str], known: Sequence[Labelled]) -> list[Outcome]:
    model = fit_ngrams([row.completion for row in known], [row.label for row in known])
    return [Outcome(reward=float(score), passed=bool(score >= 0)) for score in model.scores(texts)]
