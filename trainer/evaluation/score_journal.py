"""Scores that rewards have given, on disk before they count: JSON lines that are only ever appended to.

    {"reward": "judge", "text": "5f0c…", "score": {…}}

``text`` is the hash of a prompt with its completion, so that any number of evaluations in one folder can share a
journal: what one has asked, another need not ask again. Half a line at the end, of a process that was killed while it
wrote, is cut off when the journal is opened again. A text that was asked again has several lines: its first reward
counts, else its last failure.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import ZhufuError
from shared.schemas import Score


class ScoreJournalInUse(ZhufuError):
    """Another process writes to the journal."""

    code = "score_journal_in_use"


class ScoreJournalBroken(ZhufuError):
    """The journal cannot be read, or not be written."""

    code = "score_journal_broken"


class RewardChanged(ZhufuError):
    """A reward answers as another version than before: its scores cannot be told of together."""

    code = "reward_changed"


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    reward: str
    text: str
    score: Score


class ScoreJournal:
    """The scores of some rewards, by text; without a path they are kept in memory only. A context manager.

    Raises:
        ScoreJournalInUse: Another process has it open.
        ScoreJournalBroken: It holds what no evaluation has written, or the file cannot be used.
        RewardChanged: It holds scores of two versions of one reward.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._scores: dict[tuple[str, str], Score] = {}
        self._versions: dict[str, str] = {}
        self._file: BinaryIO | None = None
        if path is None:
            return
        try:
            self._file = path.open("a+b")
        except OSError as error:
            raise ScoreJournalBroken(f"{path} cannot be written: {error.strerror}") from None
        try:
            self._lock(self._file)
            self._read(self._file)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def get(self, reward: str, prompt: str, completion: str) -> Score | None:
        """What a reward gave for a text; None where it was not asked yet."""
        return self._scores.get((reward, text_hash(prompt, completion)))

    def append(self, reward: str, scored: Iterable[tuple[str, str, Score]]) -> None:
        """Save what a reward gave for some texts, as (prompt, completion, score); on the disk when this returns.

        Raises:
            RewardChanged: It is of another version than before; nothing is saved.
            ScoreJournalBroken: The file cannot be written.
        """
        lines = [
            _Line(reward=reward, text=text_hash(prompt, completion), score=score)
            for prompt, completion, score in scored
        ]
        for line in lines:
            self._check_version(line)
        if self._file is not None:
            try:
                self._file.write(b"".join(line.model_dump_json().encode() + b"\n" for line in lines))
                self._file.flush()
                os.fsync(self._file.fileno())
            except OSError as error:
                raise ScoreJournalBroken(f"{self._path} cannot be written: {error.strerror}") from error
        for line in lines:
            self._take(line)

    def _lock(self, file: BinaryIO) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the kernel lets go of it however a process ends
        except BlockingIOError:
            raise ScoreJournalInUse(f"{self._path} is being written by another process") from None

    def _read(self, file: BinaryIO) -> None:
        file.seek(0)
        end = 0
        for number, data in enumerate(file, start=1):
            if not data.endswith(b"\n"):
                break
            try:
                line = _Line.model_validate_json(data)
            except ValidationError:
                raise ScoreJournalBroken(f"{self._path}, line {number}: not a line of scores") from None
            self._check_version(line)
            self._take(line)
            end += len(data)
        file.truncate(end)

    def _check_version(self, line: _Line) -> None:
        """Only what is scored says for sure what scored it."""
        if line.score.status != "scored":
            return
        known = self._versions.setdefault(line.reward, line.score.version)
        if known != line.score.version:
            raise RewardChanged(
                f"{line.reward} answered as {known} before, and as {line.score.version} now: "
                "scores of two versions are not put into one evaluation; choose another output folder"
            )

    def _take(self, line: _Line) -> None:
        before = self._scores.get((line.reward, line.text))
        if before is None or before.status != "scored":
            self._scores[(line.reward, line.text)] = line.score


def text_hash(prompt: str, completion: str) -> str:
    """SHA-256 in hex of a prompt with its completion."""
    return hashlib.sha256(json.dumps([prompt, completion]).encode()).hexdigest()
