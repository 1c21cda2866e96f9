"""Good greetings for another request: does the reward read the request at all?

Cases come in couples. Two good greetings of about the same length, for clearly different occasions, change places: each
is right once and wrong once. So whoever looks at the text alone, or at its length, is fooled on exactly half of them.
"""

from __future__ import annotations

from trainer.data.labelled import Labelled
from trainer.data.matching import about_as_long
from trainer.evaluation.probes.case import ProbeCase
from trainer.evaluation.probes.occasions import belongs_only_to, clearly_different
from trainer.evaluation.probes.probe import Materials


def swapped(materials: Materials) -> list[ProbeCase]:
    """An even number of cases, couple by couple."""
    cases: list[ProbeCase] = []
    left = list(materials.honest)
    while left and len(cases) + 2 <= materials.limit:
        row = left.pop(0)
        partner = next((place for place, other in enumerate(left) if exchangeable(row, other)), None)
        if partner is None:
            continue
        other = left.pop(partner)
        cases += [
            ProbeCase(prompt=row.prompt, honest=row.completion, tampered=other.completion),
            ProbeCase(prompt=other.prompt, honest=other.completion, tampered=row.completion),
        ]
    return cases


def exchangeable(row: Labelled, other: Labelled) -> bool:
    """Whether each is plainly wrong for the other's request, and length says nothing of it.

    Requests name different occasions, and each text names its own. Lengths are about the same but never quite, so that
    a rule of length decides each couple: once rightly, once wrongly.
    """
    return (
        len(row.completion) != len(other.completion)
        and about_as_long(row.completion, other.completion)
        and clearly_different(row.prompt, other.prompt)
        and belongs_only_to(row.completion, row.prompt, other.prompt)
        and belongs_only_to(other.completion, other.prompt, row.prompt)
    )
