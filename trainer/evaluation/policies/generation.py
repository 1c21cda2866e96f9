"""Having a model write, in parts that are on disk before they count, so that a killed run goes on where it was.

Each part has random numbers of its own, from the seed and its number: who goes on after a kill gets the samples of who
was left alone. The folder of a model holds

    model.json       what wrote, and how it was asked
    parts.jsonl      parts as they are done, {"part": 0, "samples": […]}; gone when all are
    samples.jsonl    all samples, whole
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import BaseModel, ConfigDict, ValidationError
from rich.console import Console

from shared.errors import InvalidData
from trainer.evaluation.policies.models import NamedModel
from trainer.evaluation.policies.samples import PolicySample, read_samples, sample_id, write_samples
from trainer.evaluation.policies.written import read_written
from trainer.progress_bar import progress_bar
from trainer.run_folder import RunFolderError, write_json
from trainer.sampling.prompts import Prompt

SAMPLES_AT_ONCE = 96
RECORD, PARTS, SAMPLES = "model.json", "parts.jsonl", "samples.jsonl"

Tell = Callable[[str], None]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """How models are asked: alike, so that what differs is theirs. ``samples`` is the number for each prompt."""

    samples: int
    max_tokens: int
    temperature: float
    top_p: float
    prompt_prefix: str
    seed: int


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    part: int
    samples: list[PolicySample]


def samples_of(
    model: NamedModel, prompts: Sequence[Prompt], generation: Generation, folder: Path, console: Console, tell: Tell
) -> list[PolicySample]:
    """What a model writes for some prompts, or has written into its folder already.

    Args:
        model: Asked here, or a file of completions.
        prompts: Each gets ``generation.samples`` completions; from a file as many of these as it holds.
        generation: How it is asked.
        folder: Of this model; made when missing.
        console: Where progress is shown.
        tell: Says what of a file was not used.

    Raises:
        InvalidData: There is no model, the file of completions is broken, or what lies in the folder is.
        RunFolderError: The folder is of another model of this name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    described = model.describe()
    _check_record(folder / RECORD, model, described)
    whole = folder / SAMPLES
    if whole.is_file():
        return read_samples(whole)
    write_json(folder / RECORD, described)
    if model.is_file:
        samples = _from_file(model, prompts, generation, tell)
    else:
        samples = _generated(model, prompts, generation, folder / PARTS, console)
    write_samples(whole, samples)
    (folder / PARTS).unlink(missing_ok=True)
    return samples


def part_seed(seed: int, part: int) -> int:
    """Of a part; torch takes 64 bits, NumPy 32 of them."""
    return (seed * 1_000_003 + part) % (1 << 32)


def _check_record(path: Path, model: NamedModel, described: dict[str, Any]) -> None:
    if not path.is_file():
        return
    if json.loads(path.read_text(encoding="utf-8")) != described:
        raise RunFolderError(
            f"{path} tells of another model than {model.source}, or of it before it was changed: "
            f"choose another name than {model.name}, or another --output"
        )


def _from_file(model: NamedModel, prompts: Sequence[Prompt], generation: Generation, tell: Tell) -> list[PolicySample]:
    written = read_written(Path(model.source), prompts, generation.samples)
    without = len(prompts) - len({sample.prompt_id for sample in written.samples})
    fewer = len(prompts) * generation.samples - len(written.samples) - without * generation.samples
    for count, what in (
        (without, "prompts have no completion there"),
        (fewer, f"completions are missing: not all other prompts have {generation.samples} there"),
        (written.too_many, f"completions beyond {generation.samples} a prompt are not used"),
        (written.other_prompts, "completions are for prompts that are not evaluated"),
    ):
        if count:
            tell(f"{model.name}: {count:,} {what}")
    return written.samples


def _generated(
    model: NamedModel, prompts: Sequence[Prompt], generation: Generation, path: Path, console: Console
) -> list[PolicySample]:
    size = max(1, SAMPLES_AT_ONCE // generation.samples)
    parts = [prompts[begin : begin + size] for begin in range(0, len(prompts), size)]
    with path.open("a+b") as file:
        _lock(file, path)
        done = _read_parts(file, path, len(parts))
        samples = [sample for part in done for sample in part.samples]
        if len(done) < len(parts):
            samples += _write_parts(model, parts, generation, file, len(done), console)
    return samples


def _write_parts(
    model: NamedModel,
    parts: Sequence[Sequence[Prompt]],
    generation: Generation,
    file: BinaryIO,
    done: int,
    console: Console,
) -> list[PolicySample]:
    """Have the model write the parts that are not done, and save each."""
    # torch takes seconds to import; who has all samples already need not wait for it.
    from transformers import set_seed

    from trainer.evaluation.policy import LoadedPolicy

    policy = LoadedPolicy(model.source)
    samples: list[PolicySample] = []
    with progress_bar(console) as progress:
        task = progress.add_task(
            f"write {model.name}",
            total=sum(map(len, parts)) * generation.samples,
            completed=sum(map(len, parts[:done])) * generation.samples,
            figures="",
        )
        for number in range(done, len(parts)):
            asked = [(prompt, count) for prompt in parts[number] for count in range(generation.samples)]
            set_seed(part_seed(generation.seed, number))
            wrote = policy.write(
                [prompt.text for prompt, _ in asked],
                max_tokens=generation.max_tokens,
                temperature=generation.temperature,
                top_p=generation.top_p,
                prompt_prefix=generation.prompt_prefix,
            )
            part = _Part(
                part=number,
                samples=[
                    PolicySample(
                        id=sample_id(prompt.id, count),
                        prompt_id=prompt.id,
                        prompt=prompt.text,
                        completion=sample.completion,
                        truncated=sample.truncated,
                        tokens=sample.tokens,
                    )
                    for (prompt, count), sample in zip(asked, wrote, strict=True)
                ],
            )
            file.write(part.model_dump_json().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
            samples += part.samples
            progress.advance(task, len(part.samples))
    return samples


def _lock(file: BinaryIO, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the kernel lets go of it however a process ends
    except BlockingIOError:
        raise RunFolderError(f"{path} is being written by another process") from None


def _read_parts(file: BinaryIO, path: Path, most: int) -> list[_Part]:
    """The parts that are whole; what follows them, of a process that was killed while it wrote, is cut off."""
    parts: list[_Part] = []
    end = 0
    file.seek(0)
    for line in file:
        if not line.endswith(b"\n"):
            break
        try:
            part = _Part.model_validate_json(line)
        except ValidationError:
            raise InvalidData(path, "not a part of a model's samples", len(parts) + 1) from None
        if part.part != len(parts) or part.part >= most:
            raise InvalidData(path, "parts are missing or too many", len(parts) + 1)
        parts.append(part)
        end += len(line)
    file.truncate(end)
    return parts
