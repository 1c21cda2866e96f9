"""What policies wrote, a line a sample, in files that are whole or not there."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import InvalidData
from trainer.run_folder import write_whole


class PolicySample(BaseModel):
    """One completion.

    ``truncated`` and ``tokens`` are None where a file of completions does not tell them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    """``row-3/0``: the prompt's row in its source, and which of its samples this is."""
    prompt_id: str
    prompt: str
    completion: str
    truncated: bool | None
    tokens: int | None

    @property
    def blank(self) -> bool:
        """Whether nothing is written there."""
        return not self.completion.strip()

    @property
    def row(self) -> tuple[str, str]:
        """As rewards are asked for it."""
        return self.prompt, self.completion


@dataclasses.dataclass(frozen=True, slots=True)
class Written:
    """All that one model wrote, by prompt in the order of the prompts."""

    model: str
    samples: tuple[PolicySample, ...]

    @property
    def prompt_ids(self) -> tuple[str, ...]:
        """Of the prompts that it wrote for, in their order."""
        return tuple(dict.fromkeys(sample.prompt_id for sample in self.samples))


def sample_id(prompt_id: str, number: int) -> str:
    """The id of one of the samples for a prompt."""
    return f"{prompt_id}/{number}"


def write_samples(path: Path, samples: Iterable[PolicySample]) -> None:
    """Write a file of samples, whole."""
    write_whole(path, "".join(f"{line(sample)}\n" for sample in samples))


def read_samples(path: Path) -> list[PolicySample]:
    """The samples of a file that `write_samples` made.

    Raises:
        InvalidData: It is not there, or not such a file.
    """
    try:
        # Not splitlines: it also cuts at U+2028 and other characters that may stand within a text.
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeError) as error:
        raise InvalidData(path, f"cannot be read: {type(error).__name__}") from None
    samples = []
    for number, text in enumerate(lines, start=1):
        if not text:
            continue
        try:
            samples.append(PolicySample.model_validate_json(text))
        except ValidationError:
            raise InvalidData(path, "not a sample of a policy", number) from None
    return samples


def line(sample: PolicySample) -> str:
    """One sample as one line of JSON."""
    return json.dumps(sample.model_dump(), ensure_ascii=False)
