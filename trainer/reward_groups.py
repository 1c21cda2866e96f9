"""Preference pairs as groups for `trainer.reward_trainer`: a better text once, with several that it is better than."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import structlog
from datasets import Dataset

from shared.errors import InvalidData
from shared.reward_format import Encoding, encode
from trainer.data.records import PreferencePair
from trainer.reward_trainer import BAD, GOOD, UNLABELLED

log = structlog.get_logger(__name__)

MAX_LEFT_OUT = 0.01
"""More pairs than this share that are too long are an error."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EncodedPairs:
    """The pairs that fit, and the data set of their groups."""

    pairs: list[PreferencePair]
    groups: Dataset


def encoded_pairs(
    tokenizer: Any,
    encoding: Encoding,
    pairs: Sequence[PreferencePair],
    max_tokens: int,
    *,
    group_size: int = 1,
    own: int | None = None,
) -> EncodedPairs:
    """Encode and group; a longer text would have to be cut, and would then say something else: its pair is left out.

    Args:
        tokenizer: Of the model.
        encoding: How it takes a prompt and a completion.
        pairs: To be encoded; those of one better text need not stand together.
        max_tokens: Of a prompt and a completion.
        group_size: Worse texts of a group at most; one makes each pair a group.
        own: So many pairs, from the first, are people's; of the others the texts are better or worse than each other,
            and not good or bad. None: all.

    Raises:
        InvalidData: More than `MAX_LEFT_OUT` of the pairs are too long.
    """
    if not pairs:
        return EncodedPairs(pairs=[], groups=Dataset.from_list([]))
    chosen = encode(tokenizer, encoding, [pair.prompt for pair in pairs], [pair.chosen for pair in pairs])
    others = [pair.prompt if pair.rejected_prompt is None else pair.rejected_prompt for pair in pairs]
    rejected = encode(tokenizer, encoding, others, [pair.rejected for pair in pairs])
    fits = [max(len(good), len(bad)) <= max_tokens for good, bad in zip(chosen, rejected, strict=True)]
    too_long = fits.count(False)
    if too_long > len(pairs) * MAX_LEFT_OUT:
        raise InvalidData("preference pairs", f"{too_long} of {len(pairs)} are longer than {max_tokens} tokens")
    if too_long:
        log.warning("pairs_left_out", count=too_long, of=len(pairs), max_tokens=max_tokens)
    open_groups: dict[tuple[str, str], dict[str, Any]] = {}
    groups: list[dict[str, Any]] = []
    for number, (pair, good, bad, fit) in enumerate(zip(pairs, chosen, rejected, fits, strict=True)):
        if not fit:
            continue
        judged = own is None or number < own
        key = (pair.prompt, pair.chosen)
        group = open_groups.get(key)
        if group is None or len(group["rejected_ids"]) == group_size:
            group = {"chosen_ids": good, "rejected_ids": [], "characters": [len(pair.chosen)]}
            group |= {"length": len(good), "labels": [UNLABELLED]}
            open_groups[key] = group
            groups.append(group)
        group["rejected_ids"].append(bad)
        group["characters"].append(len(pair.rejected))
        group["labels"].append(BAD if judged else UNLABELLED)
        if judged:
            group["labels"][0] = GOOD
        group["length"] = max(group["length"], len(bad))
    kept = [pair for pair, fit in zip(pairs, fits, strict=True) if fit]
    return EncodedPairs(pairs=kept, groups=Dataset.from_list(groups))
