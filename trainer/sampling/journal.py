"""What a bulk run has done, on disk before it counts: JSON lines that are only ever appended to.

    {"format": 1, "options": {…}, "prompts": {"count": …, "sha256": …}}      what is asked, once
    {"begun": "2026-11-24T01:30:00+00:00"}                                 a process begins
    {"index": 3, "id": "row-4", "seconds": 12.5, "outcome": {…}}           a prompt has ended

Every line is on the disk when `Journal.append` returns. Half a line at the end, of a process that was killed while it
wrote, is cut off when the journal is opened again. A prompt that was asked again has several lines: its first sample
counts, else its last failure; what was paid counts of all. Samples are not kept in memory, their places are.
"""

from __future__ import annotations

import dataclasses
import datetime
import fcntl
import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from shared.errors import ZhufuError
from shared.schemas import ScoreFailure, Usage
from trainer.sampling.outcome import Choice, Outcome

FORMAT = 1


class JournalExists(ZhufuError):
    """There are results already, and nobody said that they are to be gone on with."""

    code = "journal_exists"


class JournalMissing(ZhufuError):
    """There is nothing to go on with."""

    code = "journal_missing"


class JournalDiffers(ZhufuError):
    """The journal is of a run with other prompts or options."""

    code = "journal_differs"


class JournalInUse(ZhufuError):
    """Another process writes to the journal."""

    code = "journal_in_use"


class JournalBroken(ZhufuError):
    """The journal cannot be read, or not be written."""

    code = "journal_broken"


