"""OUTPUT/answers.sqlite: every answer that was paid, under the digest of its question, and what all of it cost.

A kill -9 loses the answers under way, none that came: each is one transaction, written before anybody reads it.
Failures are kept, too: a round may have gone on without an answer, and a replay must. Until its round is finished a
failure that may be otherwise at another time (a server that was away, a wrong key) is not settled, and who resumes the
run, or is given its answers, asks again.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from shared.llm.chat import ChatAnswer
from shared.llm.errors import LlmFailed, LlmFailureCode
from shared.schemas import Usage
from trainer.judge_optimizer.budget import Spent
from trainer.judge_optimizer.errors import AnswersUnusable

FILE_NAME = "answers.sqlite"
BUSY_SECONDS = 10.0
PASSING: frozenset[LlmFailureCode] = frozenset({"llm_rejected"})
"""What is an answer of the server's, but will be another one with another key or model name."""

Outcome = ChatAnswer | LlmFailed
"""What became of a question."""

_TABLES = """
CREATE TABLE IF NOT EXISTS answers (digest TEXT PRIMARY KEY, role TEXT NOT NULL, answer TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failures (
  digest TEXT PRIMARY KEY, role TEXT NOT NULL, round INTEGER NOT NULL, code TEXT NOT NULL, detail TEXT NOT NULL,
  retryable INTEGER NOT NULL, settled INTEGER NOT NULL, prompt_tokens INTEGER, completion_tokens INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spent (
  calls INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL
);
INSERT INTO spent SELECT 0, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM spent);
"""


class AnswerStore:
    """The answers of one run, and behind them those of another one, which is only read. Use it as a context."""

    def __init__(self, path: Path, *, given: Path | None = None) -> None:
        """Open, or make, the file.

        Args:
            path: Of this run.
            given: A file of another run, or the folder with it: what it knows is not asked again.

        Raises:
            AnswersUnusable: A file cannot be opened, or is no file of answers.
        """
        self._path = path
        with _named(path):
            self._own = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
            self._own.execute("PRAGMA journal_mode=WAL")
            self._own.execute("PRAGMA synchronous=FULL")
            self._own.executescript(f"BEGIN IMMEDIATE; {_TABLES} COMMIT;")
        self._given_path = None if given is None else given / FILE_NAME if given.is_dir() else given
        self._given: sqlite3.Connection | None = None
        if self._given_path is not None:
            if not self._given_path.is_file():
                self._own.close()
                raise AnswersUnusable(f"{self._given_path}: there is no such file of answers")
            with _named(self._given_path):
                uri = f"{self._given_path.resolve().as_uri()}?mode=ro"
                self._given = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)
                self._given.execute("SELECT digest, answer FROM answers LIMIT 1")
                self._given.execute("SELECT digest, code FROM failures LIMIT 1")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        self._own.close()
        if self._given is not None:
            self._given.close()

    @property
    def spent(self) -> Spent:
        """What this run has paid, over all its processes."""
        with _named(self._path):
            return Spent(*self._own.execute("SELECT calls, prompt_tokens, completion_tokens FROM spent").fetchone())

    def find(self, digest: str, role: str) -> Outcome | None:
        """What became of a question, if it was asked before; what another run knows is copied."""
        with _named(self._path):
            found = _find(self._own, digest)
        if found is None and self._given is not None and self._given_path is not None:
            with _named(self._given_path):
                found = _find(self._given, digest, settled_only=True)
            if found is not None:
                self._write(digest, role, found, round_number=0, paid=None)
        return found

    def add(self, digest: str, role: str, outcome: Outcome, *, round_number: int) -> None:
        """Keep what was just paid; it counts."""
        paid = outcome.usage.to_contract() if isinstance(outcome, ChatAnswer) else outcome.usage or Usage()
        self._write(digest, role, outcome, round_number=round_number, paid=paid)

    def settle(self, *, rounds: int) -> None:
        """So many rounds, counted from 0, are finished: what failed in them has failed for good."""
        with _named(self._path):
            self._own.execute("UPDATE failures SET settled = 1 WHERE round < ? AND NOT settled", (rounds,))

    def forget_unsettled(self) -> None:
        """Forget the failures of rounds that were not finished, where another try may help; they stay paid."""
        with _named(self._path):
            self._own.execute("DELETE FROM failures WHERE NOT settled")

    def _write(self, digest: str, role: str, outcome: Outcome, *, round_number: int, paid: Usage | None) -> None:
        with _named(self._path):
            self._own.execute("BEGIN IMMEDIATE")
            try:
                if isinstance(outcome, ChatAnswer):
                    row: tuple[object, ...] = (digest, role, outcome.to_json())
                    self._own.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", row)
                else:
                    usage = outcome.usage
                    tokens = (None, None) if usage is None else (usage.prompt_tokens, usage.completion_tokens)
                    code, retryable = outcome.failure_code, outcome.may_retry
                    settled = not (retryable or code in PASSING)
                    row = (digest, role, round_number, code, outcome.detail, retryable, settled, *tokens)
                    self._own.execute("INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
                if paid is not None:
                    self._own.execute(
                        "UPDATE spent SET calls = calls + 1, prompt_tokens = prompt_tokens + ?, "
                        "completion_tokens = completion_tokens + ?",
                        (paid.prompt_tokens, paid.completion_tokens),
                    )
                self._own.execute("COMMIT")
            except sqlite3.Error:
                with contextlib.suppress(sqlite3.Error):  # what went wrong first is what is told
                    self._own.execute("ROLLBACK")
                raise


def _find(connection: sqlite3.Connection, digest: str, *, settled_only: bool = False) -> Outcome | None:
    answered = connection.execute("SELECT answer FROM answers WHERE digest = ?", (digest,)).fetchone()
    if answered is not None:
        return ChatAnswer.from_json(answered[0])
    failed = connection.execute(
        "SELECT code, detail, retryable, prompt_tokens, completion_tokens FROM failures "
        "WHERE digest = ? AND settled >= ?",
        (digest, settled_only),
    ).fetchone()
    if failed is None:
        return None
    code: LlmFailureCode = failed[0]
    usage = None if failed[3] is None else Usage(prompt_tokens=failed[3], completion_tokens=failed[4])
    return LlmFailed(failed[1], code=code, retryable=bool(failed[2]), usage=usage)


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Errors that name the file."""
    try:
        yield
    except (sqlite3.Error, ValueError) as error:  # ValueError: what stands there is no answer
        raise AnswersUnusable(f"{path}: {' '.join(str(error).split())[:200]}") from error
