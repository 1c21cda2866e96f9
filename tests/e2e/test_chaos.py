"""A round of chaos for each kind of fault that is quick; `make chaos` runs a hundred of all kinds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.faults import FAULTS
from tests.chaos.journal import Journal, Received, Submitted, lines_of, outcomes_of
from tests.chaos.plan import drawn
from tests.chaos.rounds import Entry, run_round
from tests.chaos.stack import REQUESTER_SECONDS
from tests.chaos.table import BEGIN, END, markdown, put_into

QUICK = (
    "scorer killed: one of two",
    "requester killed: of the queue",
    "Redis killed: appendfsync everysec",
    "disk full: appendfsync always",
    "connection reset: HTTP",
    "clock jump: redis, +3600 s",
    "network cut: for a while",
    "LLM killed: for a while",
)
SEED = 7

pytestmark = pytest.mark.timeout(REQUESTER_SECONDS + 100)


@pytest.mark.parametrize("name", QUICK)
async def test_whatever_breaks_the_books_balance(name: str, tmp_path: Path) -> None:
    (fault,) = [fault for fault in FAULTS if fault.name == name]
    if (reason := fault.missing()) is not None:
        pytest.skip(reason)
    entry = await run_round(drawn(SEED, [fault]), tmp_path)
    assert not entry.troubles, "\n".join([*entry.troubles, *entry.story])
    assert entry.expected == entry.scored + entry.failed + entry.expired
    assert entry.twice == 0


def test_a_seed_draws_the_same_round_each_time_and_all_faults_are_drawn() -> None:
    plans = [drawn(seed) for seed in range(1000)]
    assert plans == [drawn(seed) for seed in range(1000)]
    assert {plan.fault.name for plan in plans} == {fault.name for fault in FAULTS}
    assert plans[3].rollouts() == drawn(3).rollouts()


def test_a_line_of_the_journal_that_a_kill_cut_off_was_never_written(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    first = Journal(path)
    first.write(Submitted(process=1, ids=["a"]))
    first.close()
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"process":1,"event":"rec')
    assert list(lines_of(path)) == [Submitted(process=1, ids=["a"])]
    second = Journal(path)
    second.write(Received(process=2, outcomes=[]))
    second.close()
    assert list(lines_of(path)) == [Submitted(process=1, ids=["a"]), Received(process=2, outcomes=[])]
    assert outcomes_of(path) == []


def entry(seed: int, **changes: object) -> Entry:
    values = {
        "seed": seed,
        "fault": "Redis killed: for good",
        "door": "queue",
        "moment": 3,
        "outage_seconds": 1.5,
        "expected": 10,
        "scored": 8,
        "failed": 1,
        "expired": 1,
        "twice": 0,
        "seconds": 4.0,
        "troubles": [],
        "story": [],
    }
    return Entry.model_validate({**values, **changes})


def test_the_table_tells_the_sums_and_does_not_hide_what_did_not_balance() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    text = markdown([entry(4), entry(5, troubles=["no outcome: 贺1"], scored=7)])
    told = put_into(page, text)
    assert told == put_into(told, text)
    assert told.startswith(f"before\n{BEGIN}\n")
    assert told.endswith(f"{END}\nafter\n")
    assert "old" not in told
    assert "seeds 4 to 5, **1 of them not balanced**: 20 expected = 15 scored + 2 failed + 2 expired, 0 twice" in told
    assert "| Redis killed | 2 | 20 | 15 | 2 | 2 | 0 | 4.0 |" in told
    assert told.count("**not balanced**") == 1
    assert "2 consecutive rounds" in told
    assert "2 rounds" in markdown([entry(4), entry(6)])  # one is missing between them
