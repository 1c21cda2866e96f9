"""Strategies: the rules that the Generator writes by (S_G), and those that the Detector judges by (S_D)."""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from shared.errors import InvalidData
from shared.principles import MAX_RULE_CHARACTERS, MAX_RULES, Principles, load_principles
from shared.untrusted import disarm
from trainer.data.folding import folded_text
from trainer.judge_optimizer.errors import StrategyRefused

FOLDER = Path(__file__).parent / "strategies"
GENERATOR_START = FOLDER / "generator-start.yaml"
DETECTOR_START = FOLDER / "detector-start.yaml"


@dataclasses.dataclass(frozen=True, slots=True)
class RuleChanges:
    """How many rules of a strategy are new, and how many are gone; a rule that was reworded is both."""

    added: int
    removed: int

    @property
    def total(self) -> int:
        """Both."""
        return self.added + self.removed


@dataclasses.dataclass(frozen=True, slots=True)
class Strategy:
    """One to ten rules, each of one line."""

    rules: tuple[str, ...]

    @classmethod
    def checked(cls, rules: Sequence[str]) -> Self:
        """Rules that somebody proposes; white space around them is dropped, nothing else is touched.

        Raises:
            StrategyRefused: They are too many or too long, are not one line each, stand there twice, or hold characters
                that a prompt must not have. What is too much is never cut off: nobody would know what was lost.
        """
        stripped = tuple(rule.strip() for rule in rules)
        if not 1 <= len(stripped) <= MAX_RULES:
            raise StrategyRefused(f"{len(stripped)} rules; a strategy has 1 to {MAX_RULES}")
        for number, rule in enumerate(stripped, 1):
            if (trouble := _trouble(rule)) is not None:
                raise StrategyRefused(f"rule {number} {trouble}")
        folded = [folded_text(rule) for rule in stripped]
        if len(set(folded)) < len(folded):
            twice = next(number for number, text in enumerate(folded, 1) if text in folded[: number - 1])
            raise StrategyRefused(f"rule {twice} stands there twice")
        return cls(stripped)

    @property
    def numbered(self) -> str:
        """As the models read them, and as the judge shows them."""
        return "\n".join(f"{number}. {rule}" for number, rule in enumerate(self.rules, 1))

    def changes_from(self, before: Strategy) -> RuleChanges:
        """What is new against an earlier version."""
        old, new = set(before.rules), set(self.rules)
        return RuleChanges(added=len(new - old), removed=len(old - new))


@dataclasses.dataclass(frozen=True, slots=True)
class Strategies:
    """Both sides."""

    generator: Strategy
    detector: Strategy

    def to_json(self) -> dict[str, list[str]]:
        """For the log."""
        return {"generator": list(self.generator.rules), "detector": list(self.detector.rules)}


def load_strategy(path: Path) -> tuple[Strategy, Principles]:
    """A strategy to start from, and the file that it stands in, which has the form of the judge's principles.

    Raises:
        InvalidData: The file is not valid, or its rules are not what a strategy is.
    """
    principles = load_principles(path)
    if principles.language != "zh":
        raise InvalidData(path, f"rules in {principles.language!r}; the prompts of the optimisation are Chinese")
    try:
        return Strategy.checked(principles.rules), principles
    except StrategyRefused as error:
        raise InvalidData(path, error.detail) from error


def _trouble(rule: str) -> str | None:
    if not rule:
        return "is empty"
    if len(rule) > MAX_RULE_CHARACTERS:
        return f"has {len(rule)} characters; at most {MAX_RULE_CHARACTERS} are allowed"
    if len(rule.splitlines()) != 1:
        return "has several lines"
    try:
        rule.encode()
    except UnicodeEncodeError:
        return "holds lone surrogates, which are not text"
    if disarm(rule) != unicodedata.normalize("NFC", rule):
        return "holds characters that a reader does not see, or signs of a chat template"
    return None
