"""What each role is asked, after the fixed part of its prompt.

A greeting is shown as the judge shows it: inspected, so that one that talks to its judge loses what it says to him,
and fenced. What the other roles wrote (explanations, suggestions, rules) speaks of judging as its task demands, and
would be cut to nothing by the inspection; it is disarmed (no hidden characters, no tokens of chat templates), put in
one line and fenced.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

from shared.untrusted import CUT, disarm, fence, inspect, nonce_for
from trainer.judge_optimizer.strategy import Strategy

GOOD, BAD = "好", "不好"


@dataclasses.dataclass(frozen=True, slots=True)
class Shown:
    """A greeting as a prompt may hold it."""

    request: str
    greeting: str
    flags: tuple[str, ...]

    @classmethod
    def of(cls, request: str, greeting: str) -> Shown:
        """Inspect what somebody wrote for a request."""
        seen = inspect(greeting)
        return cls(disarm(request), seen.shown, seen.flags)

    @property
    def has_words(self) -> bool:
        """Whether a letter or digit is left to be judged."""
        return any(map(str.isalnum, self.greeting.replace(CUT, "")))


def to_write(request: str) -> str:
    """For the Generator."""
    return _request(disarm(request))


def to_judge(shown: Shown) -> str:
    """For the Detector, as the judge service asks."""
    return f"{_request(shown.request)}\n{fence('祝福语', shown.greeting, nonce_for(shown.greeting))}"


def to_advise(shown: Shown, reason: str) -> str:
    """For the Detector, about a greeting that it caught."""
    said = _one_line(reason)
    nonce = nonce_for(shown.greeting, said)
    return "\n".join(
        [_request(shown.request), fence("祝福语", shown.greeting, nonce), fence("看出的毛病", said, nonce)]
    )


def to_reflect(strategy: Strategy, shown: Shown, label: Literal[0, 1], reason: str) -> str:
    """For the Reflector, about a greeting of whose label the Detector said the contrary."""
    said = _one_line(reason)
    rules = disarm(strategy.numbered)
    nonce = nonce_for(rules, shown.greeting, said)
    label_word, verdict_word = (GOOD, BAD) if label else (BAD, GOOD)
    return "\n".join(
        [
            fence("评审原则", rules, nonce),
            _request(shown.request),
            fence("祝福语", shown.greeting, nonce),
            f"人的标注：{label_word}。评审判为：{verdict_word}。",
            fence("评审的理由", said, nonce),
        ]
    )


def to_improve(strategy: Strategy, feedback: Sequence[str]) -> str:
    """For the strategy optimizer: the rules, and all that a phase has to say about them."""
    rules = disarm(strategy.numbered)
    nonce = nonce_for(rules, *feedback)
    parts = [fence("现有规则", rules, nonce)]
    parts += [fence(f"意见 {number}", text, nonce) for number, text in enumerate(feedback, 1)]
    return "\n".join(parts)


def feedback_line(text: str) -> str:
    """What a role says to the optimizer, as it may stand in a prompt."""
    return _one_line(text)


def _one_line(text: str) -> str:
    return " ".join(disarm(text).split())


def _request(request: str) -> str:
    return f"请求：{' '.join(request.split())}"
