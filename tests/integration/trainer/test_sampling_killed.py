"""A bulk run that is killed with SIGKILL again and again ends with the files of one that was left alone."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

from tests.integration.trainer.commands import wait_while_it_runs
from tests.integration.trainer.sample_service import FAILS_FOR_GOOD, sampling
from tests.integration.trainer.sampling_command import results_in, sample_process, write_prompts
from tests.support.effort import KILLS
from tests.support.processes import RedisServer

PROMPTS = [f"给第{number}位老师的教师节祝福" + (FAILS_FOR_GOOD if number % 17 == 5 else "") for number in range(120)]


def test_kills_lose_nothing_and_repeat_nothing(redis_server: RedisServer, tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path / "prompts.jsonl", PROMPTS)
    results, undisturbed = results_in(tmp_path / "killed"), results_in(tmp_path / "undisturbed")
    url = f"{redis_server.url}?reward=multi_agent"
    chance = random.Random(20261124)
    targets = sorted(chance.sample(range(1, len(PROMPTS)), KILLS))
    resumed = 0

    def command(output: Path) -> list[object]:
        resume = ["--resume"] if output.with_suffix(".journal").exists() else []
        common = ["--prompts", prompts, "--output", output, "--url", url, "--concurrency", 4, "--no-retry-failed"]
        return [*common, *resume]

    with sampling(tmp_path, redis=redis_server, seconds=0.3):
        for target in targets:
            before = len(results.ended)
            process = sample_process(tmp_path / "killed.out", *command(results.files.pairs))
            wait_while_it_runs(process, lambda target=target: len(results.ended) >= target)  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.05))
            assert process.running, process.printed()[-3000:]
            process.kill()
            resumed += before > 0
        last = sample_process(tmp_path / "killed.out", *command(results.files.pairs))
        other = sample_process(tmp_path / "undisturbed.out", *command(undisturbed.files.pairs))
        assert last.wait(90) == 0, last.printed()[-3000:]
        assert other.wait(90) == 0, other.printed()[-3000:]

    assert resumed >= KILLS - 1
    assert results.files.pairs.read_bytes() == undisturbed.files.pairs.read_bytes()
    assert results.files.samples.read_bytes() == undisturbed.files.samples.read_bytes()
    assert set(Counter(line["index"] for line in results.ended).values()) == {1}, "no prompt was journaled twice"
    assert len(results.ended) == len(PROMPTS)
    assert results.names == undisturbed.names, "no parts of files are left"
    for name in ("pairs", "no_pair", "failures", "prompts", "tokens", "lengths", "complete", "failed_prompts"):
        assert results.summary[name] == undisturbed.summary[name], name
