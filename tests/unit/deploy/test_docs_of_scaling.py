"""The arithmetic of docs/scaling.md comes out, from constants of the code and figures of docs/benchmarks.md."""

from __future__ import annotations

import math
import re

import pytest

from services.judge.settings import JudgeSettings
from shared.client.queue import MAX_QUEUED_ROLLOUTS
from shared.queue.broker import connect
from shared.service import PREFETCH_BATCHES
from tests.support.processes import ROOT
from tests.unit.deploy.conftest import ReadSettings

TEXT = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
BENCHMARKS = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
ONE_REDIS = 24_492
ANSWER_BYTES = 884
SECONDS = {"7 days": 604_800, "6 hours": 21_600, "1 hour": 3_600, "10 minutes": 600}


def test_the_rates_are_those_of_the_benchmarks() -> None:
    """So that a benchmark that ran anew is not followed by half of the page."""
    (fewest, most), (least, greatest) = (
        re.findall(rf"{row}[^|]*\| ([\d,.]+)–([\d,.]+)", TEXT)[0] for row in ("plumbing alone", "of that, its CPU")
    )
    rows = re.findall(r"requesters, (\d+) rollouts a call \| ([\d,]+) \(.*?\) \| (\d+) \(", BENCHMARKS)
    measured = [(int(rate.replace(",", "")), int(cpu)) for size, rate, cpu in rows if int(size) in (16, 64, 256)]
    assert len(measured) == 3
    rates, cpu = zip(*measured, strict=True)
    assert (int(fewest.replace(",", "")), int(most.replace(",", ""))) == (min(rates), max(rates))
    assert (int(least), int(greatest)) == (min(cpu), max(cpu))
    for parameters, part in (("3.9", "reward-model-small"), ("87.3", "reward-model-base")):
        (rate,) = re.findall(rf"{parameters} M parameters, two cores, through the queue \| ([\d.]+) \|", TEXT)
        section = BENCHMARKS.split(f"<!-- part: {part} -->")[1].split(f"<!-- end: {part} -->")[0]
        (served,) = re.findall(r"\| queue, 64 rollouts a call, 2 at once \| ([\d.]+) \|", section)
        assert float(rate) == float(served)
    assert f"| {ONE_REDIS:,} |" in BENCHMARKS


@pytest.mark.parametrize("kept", SECONDS)
def test_how_fast_answers_fill_redis(kept: str) -> None:
    (rate,) = re.findall(rf"\| {kept}[^|]*\| ([\d,.]+) \|", TEXT)
    assert float(rate.replace(",", "")) == pytest.approx(2 * 2**30 / ANSWER_BYTES / SECONDS[kept], rel=0.01)
    assert f"{ANSWER_BYTES} bytes" in TEXT


def test_how_long_answers_are_kept(settings_of: ReadSettings) -> None:
    default = JudgeSettings(llm_url="http://127.0.0.1:8000", llm_model="any").cache_ttl_seconds
    assert default == SECONDS["7 days"]
    judge = settings_of("overlays/gpu", "judge")
    assert isinstance(judge, JudgeSettings)
    assert judge.cache_ttl_seconds == SECONDS["1 hour"]


def test_how_many_replicas_one_stream_feeds(settings_of: ReadSettings) -> None:
    judge = settings_of("overlays/gpu", "judge")
    at_once = judge.max_batch_rollouts * judge.max_concurrent_batches
    taken = min(judge.max_pending_rollouts, PREFETCH_BATCHES * at_once)
    assert f"{MAX_QUEUED_ROLLOUTS:,} / {taken:,} = {MAX_QUEUED_ROLLOUTS // taken} judges" in TEXT
    assert f"{MAX_QUEUED_ROLLOUTS:,} / {at_once} = {MAX_QUEUED_ROLLOUTS // at_once} would" in TEXT
    reward_model = settings_of("overlays/gpu", "reward-model")
    of_a_model = PREFETCH_BATCHES * reward_model.max_batch_rollouts * reward_model.max_concurrent_batches
    assert f"which is {MAX_QUEUED_ROLLOUTS // of_a_model} replicas" in TEXT


@pytest.mark.parametrize("gpus", [10, 100, 1_000])
def test_the_table_up_to_a_thousand(gpus: int) -> None:
    (row,) = re.findall(rf"\| \*G\* = {gpus:,} \|(.*)\|", TEXT)
    for cell, rate in zip(row.split("|"), (5, 20, 100), strict=True):
        total, streams, servers = (int(number.replace(",", "")) for number in re.findall(r"[\d,]*\d", cell))
        assert total == gpus * rate
        assert streams == math.ceil(gpus / 48)
        assert servers == math.ceil(total / ONE_REDIS)


async def test_pools_are_as_large_as_said() -> None:
    client = connect("redis://127.0.0.1:1/0")
    assert f"its pools open {client.connection_pool.max_connections} for the queue" in TEXT
    await client.aclose()
