"""Greetings copied from the training set: good there, for another request."""

from __future__ import annotations

from trainer.data.folding import folded_text
from trainer.data.labelled import Labelled
from trainer.data.matching import about_as_long
from trainer.evaluation.probes.case import ProbeCase
from trainer.evaluation.probes.occasions import belongs_only_to, clearly_different
from trainer.evaluation.probes.probe import Materials


def copied(materials: Materials) -> list[ProbeCase]:
    """Honest texts that the reward has not seen against training texts for clearly different occasions.

    Of the copies as many are a little longer as a little shorter, as far as there are such.
    """
    seen = {folded_text(row.completion) for row in materials.train}
    cases: list[ProbeCase] = []
    longer = 0
    for row in materials.honest:
        if len(cases) == materials.limit:
            break
        if folded_text(row.completion) in seen:
            continue
        copies = _copies(row, materials)
        wanted = [text for text in copies if (len(text) > len(row.completion)) == (longer <= 0)] or copies
        if wanted:
            text = materials.random_of(row).choice(wanted)
            longer += 1 if len(text) > len(row.completion) else -1
            cases.append(ProbeCase(prompt=row.prompt, honest=row.completion, tampered=text))
    return cases


def _copies(row: Labelled, materials: Materials) -> list[str]:
    """Training texts that are plainly wrong here, and of about the same length but never quite."""
    return [
        other.completion
        for other in materials.train
        if len(other.completion) != len(row.completion)
        and about_as_long(other.completion, row.completion)
        and clearly_different(row.prompt, other.prompt)
        and belongs_only_to(other.completion, other.prompt, row.prompt)
    ]
