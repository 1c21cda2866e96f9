"""``python -m tests.chaos.table chaos.jsonl --into docs/chaos.md``: the log of many rounds as tables in a page."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.rounds import Entry

BEGIN = "<!-- rounds: written by python -m tests.chaos.table; do not edit -->"
END = "<!-- end of rounds -->"


def read(log: Path) -> list[Entry]:
    """The rounds of a log, in the order of their seeds."""
    lines = log.read_text(encoding="utf-8").splitlines()
    return sorted(map(Entry.model_validate_json, lines), key=lambda entry: entry.seed)


def markdown(entries: Sequence[Entry]) -> str:
    """A sentence with the sums, a row for each kind of fault, and a row for each round."""
    kinds = sorted({entry.fault.partition(":")[0] for entry in entries})
    by_kind = [[entry for entry in entries if entry.fault.partition(":")[0] == kind] for kind in kinds]
    rows = [
        _row(kind, len(of_kind), *_sums(of_kind), f"{sum(e.seconds for e in of_kind) / len(of_kind):.1f}")
        for kind, of_kind in zip(kinds, by_kind, strict=True)
    ]
    expected, scored, failed, expired, twice = _sums(entries)
    unbalanced = sum(not entry.balanced for entry in entries)
    balanced = "all of them balanced" if not unbalanced else f"**{unbalanced} of them not balanced**"
    first, last = entries[0].seed, entries[-1].seed
    consecutive = "consecutive " if [entry.seed for entry in entries] == [*range(first, last + 1)] else ""
    return "\n".join(
        [
            f"{len(entries)} {consecutive}rounds, seeds {first} to {last}, {balanced}: "
            f"{expected:,} expected = {scored:,} scored + {failed:,} failed + {expired:,} expired, {twice} twice.",
            "",
            _row("what was broken", "rounds", "expected", "scored", "failed", "expired", "twice", "seconds a round"),
            "|---|" + "---:|" * 7,
            *rows,
            "",
            "<details><summary>Every round</summary>",
            "",
            _row("seed", "what was broken", "outcomes before", "for, s", *STATUSES, "seconds", "books"),
            "|---:|---|" + "---:|" * 7 + "---|",
            *(
                _row(
                    str(entry.seed),
                    entry.fault,
                    entry.moment,
                    f"{entry.outage_seconds:.1f}",
                    entry.expected,
                    entry.scored,
                    entry.failed,
                    entry.expired,
                    f"{entry.seconds:.1f}",
                    "balanced" if entry.balanced else "**not balanced**",
                )
                for entry in entries
            ),
            "",
            "</details>",
        ]
    )


STATUSES = ("expected", "scored", "failed", "expired")


def _sums(entries: Sequence[Entry]) -> tuple[int, ...]:
    return tuple(sum(getattr(entry, name) for entry in entries) for name in (*STATUSES, "twice"))


def _row(*cells: object) -> str:
    return f"| {' | '.join(f'{cell:,}' if isinstance(cell, int) else str(cell) for cell in cells)} |"


def put_into(page: str, text: str) -> str:
    """A page with what stands between its two marks replaced.

    Raises:
        ValueError: A mark is missing.
    """
    before, found, rest = page.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise ValueError(f"the page has no place for the table: {BEGIN} … {END}")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.table", description=__doc__)
    parser.add_argument("log", type=Path)
    parser.add_argument("--into", type=Path, required=True)
    chosen = parser.parse_args(arguments)
    page = chosen.into.read_text(encoding="utf-8")
    chosen.into.write_text(put_into(page, markdown(read(chosen.log))), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
