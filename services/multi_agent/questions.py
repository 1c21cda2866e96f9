"""What agents are asked. Whatever somebody else wrote stands in a fence, and looked through: the greeting, the examples
from the corpus, and what agents said before, for an agent may repeat what it was told by the greeting.

In the order of how seldom a part changes, so that servers keep the beginning cached: examples, request, greeting,
lists, verdict, opinion.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

from services.multi_agent.answers import Flaws, Judgement, Merits
from shared.untrusted import Flag, disarm, fence, inspect, nonce_for

QUESTIONS_VERSION: Final = "1"
"""Part of every version: to be raised when a text below changes."""
OF_JUDGING: Final[frozenset[Flag]] = frozenset({"fake_examples", "forged_verdict", "judge_order", "self_praise"})
"""What looks like an attack in a greeting is how a judge speaks of its work: "the judge overlooked …, so 0"."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A greeting from the corpus, as prompts may hold it."""

    prompt: str
    completion: str

    @classmethod
    def of(cls, prompt: str, completion: str) -> Example:
        """Both as `shared.untrusted.inspect` shows them."""
        return cls(prompt=_line(inspect(prompt).shown), completion=inspect(completion).shown)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """What all agents of an evaluation are asked about.

    Attributes:
        prompt: What was asked for; it is the trainer's, not the policy's.
        completion: What was written, as `shared.untrusted.inspect` shows it.
        examples: From the corpus; None where nothing was looked for.
        opinion: Why the reflect agent wants another round, in that round.
    """

    prompt: str
    completion: str
    examples: Sequence[Example] | None = None
    opinion: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class _Fenced:
    label: str
    text: str


_Part = str | _Fenced


def about_writing(prompt: str, examples: Sequence[Example] | None) -> str:
    """For the generator."""
    return _rendered([*_examples(examples), _request(prompt)])


def about_points(matter: Matter) -> str:
    """For the positive and the negative agent."""
    return _rendered([*_matter(matter), *_opinion(matter)])


def about_verdict(matter: Matter, merits: Merits | None, flaws: Flaws | None) -> str:
    """For the judge; a list that is None was not collected, which is not an empty one."""
    return _rendered([*_matter(matter), *_lists(merits, flaws), *_opinion(matter)])


def about_reflection(matter: Matter, merits: Merits | None, flaws: Flaws | None, judgement: Judgement | None) -> str:
    """For the reflect agent."""
    return _rendered([*_matter(matter), *_lists(merits, flaws), *_judgement(judgement), *_opinion(matter)])


def suspicious(points: Sequence[tuple[str, str]]) -> bool:
    """Whether an agent's list has signs of an attack in it."""
    return any(inspect(why).flags for _, why in points)


def shown_reason(reason: str) -> str:
    """An agent's reason in a line. Words of judging are left to it; anything worse is cut."""
    seen = inspect(reason)
    return _line(disarm(reason) if OF_JUDGING.issuperset(seen.flags) else seen.shown)


def _rendered(parts: Sequence[_Part]) -> str:
    """One nonce, which hangs on every fenced text, for all fences."""
    nonce = nonce_for(*(part.text for part in parts if isinstance(part, _Fenced)))
    return "\n".join(part if isinstance(part, str) else fence(part.label, part.text, nonce) for part in parts)


def _matter(matter: Matter) -> list[_Part]:
    return [*_examples(matter.examples), _request(matter.prompt), _Fenced("祝福语", matter.completion)]


def _examples(examples: Sequence[Example] | None) -> list[_Part]:
    if examples is None:
        return ["范例：未检索"]
    if not examples:
        return ["范例：无"]
    return [_Fenced("范例", f"请求：{each.prompt}\n祝福语：{each.completion}") for each in examples]


def _request(prompt: str) -> str:
    """In one line, so that it ends where it ends."""
    return f"请求：{_line(disarm(prompt))}"


def _lists(merits: Merits | None, flaws: Flaws | None) -> list[_Part]:
    return [
        _list("优点", None if merits is None else merits.points),
        _list("缺点", None if flaws is None else flaws.points),
    ]


def _list(label: str, points: Sequence[tuple[str, str]] | None) -> _Part:
    if points is None:
        return f"{label}：未收集"
    if not points:
        return f"{label}：无"
    lines = (f"{number}. {name}：{_line(inspect(why).shown)}" for number, (name, why) in enumerate(points, 1))
    return _Fenced(label, "\n".join(lines))


def _judgement(judgement: Judgement | None) -> list[_Part]:
    if judgement is None:
        return ["裁决：未作出"]
    reason = shown_reason(judgement.reason)
    return [f"裁决：{judgement.verdict}", _Fenced("裁决理由", reason) if reason else "裁决理由：无"]


def _opinion(matter: Matter) -> list[_Part]:
    return [] if matter.opinion is None else [_Fenced("复核意见", shown_reason(matter.opinion))]


def _line(text: str) -> str:
    return " ".join(text.split())
