"""What is known of each step: ``FOLDER/steps/NAME.json``, written when it begins and when it is done."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import InvalidData
from trainer.run_folder import write_json
from trainer.steps.errors import StepChanged, StepUndone
from trainer.steps.step import Step

STEPS = "steps"


class StepRecord(BaseModel):
    """One step.

    Attributes:
        name: Its name.
        arguments: With which it was begun.
        attempts: How often it was begun.
        seconds: Of all attempts; of one that was killed up to the last note, some seconds before.
        done: Whether it is done.
        status: Its exit status; None until it is done, and where whoever would have seen it was killed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    arguments: list[str]
    attempts: int = 0
    seconds: float = 0.0
    done: bool = False
    status: int | None = None


class StepRecords:
    """The records of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / STEPS

    def of(self, step: Step) -> StepRecord | None:
        """What was written of a step; None before its first attempt.

        Raises:
            InvalidData: The record cannot be read.
        """
        path = self._path(step)
        if not path.is_file():
            return None
        try:
            return StepRecord.model_validate_json(path.read_text(encoding="utf-8"))
        except ValidationError:
            raise InvalidData(path, "not the record of a step") from None

    def write(self, record: StepRecord) -> None:
        """Put it in the place of what was written before."""
        self._folder.mkdir(parents=True, exist_ok=True)
        write_json(self._folder / f"{record.name}.json", json.loads(record.model_dump_json()))

    def is_done(self, step: Step) -> bool:
        """Whether a step is done: noted as such, or come to its end when the one who would have noted it was killed.

        Raises:
            StepChanged: It is, but with other arguments than those of now.
        """
        if not all(path.exists() for path in step.results):
            return False
        record, at_its_end = self.of(step), step.done.is_there
        if record is None:
            return at_its_end
        if record.arguments == step.told():
            return at_its_end or record.done
        if not at_its_end:
            return False  # it stopped at a ceiling that is another one now
        raise StepChanged(
            f"{step.name} is done, and with other arguments than now ({_difference(record.arguments, step.told())}): "
            "choose another folder, or give those of then"
        )

    def done_among(self, steps: Sequence[Step]) -> set[str]:
        """Names of the steps that are done.

        Raises:
            StepChanged: As `is_done`.
            StepUndone: One that is done was made from what one that is not has made.
        """
        done = {step.name for step in steps if self.is_done(step)}
        for step in steps:
            if step.name in done:
                continue
            users = [other for other in steps if other.name in done and set(other.inputs) & set(step.results)]
            if users:
                raise StepUndone(
                    f"{step.name} is to be done (again), but {users[0].name} has used what it made before: remove "
                    f"{users[0].done.path.parent}, too"
                )
        return done

    def _path(self, step: Step) -> Path:
        return self._folder / f"{step.name}.json"


def _difference(before: Sequence[str], now: Sequence[str]) -> str:
    changed = [f"{old} then, {new} now" for old, new in zip(before, now, strict=False) if old != new]
    return changed[0] if changed else f"{len(before)} of them then, {len(now)} now"
