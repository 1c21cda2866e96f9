"""Worked examples that go into the judge's prompt, so that base models can judge and others are calibrated."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from services.judge.rubric import Rubric
from shared.documents import DocumentId, first_problem, read_document
from shared.errors import InvalidData
from shared.principles import Language
from shared.schemas import Contract

FOLDER = Path(__file__).parent / "examples"
NONE = "none"


class Example(Contract):
    """A greeting with the judgement that it deserves."""

    prompt: str = Field(min_length=1, max_length=500)
    completion: str = Field(min_length=1, max_length=2000)
    verdict: Literal[0, 1]
    reason: str | None = Field(default=None, min_length=1, max_length=300)
    rubric: Rubric | None = None


class Examples(Contract):
    """A set of examples; for each prompt as many good ones as bad ones, so that the label is not in the request."""

    id: DocumentId
    language: Language = "zh"
    examples: list[Example] = Field(max_length=128)
    orders: list[int] = Field(
        default_factory=list,
        max_length=64,
        description="Seeds of orders to be used first, best first; how they were found stands beside them.",
    )

    @model_validator(mode="after")
    def _is_balanced(self) -> Self:
        for prompt, rows in self._by_prompt().items():
            good = sum(example.verdict for example in rows)
            if 2 * good != len(rows):
                raise ValueError(f"{good} of {len(rows)} examples for '{prompt}' are good; half of them must be")
        return self

    @property
    def version(self) -> str:
        """Id and hash of the content."""
        return f"{self.id}#{hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:8]}"

    def seed_of(self, sample: int) -> int:
        """The order that the prompt of one sample, counted from 0, has its examples in."""
        if sample < len(self.orders):
            return self.orders[sample]
        return sample - len(self.orders) + max(self.orders, default=-1) + 1

    def in_order(self, seed: int, limit: int | None = None) -> Sequence[Example]:
        """The examples of whole prompts, shuffled: prompts first, then each prompt's own, so that labels mix.

        Args:
            seed: Of the order; each seed is another fixed prefix of the judge's prompt.
            limit: At most so many.
        """
        source = random.Random(seed)
        prompts = list(self._by_prompt().values())
        source.shuffle(prompts)
        chosen: list[Example] = []
        for rows in prompts:
            if limit is not None and len(chosen) + len(rows) > limit:
                break
            source.shuffle(rows)
            chosen += rows
        return chosen

    def _by_prompt(self) -> dict[str, list[Example]]:
        by_prompt: dict[str, list[Example]] = {}
        for example in self.examples:
            by_prompt.setdefault(example.prompt, []).append(example)
        return by_prompt


def find_examples(name: str) -> Examples:
    """Examples by the id of a set that ships with the service, by the path of a YAML file, or ``none``.

    Raises:
        InvalidData: There are none, or they are not valid.
    """
    if name == NONE:
        return Examples(id=NONE, examples=[])
    shipped = FOLDER / f"{name}.yaml"
    path = Path(name)
    if shipped.parent == FOLDER and shipped.is_file():
        path = shipped
    elif path.suffix not in {".yaml", ".yml"}:
        known = ", ".join(sorted(each.stem for each in FOLDER.glob("*.yaml")))
        raise InvalidData(name, f"no examples of that id (known: {known}), and not the path of a .yaml file")
    try:
        return Examples.model_validate(read_document(path))
    except ValidationError as error:
        raise InvalidData(path, first_problem(error)) from error
