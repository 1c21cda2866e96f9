"""A reward that is away in the middle of a training: it waits and goes on, but not for ever."""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from tests.integration.trainer.commands import Zhufu
from tests.integration.trainer.scripted_reward import serving
from tests.integration.trainer.tiny_models import small_grpo, starter_pairs
from tests.support.processes import START_SECONDS, RedisServer, Service, free_port
from trainer.grpo import GrpoJob, train_grpo
from trainer.progress import read_history
from trainer.rewards import RewardSpec
from trainer.runs import Run, last_whole_checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")

OUTAGE_SECONDS = float(os.environ.get("ZHUFU_OUTAGE_SECONDS", "10"))
"""How long the service is away; a minute shows no more, but takes longer."""
ROLLOUTS, STEPS = 16, 4
HELD_STEP = 3


class Outage(threading.Thread):
    """Kills a service in the middle of scoring, and lets another one listen on its port when the outage is over."""

    def __init__(self, folder: Path, service: Service, redis: RedisServer | None, held: Path) -> None:
        super().__init__(daemon=True)
        self.began: float | None = None
        self.ended: float | None = None
        self.stack = contextlib.ExitStack()
        self._folder = folder
        self._service = service
        self._redis = redis
        self._held = held

    def run(self) -> None:
        deadline = time.monotonic() + 2 * START_SECONDS
        while not self._held.exists():
            if time.monotonic() > deadline:
                return
            time.sleep(0.02)
        self._service.kill()
        self.began = time.monotonic()
        time.sleep(OUTAGE_SECONDS)
        self.ended = time.monotonic()
        again = serving(self._folder, redis=self._redis, port=self._service.port, wait=False)
        self.stack.enter_context(again)


@contextlib.contextmanager
def outage(folder: Path, redis: RedisServer | None) -> Iterator[tuple[Service, Outage]]:
    """A reward that scores two steps, holds the rollouts of the third, and is killed over them."""
    held = folder / "held"
    with serving(folder, redis=redis, hold_after=(HELD_STEP - 1) * ROLLOUTS, held=held) as service:
        thread = Outage(folder, service, redis, held)
        with thread.stack:
            thread.start()
            yield service, thread
            thread.join(timeout=START_SECONDS)


@pytest.mark.parametrize("door", ["http", "redis"])
def test_training_waits_out_a_service_that_is_killed_and_comes_back(
    door: str, redis_server: RedisServer, tiny: Path, tmp_path: Path, console: Console
) -> None:
    run = Run(tmp_path / "run", command="test", settings={}, resume=False)
    with outage(tmp_path, redis_server if door == "redis" else None) as (service, thread):
        url = service.url if door == "http" else f"{redis_server.url}?reward=judge"
        job = GrpoJob(
            model=str(tiny),
            prompts=[pair.prompt for pair in starter_pairs()],
            rewards=[RewardSpec(name="judge", url=url, weight=1.0)],
            preset=small_grpo(max_steps=STEPS),
            seed=0,
            save_steps=100,
            outage_seconds=OUTAGE_SECONDS + 90,
        )
        counts = train_grpo(job, run, console)
    assert thread.began is not None
    assert thread.ended is not None
    assert counts == {"judge/scored": STEPS * ROLLOUTS}, "nothing is lost, nothing counted twice, nothing a failure"
    history = run.history()
    assert [line["step"] for line in history] == list(range(1, STEPS + 1))
    assert all(math.isfinite(line["reward"]) and line["reward"] > 0 for line in history)
    waited = [line["reward_wait_seconds"] for line in history]
    assert waited[HELD_STEP - 1] >= thread.ended - thread.began
    assert waited[HELD_STEP - 1] == max(waited)
    assert (run.model_folder / "model.safetensors").is_file()


def test_a_reward_that_stays_away_ends_the_run_with_a_sentence_and_the_last_checkpoint(
    zhufu: Zhufu, tiny: Path, tmp_path: Path
) -> None:
    output, held, port = tmp_path / "run", tmp_path / "held", free_port()
    command = (
        *("train", "grpo", "--model", tiny, "--data", "starter:validation", "--output", output),
        *("--reward", f"judge=http://127.0.0.1:{port}", "--group-size", 4, "--prompts-per-step", 4),
        *("--max-completion-tokens", 8, "--steps", STEPS, "--save-steps", 1, "--eval-samples", 0),
    )
    with serving(tmp_path, port=port, hold_after=(HELD_STEP - 1) * ROLLOUTS, held=held) as service:
        killer = threading.Thread(target=_kill_when, args=(service, held), daemon=True)
        killer.start()
        begun = time.monotonic()
        ended = zhufu(*command, "--outage-seconds", 3)
        killer.join(timeout=START_SECONDS)
    assert time.monotonic() - begun < 60
    assert ended.status == 1
    assert ended.err.splitlines()[-1].startswith(
        f"error: http://127.0.0.1:{port}/ could not be used within the time allowed"
    )
    assert "Traceback" not in ended.err
    assert last_whole_checkpoint(output) == str(output / f"checkpoint-{HELD_STEP - 1}")
    assert not (output / "model").exists()

    with serving(tmp_path, port=port):
        assert zhufu(*command, "--outage-seconds", 60, "--resume").status == 0
    assert [line["step"] for line in read_history(output / "history.jsonl")] == list(range(1, STEPS + 1))


def _kill_when(service: Service, held: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not held.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    service.kill()
