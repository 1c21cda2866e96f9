"""Which texts people rate: for each drawn prompt one of every policy, so that all are compared on the same prompts."""

from __future__ import annotations

import collections
import dataclasses
import random
from collections.abc import Mapping, Sequence

from shared.errors import InvalidRequest
from trainer.evaluation.policies.texts import EvaluatedText

ID_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""Without vowels and digits: no id is a word, a number or a date, and no spreadsheet program makes it into one."""
ID_LENGTH = 6


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """Who wrote a text: a policy, and which of its samples it is."""

    model: str
    sample: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One text to be rated. Where policies wrote the same for a prompt, it is one item of several origins."""

    id: str
    prompt_id: str
    prompt: str
    text: str
    origins: tuple[Origin, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What is rated, and by whom.

    Attributes:
        models: Whose texts they are, as the evaluation names them.
        items: All of them.
        sheets: By rater the ids of the items on the sheet, in the order in which they stand there.
        prompts: How many were drawn.
        common: How many of these are on every sheet.
    """

    models: Sequence[str]
    items: Sequence[Item]
    sheets: Mapping[str, Sequence[str]]
    prompts: int
    common: int


def draw_items(texts: Sequence[EvaluatedText], *, items: int, raters: int, overlap: float, seed: int) -> Drawn:
    """Draw prompts, one text of every policy for each, and share them out among raters.

    Args:
        texts: Of an evaluation.
        items: At most so many altogether; as many prompts as that allows.
        raters: How many sheets.
        overlap: Share of the prompts that stand on every sheet; the others stand on one each.
        seed: Of all draws; the same seed gives the same sheets.

    Raises:
        InvalidRequest: There are fewer items than policies, or no prompt for which all policies wrote.
    """
    by_prompt: dict[str, dict[str, list[EvaluatedText]]] = collections.defaultdict(
        lambda: collections.defaultdict(list)
    )
    for text in texts:
        by_prompt[text.prompt_id][text.model].append(text)
    models = list(dict.fromkeys(text.model for text in texts))
    common_to_all = [prompt for prompt, wrote in by_prompt.items() if len(wrote) == len(models)]
    if not common_to_all:
        raise InvalidRequest("there is no prompt for which every policy wrote")
    wanted = items // len(models)
    if wanted == 0:
        raise InvalidRequest(f"--items {items} has no place for one text of each of {len(models)} policies")
    generator = random.Random(seed)
    prompts = generator.sample(common_to_all, min(wanted, len(common_to_all)))
    ids = _ids(len(prompts) * len(models), generator)
    drawn = {
        prompt: _items_of([generator.choice(by_prompt[prompt][model]) for model in models], ids) for prompt in prompts
    }
    common = round(overlap * len(prompts))
    return Drawn(
        models=models,
        items=[item for some in drawn.values() for item in some],
        sheets={
            f"rater-{number + 1}": _shuffled(
                [
                    item.id
                    for place, prompt in enumerate(prompts)
                    if place < common or (place - common) % raters == number
                    for item in drawn[prompt]
                ],
                f"{seed}/{number}",
            )
            for number in range(raters)
        },
        prompts=len(prompts),
        common=common,
    )


def _items_of(chosen: Sequence[EvaluatedText], ids: list[str]) -> list[Item]:
    """The items of one prompt; texts that are the same are one."""
    by_text: dict[str, list[EvaluatedText]] = collections.defaultdict(list)
    for text in chosen:
        by_text[text.completion].append(text)
    return [
        Item(
            id=ids.pop(),
            prompt_id=same[0].prompt_id,
            prompt=same[0].prompt,
            text=completion,
            origins=tuple(Origin(text.model, text.id) for text in same),
        )
        for completion, same in by_text.items()
    ]


def _ids(count: int, generator: random.Random) -> list[str]:
    """Ids that differ, and say nothing."""
    ids: dict[str, None] = {}
    while len(ids) < count:
        ids["".join(generator.choices(ID_LETTERS, k=ID_LENGTH))] = None
    return list(ids)


def _shuffled(ids: list[str], seed: str) -> list[str]:
    random.Random(seed).shuffle(ids)
    return ids