class _Begun(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    begun: datetime.datetime


class _Ended(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    index: int
    id: str
    seconds: float
    outcome: Outcome


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """What counts of one prompt. ``place`` is where its line stands: offset and length in bytes."""

    choice: Choice | None
    failure: ScoreFailure | None
    version: str | None
    place: tuple[int, int]


class Journal:
    """The journal of one bulk run; open it with `open`, close it when done."""

    def __init__(self, path: Path, header: Mapping[str, JsonValue]) -> None:
        self.path = path
        self.entries: dict[int, Entry] = {}
        self.paid = Usage()
        self.paying = 0
        """Lines with a cost."""
        self.unpriced = 0
        """Lines that do not say what they cost."""
        self._header = json.loads(json.dumps(header))
        self._file = path.open("a+b")
        self._seconds_before = 0.0
        self._begun_at = time.monotonic()
        self._end = 0

    @classmethod
    def open(cls, path: Path, header: Mapping[str, JsonValue], *, resume: bool) -> Self:
        """Make a journal, or go on with one.

        A journal in which no prompt has ended yet holds nothing to lose: it is begun anew, whatever it says.

        Raises:
            JournalExists: There is one with results and ``resume`` is not given.
            JournalMissing: There is none, and ``resume`` is given.
            JournalDiffers: It is of other prompts or options.
            JournalInUse: Another process has it open.
            JournalBroken: It holds what no run has written, or the file cannot be written.
        """
        if resume and not path.exists():
            raise JournalMissing(f"{path} is not there: nothing to resume")
        try:
            journal = cls(path, header)
        except OSError as error:
            raise JournalBroken(f"{path} cannot be written: {error.strerror}") from None
        try:
            journal._lock()
            journal._read(resume=resume)
            journal._write([_Begun(begun=datetime.datetime.now(datetime.UTC)).model_dump(mode="json")])
        except BaseException:
            journal._file.close()
            raise
        return journal

    @property
    def seconds(self) -> float:
        """How long all processes worked on this, this one included."""
        return self._seconds_before + time.monotonic() - self._begun_at

    def append(self, ended: Iterable[tuple[int, str, Outcome]]) -> None:
        """Save how some prompts ended, given as (index, id, outcome); they are on the disk when this returns.

        Raises:
            JournalBroken: The file cannot be written.
        """
        lines = [
            _Ended(index=index, id=name, seconds=round(time.monotonic() - self._begun_at, 3), outcome=outcome)
            for index, name, outcome in ended
        ]
        places = self._write([line.model_dump(mode="json") for line in lines])
        for line, place in zip(lines, places, strict=True):
            self._take(line, place)

    def sample(self, index: int) -> dict[str, JsonValue]:
        """The whole sample of a prompt that has one."""
        offset, length = self.entries[index].place
        line = _Ended.model_validate_json(os.pread(self._file.fileno(), length, offset))
        assert line.outcome.sample is not None
        return line.outcome.sample

    def close(self) -> None:
        """Close the file; one in which no prompt has ended is removed."""
        if not self.entries:
            self.path.unlink(missing_ok=True)
        self._file.close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the kernel lets go of it however a process ends
        except BlockingIOError:
            raise JournalInUse(f"{self.path} is being written by another process") from None

    def _read(self, *, resume: bool) -> None:
        """Take over what stands there, cut off half a line, and write the header where there is none."""
        self._file.seek(0)
        header: Any = None
        seconds = 0.0
        for number, line in enumerate(self._file, start=1):
            if not line.endswith(b"\n"):
                break
            try:
                if number == 1:
                    header = json.loads(line)
                elif line.startswith(b'{"begun"'):
                    _Begun.model_validate_json(line)
                    self._seconds_before += seconds
                    seconds = 0.0
                else:
                    ended = _Ended.model_validate_json(line)
                    self._take(ended, (self._end, len(line)))
                    seconds = ended.seconds
            except (ValidationError, ValueError):
                raise JournalBroken(f"{self.path}, line {number}: not a line of a journal") from None
            self._end += len(line)
        self._seconds_before += seconds
        if self.entries:
            if not resume:
                raise JournalExists(
                    f"{self.path} holds {len(self.entries):,} prompts of a run: give --resume, or another --output"
                )
            if header != self._header:
                raise JournalDiffers(f"{self.path} is of another run: {_differences(header, self._header)}")
            self._file.truncate(self._end)
        else:
            self._end = 0
            self._file.truncate(0)
            self._write([self._header])

    def _take(self, line: _Ended, place: tuple[int, int]) -> None:
        outcome = line.outcome
        if outcome.usage is None:
            self.unpriced += 1
        else:
            self.paid = Usage(
                prompt_tokens=self.paid.prompt_tokens + outcome.usage.prompt_tokens,
                completion_tokens=self.paid.completion_tokens + outcome.usage.completion_tokens,
            )
            self.paying += bool(outcome.tokens)
        before = self.entries.get(line.index)
        if before is None or before.failure is not None:
            choice = outcome.choice() if outcome.sample is not None else None
            self.entries[line.index] = Entry(choice, outcome.failure, outcome.version, place)

    def _write(self, values: Iterable[Any]) -> list[tuple[int, int]]:
        """Append lines; returns their places."""
        lines = [json.dumps(value, ensure_ascii=False, allow_nan=False).encode() + b"\n" for value in values]
        places = []
        try:
            self._file.write(b"".join(lines))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise JournalBroken(f"{self.path} cannot be written: {error.strerror}") from error
        for line in lines:
            places.append((self._end, len(line)))
            self._end += len(line)
        return places


def _differences(before: Any, now: Mapping[str, Any]) -> str:
    """What of two headers differs, for people."""
    if not isinstance(before, dict) or not isinstance(before.get("options"), dict) or before.get("format") != FORMAT:
        return "its first line is of another format"
    found = []
    if before.get("prompts") != now["prompts"]:
        found.append("its prompts are not these")
    old, new = before["options"], now["options"]
    changed = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    return "; ".join([*found, *(f"{name} was {_shown(old, name)} and is {_shown(new, name)}" for name in changed)])


def _shown(options: Mapping[str, Any], name: str) -> str:
    return json.dumps(options[name], ensure_ascii=False) if name in options else "not given"
