"""The script of docs/trainers.md, as it stands there, with TRL's own trainer before real services."""

from __future__ import annotations

import asyncio
import math
import re
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from tests.integration.trainer.scripted_reward import fails, reward_of, serving
from tests.integration.trainer.tiny_models import starter_pairs
from tests.support.processes import ROOT, RedisServer
from tests.support.waiting import GENEROUS_SECONDS

pytestmark = pytest.mark.usefixtures("one_thread")

URL = "http://127.0.0.1:8001"
FAILS_ONE_IN = 3
GROUP = 4


def script() -> str:
    """The only script of that page."""
    page = (ROOT / "docs" / "trainers.md").read_text(encoding="utf-8")
    (found,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # TRL's
@pytest.mark.parametrize("door", ["url", "queue"])
def test_a_script_of_ones_own_trains_and_a_failed_rollout_has_neither_reward_nor_advantage(
    door: str, tiny: Path, tmp_path: Path, redis_server: RedisServer
) -> None:
    prompts = [{"prompt": pair.prompt} for pair in starter_pairs(8)]
    given: dict[str, Any] = {
        "model": str(tiny),
        "prompts": Dataset.from_list(prompts),
        "settings": {
            "output_dir": str(tmp_path / "run"),
            "max_steps": 1,
            "per_device_train_batch_size": 32,
            "num_generations": GROUP,
            "max_completion_length": 8,
            "use_cpu": True,
            "bf16": False,
            "gradient_checkpointing": None,  # TRL's default is a name that transformers has deprecated
            "report_to": "none",
        },
    }
    with serving(tmp_path, name="judge", redis=redis_server, fails_one_in=FAILS_ONE_IN) as service:
        url = service.url if door == "url" else f"{redis_server.url}?reward=judge"
        assert URL in script()
        exec(script().replace(URL, url), given)

        trainer, board = given["trainer"], given["board"]
        asyncio.run_coroutine_threadsafe(board.aclose(), trainer.async_loop).result(timeout=GENEROUS_SECONDS)

    assert trainer.state.global_step == 1
    logged = trainer._logs
    rows = list(zip(logged["prompt"], logged["completion"], logged["rewards"]["judge"], strict=True))
    assert len(rows) == 32
    failed = [fails("judge", prompt, completion, FAILS_ONE_IN) for prompt, completion, _ in rows]
    assert 0 < failed.count(True) < 32
    for (prompt, completion, reward), has_failed in zip(rows, failed, strict=True):
        if has_failed:
            assert math.isnan(reward)
        else:
            assert reward == pytest.approx(reward_of("judge", prompt, completion), rel=1e-6)
    assert [advantage for advantage, has_failed in zip(logged["advantages"], failed, strict=True) if has_failed] == [
        0.0
    ] * failed.count(True)
    assert any(advantage for advantage in logged["advantages"])
    assert board.counts == {"judge/scored": failed.count(False), "judge/failed": failed.count(True)}
