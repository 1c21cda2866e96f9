"""Comparing the members of a group with each other, with the position of each in the prompt cancelled.

A model that is asked which of several texts is best prefers places as well as texts. So it is asked several times, each
time in another order, and the log-probability of each letter is taken apart: what the text adds, what its place adds,
and a constant of each order. With as many orders as members (a Latin square) every text stands at every place once.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import random
import statistics
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from services.judge.examples import Examples
from services.judge.modes import ModeSettings, label_log_probabilities
from services.judge.prompts import BEST_CUE, GROUP_TASK, LETTERS, candidates, head
from shared.llm.chat import MAX_TOP_LOGPROBS, ChatAnswer, ChatRequest
from shared.llm.prompts import Prefix
from shared.llm.structured import answer_failed
from shared.principles import Principles

MAX_MEMBERS: Final = len(LETTERS)
MIN_MEMBERS: Final = 2


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What came of one comparison.

    Attributes:
        rewards: Of each member, 0 to 1: the mean chance to be preferred to each other member; their mean is 0.5.
        strengths: Of each member in log-odds; their mean is 0.
        position_bias: The best place's advantage over the worst, in log-odds; it is not in the rewards.
    """

    rewards: tuple[float, ...]
    strengths: tuple[float, ...]
    position_bias: float


class GroupMode:
    """Draws up the questions of a comparison and reads their answers."""

    def __init__(self, principles: Principles, examples: Examples, settings: ModeSettings) -> None:
        self._principles = principles
        self._examples = examples
        self._settings = settings

    def request(self, prompt: str, completions: Sequence[str]) -> ChatRequest:
        """Ask which of the completions, in the order given, is best; all as `shared.untrusted.inspect` shows them."""
        return ChatRequest(
            messages=self._prefix.messages(candidates(prompt, completions), self._settings.api),
            max_tokens=1,
            top_logprobs=MAX_TOP_LOGPROBS,
        )

    def read(self, answer: ChatAnswer, members: int) -> list[float]:
        """The log-probability of each place. Raises `LlmFailed` for an answer that is no letter."""
        logs, mass = label_log_probabilities(answer, [[letter] for letter in LETTERS[:members]])
        if mass < self._settings.least_label_mass:
            raise answer_failed(answer, "llm_unparsable", f"the letters have a probability of {mass:.3f} together")
        return logs

    @functools.cached_property
    def _prefix(self) -> Prefix:
        """Each example prompt as a comparison of two; the better one stands first and second in turn."""
        rows = self._examples.in_order(self._examples.seed_of(0), self._settings.few_shot_limit)
        by_prompt: dict[str, list[str]] = {}
        good: dict[str, str] = {}
        for row in rows:
            by_prompt.setdefault(row.prompt, []).append(row.completion)
            if row.verdict:
                good[row.prompt] = row.completion
        turns: list[tuple[str, str]] = []
        for number, (prompt, completions) in enumerate(by_prompt.items()):
            best = completions.index(good[prompt]) if prompt in good else None
            if len(completions) != MIN_MEMBERS or best is None:
                continue
            if best != number % 2:
                completions.reverse()
            turns.append((candidates(prompt, completions), LETTERS[number % 2]))
        return Prefix(head=head(self._principles, GROUP_TASK), turns=tuple(turns), cue=BEST_CUE)


def orders(members: int, count: int, seed: str) -> list[tuple[int, ...]]:
    """Orders of the members, each another one: row ``r`` of a shuffled cyclic Latin square, spread evenly.

    Args:
        members: How many there are.
        count: Orders wanted; no more than members are given.
        seed: The same seed gives the same orders.
    """
    source = random.Random(seed)
    first = list(range(members))
    source.shuffle(first)
    count = max(1, min(count, members))
    shifts = [round(number * members / count) for number in range(count)]
    return [tuple(first[shift:] + first[:shift]) for shift in shifts]


def compare(observed: Mapping[tuple[int, ...], Sequence[float]]) -> Comparison:
    """Take log-probabilities apart by least squares: text + place + order.

    Args:
        observed: For each order, the log-probability of each place.
    """
    members = len(next(iter(observed)))
    rows = len(observed) * members
    design = np.zeros((rows, 2 * members + len(observed)))
    values = np.zeros(rows)
    row = 0
    for number, (order, logs) in enumerate(observed.items()):
        for place, (member, log) in enumerate(zip(order, logs, strict=True)):
            design[row, [member, members + place, 2 * members + number]] = 1.0
            values[row] = log
            row += 1
    # The smallest solution: what cannot be told apart is shared out evenly instead of being made up.
    solution = np.linalg.lstsq(design, values, rcond=None)[0]
    strengths = solution[:members] - solution[:members].mean()
    places = solution[members : 2 * members]
    rewards = [
        float(np.mean([_sigmoid(own - other) for at, other in enumerate(strengths) if at != index]))
        for index, own in enumerate(strengths)
    ]
    return Comparison(
        rewards=tuple(rewards),
        strengths=tuple(float(value) for value in strengths),
        position_bias=float(places.max() - places.min()),
    )


def compare_with_empty(judged: Mapping[int, Comparison], worded: Sequence[int], members: int) -> Comparison:
    """The mean of several models' comparisons of those members that have words, with the others put behind them."""
    places = {place: number for number, place in enumerate(worded)}
    rewards: list[float] = []
    strengths: list[float] = []
    empty = members - len(worded)
    for place in range(members):
        if place not in places:
            rewards.append(0.5 * (empty - 1) / (members - 1))
            strengths.append(0.0)
            continue
        number = places[place]
        among = statistics.fmean(each.rewards[number] for each in judged.values()) if judged else 0.0
        rewards.append((among * (len(worded) - 1) + empty) / (members - 1))
        strengths.append(statistics.fmean(each.strengths[number] for each in judged.values()) if judged else 0.0)
    bias = statistics.fmean(each.position_bias for each in judged.values()) if judged else 0.0
    return Comparison(rewards=tuple(rewards), strengths=tuple(strengths), position_bias=bias)


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-max(-700.0, value)))
