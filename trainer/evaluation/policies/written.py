"""Completions that were written elsewhere, by a model that cannot be asked here: JSON or JSON lines.

    {"prompt": "给外婆的八十岁生日祝福", "completion": "……", "truncated": false, "tokens": 31}

``truncated`` (it ran into a token limit) and ``tokens`` may be left out. A completion may be empty; a prompt may stand
in several rows, once for each of its samples.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from shared.errors import InvalidData
from trainer.data.formats import PROMPT_PREFIX
from trainer.data.rows import Row, json_rows, kind_of, read_file
from trainer.evaluation.policies.samples import PolicySample, sample_id
from trainer.sampling.prompts import Prompt


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WrittenElsewhere:
    """What of a file was taken, and what not.

    Attributes:
        samples: By prompt in the order of the prompts.
        other_prompts: Rows of prompts that are not evaluated.
        too_many: Rows beyond the number of samples that each prompt gets.
    """

    samples: list[PolicySample]
    other_prompts: int
    too_many: int


def read_written(path: Path, prompts: Sequence[Prompt], samples_per_prompt: int) -> WrittenElsewhere:
    """The first samples of each prompt.

    Raises:
        InvalidData: The file is not there or broken, or holds nothing for any of the prompts.
    """
    known = {prompt.text: prompt for prompt in prompts}
    found: dict[str, list[PolicySample]] = collections.defaultdict(list)
    other_prompts = too_many = 0
    for row in json_rows(path, read_file(path)):
        completion, truncated, tokens = _completion(row), _truncated(row), _tokens(row)
        prompt = known.get(row.text("prompt").removeprefix(PROMPT_PREFIX))
        if prompt is None:
            other_prompts += 1
        elif len(found[prompt.text]) == samples_per_prompt:
            too_many += 1
        else:
            found[prompt.text].append(
                PolicySample(
                    id=sample_id(prompt.id, len(found[prompt.text])),
                    prompt_id=prompt.id,
                    prompt=prompt.text,
                    completion=completion,
                    truncated=truncated,
                    tokens=tokens,
                )
            )
    if not found:
        raise InvalidData(
            path, f"holds nothing for the prompts of this evaluation; {other_prompts:,} rows are of others"
        )
    return WrittenElsewhere(
        samples=[sample for prompt in prompts for sample in found.get(prompt.text, ())],
        other_prompts=other_prompts,
        too_many=too_many,
    )


def _completion(row: Row) -> str:
    value = row.fields.get("completion")
    if not isinstance(value, str):
        what = "missing" if "completion" not in row.fields else f"{kind_of(value)}, not text"
        raise row.error(f"field 'completion' is {what}; one that is empty is \"\"")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise row.error("field 'completion' holds lone surrogates, which are not text") from None
    return value


def _truncated(row: Row) -> bool | None:
    value = row.fields.get("truncated")
    if value is not None and not isinstance(value, bool):
        raise row.error(f"field 'truncated' is {kind_of(value)}, not true or false")
    return value


def _tokens(row: Row) -> int | None:
    value = row.fields.get("tokens")
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise row.error("field 'tokens' is no number of tokens")
    return value
