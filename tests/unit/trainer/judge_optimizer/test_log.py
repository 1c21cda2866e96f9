from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainer.judge_optimizer.errors import RunDiverged
from trainer.judge_optimizer.log import ROUNDS, TIMES, RoundLog


def test_a_line_is_written_once_and_compared_ever_after(tmp_path: Path) -> None:
    log = RoundLog(tmp_path)
    log.add({"round": 0, "规则": ["真诚"]}, paid_calls=3, paid_tokens=9)
    before = (tmp_path / ROUNDS).read_bytes()

    again = RoundLog(tmp_path)
    assert again.finished == 1
    again.add({"round": 0, "规则": ["真诚"]}, paid_calls=0, paid_tokens=0)
    again.add({"round": 1}, paid_calls=1, paid_tokens=1)

    assert (tmp_path / ROUNDS).read_bytes() == before + b'{"round":1}\n'
    assert [record["round"] for record in again.records] == [0, 1]
    times = [json.loads(line) for line in (tmp_path / TIMES).read_text().splitlines()]
    assert [(each["round"], each["paid_calls"]) for each in times] == [(0, 3), (1, 1)]


def test_another_line_at_the_same_place_is_refused(tmp_path: Path) -> None:
    RoundLog(tmp_path).add({"round": 0}, paid_calls=0, paid_tokens=0)

    with pytest.raises(RunDiverged, match="line 1"):
        RoundLog(tmp_path).add({"round": 0, "more": 1}, paid_calls=0, paid_tokens=0)


def test_half_a_line_is_cut_off(tmp_path: Path) -> None:
    (tmp_path / ROUNDS).write_bytes('{"round":0}\n{"round":1,"规'.encode()[:-1])

    log = RoundLog(tmp_path)
    assert log.finished == 1
    assert (tmp_path / ROUNDS).read_bytes() == b'{"round":0}\n'
