"""A word for the wrong person, or for the wrong festival, in a greeting that is otherwise right.

Only where request and greeting name one and the same. Which wrong word stands there is drawn as often as the words are
right in other cases: that a word is a favourite one gives nothing away.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from trainer.data.labelled import Labelled
from trainer.evaluation.probes.case import ProbeCase
from trainer.evaluation.probes.occasions import GREETINGS_OF_THE_DAY, OCCASIONS, Occasion, families_of, named_occasions
from trainer.evaluation.probes.probe import Materials
from trainer.evaluation.probes.recipients import Recipient, is_addressed, named_recipients, with_recipient


def with_wrong_recipient(materials: Materials) -> list[ProbeCase]:
    """Greetings for somebody else: mother is called daughter, throughout."""
    named = [(row, recipient) for row in materials.honest if (recipient := _recipient_of(row)) is not None]
    names = [recipient for _, recipient in named]
    cases: list[ProbeCase] = []
    for row, own in named[: materials.limit]:
        there = {recipient.family for recipient in named_recipients(row.completion)}
        others = [each for each in names if each.family != own.family and each.family not in there]
        if others:
            name = materials.random_of(row).choice(others).name
            tampered = with_recipient(row.completion, own.family, name)
            cases.append(ProbeCase(prompt=row.prompt, honest=row.completion, tampered=tampered))
    return cases


def with_wrong_occasion(materials: Materials) -> list[ProbeCase]:
    """Greetings that wish a happy other festival."""
    named = [(row, occasion) for row in materials.honest if (occasion := _occasion_of(row)) is not None]
    names = [occasion for _, occasion in named]
    cases: list[ProbeCase] = []
    for row, own in named[: materials.limit]:
        there = families_of(row.completion)
        others = [each for each in names if _may_replace(each, own) and each.family not in there]
        if others:
            name = materials.random_of(row).choice(others).name
            tampered = with_occasion(row.completion, own.family, name)
            cases.append(ProbeCase(prompt=row.prompt, honest=row.completion, tampered=tampered))
    return cases


def with_occasion(text: str, family: str, name: str) -> str:
    """A text in which each noun for an occasion of a family is another one."""
    return re.sub("|".join(_nouns(family)), name, text)


def _recipient_of(row: Labelled) -> Recipient | None:
    """The one whom the request names and the greeting turns to; None where the request names nobody, or several."""
    asked = named_recipients(row.prompt)
    if len({recipient.family for recipient in asked}) != 1:
        return None
    return asked[0] if is_addressed(row.completion, asked[0].family) else None


def _occasion_of(row: Labelled) -> Occasion | None:
    """The occasion that both request and greeting name by a noun; None where the request names none, or several."""
    asked = named_occasions(row.prompt)
    if len({occasion.family for occasion in asked}) != 1:
        return None
    with_nouns = [occasion for occasion in asked if occasion.nouns]
    nouns = _nouns(asked[0].family)
    return with_nouns[0] if with_nouns and re.search("|".join(nouns), row.completion) else None


def _may_replace(other: Occasion, own: Occasion) -> bool:
    """A time of the day is wished like another one, and a festival like another festival."""
    alike = (other.family in GREETINGS_OF_THE_DAY) == (own.family in GREETINGS_OF_THE_DAY)
    return alike and other.family != own.family


def _nouns(family: str) -> Sequence[str]:
    nouns = [noun for occasion in OCCASIONS if occasion.family == family for noun in occasion.nouns]
    return sorted(nouns, key=lambda noun: (-len(noun), noun))
