"""``zhufu train grpo`` from end to end: real services, a real queue, a real trainer."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from tests.integration.trainer.commands import Zhufu
from tests.integration.trainer.paper_files import beginning_of
from tests.integration.trainer.scripted_reward import serving
from tests.integration.trainer.tiny_models import starter_pairs, tiny_model
from tests.support.processes import RedisServer, Service
from trainer.data.formats import load_prompts
from trainer.progress import read_history
from trainer.runs import last_whole_checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = ("--group-size", 4, "--prompts-per-step", 4, "--max-completion-tokens", 8)
ROLLOUTS = 16
"""In one step of that size."""


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A reward that always answers."""
    with serving(tmp_path_factory.mktemp("judge")) as service:
        yield service


def prompts_file(folder: Path, count: int = 16) -> Path:
    path = folder / "prompts.jsonl"
    rows = [json.dumps({"prompt": pair.prompt}, ensure_ascii=False) for pair in starter_pairs(count)]
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def test_a_run_trains_through_the_queue_measures_before_and_after_and_reports(
    zhufu: Zhufu, judge: Service, redis_server: RedisServer, tiny: Path, tmp_path: Path
) -> None:
    data, output = prompts_file(tmp_path), tmp_path / "run"
    with serving(tmp_path, name="model", redis=redis_server) as model:
        ended = zhufu(
            *("train", "grpo", "--model", tiny, "--data", data, "--eval-data", data, "--output", output),
            *("--reward", f"shadow={judge.url}", "--weight", "shadow=0"),
            *("--reward", f"model={redis_server.url}?reward=model", "--weight", "model=2"),
            *(*SMALL, "--steps", 3, "--eval-samples", 3, "--eval-prompts", 8),
        )
        scored = model.metrics()['zhufu_score_requests_total{door="queue",reward="model",status="scored"}']
    assert ended.status == 0, ended.err
    assert scored == 3 * ROLLOUTS + 2 * 8 * 3, "three steps, and eight prompts three times before and after"

    history = read_history(output / "history.jsonl")
    assert [line["step"] for line in history] == [1, 2, 3]
    for line in history:
        assert line["reward"] == pytest.approx(2 * line["scores/model"], rel=1e-5)
        assert 0 < line["scores/shadow"] <= 1
        assert line["unscored/model"] == line["unscored/shadow"] == 0

    result = json.loads((output / "result.json").read_text(encoding="utf-8"))
    assert result["counts"] == {"model/scored": 48, "shadow/scored": 48}
    assert {"model: after minus before, held-out", "shadow: after minus before, held-out"} <= result["figures"].keys()
    page = (output / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 7
    assert starter_pairs(1)[0].prompt in page
    AutoModelForCausalLM.from_pretrained(output / "model")
    for told in (str(output / "model"), str(output / "report.html"), "model/scored"):
        assert told in ended.out


@pytest.mark.parametrize(
    "name", ["grpo_train.parquet", "grpo_test.parquet", "random_query.txt", "evaluate_data.public.json"]
)
def test_the_paper_files_train_as_they_lie(zhufu: Zhufu, judge: Service, tmp_path: Path, name: str) -> None:
    data = beginning_of(name, tmp_path)
    model = tiny_model(tmp_path / "model", load_prompts(data).records)
    ended = zhufu(
        *("train", "grpo", "--data", data, "--model", model, "--output", tmp_path / "run"),
        *("--reward", f"judge={judge.url}", *SMALL, "--steps", 2, "--eval-samples", 0),
    )
    assert ended.status == 0, ended.err
    assert [line["step"] for line in read_history(tmp_path / "run" / "history.jsonl")] == [1, 2]


def test_too_many_failures_stop_the_run_with_a_checkpoint_that_can_be_resumed(
    zhufu: Zhufu, tiny: Path, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    command = (
        *("train", "grpo", "--model", tiny, "--data", prompts_file(tmp_path), "--output", output),
        *(*SMALL, "--steps", 3, "--eval-samples", 0),
    )
    with serving(tmp_path, fails_one_in=1) as broken:
        ended = zhufu(*command, "--reward", f"judge={broken.url}")
    assert ended.status == 1
    assert ended.err.splitlines()[-1] == (
        f"error: 16 of the last 16 rollouts got no reward; the checkpoint in {output} can be resumed"
    )
    assert "Traceback" not in ended.err
    assert last_whole_checkpoint(output) == str(output / "checkpoint-1")
    assert not (output / "model").exists()

    with serving(tmp_path) as mended:
        ended = zhufu(*command, "--reward", f"judge={mended.url}", "--resume")
    assert ended.status == 0, ended.err
    history = read_history(output / "history.jsonl")
    assert [(line["step"], line["unscored/judge"]) for line in history] == [(1, 16), (2, 0), (3, 0)]
    assert (output / "model" / "model.safetensors").is_file()


def test_a_share_of_failures_below_the_bound_goes_on(zhufu: Zhufu, tiny: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    with serving(tmp_path, fails_one_in=4) as service:
        ended = zhufu(
            *("train", "grpo", "--model", tiny, "--data", prompts_file(tmp_path), "--output", output),
            *("--reward", f"judge={service.url}", *SMALL, "--steps", 2, "--eval-samples", 0),
        )
    assert ended.status == 0, ended.err
    unscored = [line["unscored/judge"] for line in read_history(output / "history.jsonl")]
    assert 0 < sum(unscored) < ROLLOUTS
    counts = json.loads((output / "result.json").read_text(encoding="utf-8"))["counts"]
    assert counts == {"judge/scored": 2 * ROLLOUTS - sum(unscored), "judge/failed": sum(unscored)}


def test_fewer_prompts_than_a_step_takes_are_an_error_and_no_success(
    zhufu: Zhufu, judge: Service, tiny: Path, tmp_path: Path
) -> None:
    ended = zhufu(
        *("train", "grpo", "--model", tiny, "--data", prompts_file(tmp_path, 3), "--output", tmp_path / "run"),
        *("--reward", f"judge={judge.url}", *SMALL, "--eval-samples", 0),
    )
    assert ended.status == 1
    assert ended.err.splitlines()[-1] == "error: prompts: one step takes 4, and there are 3"


def test_a_port_for_metrics_that_is_taken_is_told_in_a_sentence(
    zhufu: Zhufu, judge: Service, tiny: Path, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = zhufu(
            *("train", "grpo", "--model", tiny, "--data", prompts_file(tmp_path), "--output", tmp_path / "run"),
            *("--reward", f"judge={judge.url}", *SMALL, "--eval-samples", 0, "--metrics-port", port),
        )
    assert ended.status == 1
    assert f"error: metrics cannot be served on 127.0.0.1 port {port}" in ended.err.splitlines()[-1]
