"""Probes against the reward model that comes with the package, served; and on the paper's evaluation set."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.trainer.commands import Zhufu
from tests.integration.trainer.paper_files import paper_file
from tests.support.processes import Service, free_port
from trainer.checkpoints import starter_reward_model
from trainer.data.labelled import load_labelled
from trainer.evaluation.asking import JOURNAL
from trainer.evaluation.probes.baselines import baseline_outcomes
from trainer.evaluation.probes.catalogue import PROBES
from trainer.evaluation.probes.plan import plan_probes
from trainer.evaluation.probes.results import measure_probes
from trainer.evaluation.rewards.baselines import LENGTH_RULE, NGRAMS

START_SECONDS = 120.0
MAX_CHARACTERS = 130
"""Of prompt and completion: what the probes make longer than that is refused."""
CASES = 10


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(
        [sys.executable, "-m", "services.reward_model.app"],
        tmp_path_factory.mktemp("log") / "service.log",
        {
            "ZHUFU_REWARD_MODEL_CHECKPOINT": str(starter_reward_model()),
            "ZHUFU_REWARD_MODEL_MAX_CHARACTERS": str(MAX_CHARACTERS),
            "OMP_NUM_THREADS": "1",
        },
        free_port(),
    )
    try:
        running.wait_until(timeout_seconds=START_SECONDS)
        yield running
    finally:
        running.end()


def arguments(service: Service, output: Path) -> list[object]:
    names = ["filler", "repeated_sentence", "other_prompt", "attacks"]
    return [
        *("evaluate", "probes", "--reward", f"model={service.url}", "--data", "starter:test"),
        *("--cases", CASES, "--output", output),
        *(part for name in names for part in ("--probe", name)),
    ]


def result(output: Path) -> dict[str, Any]:
    return dict(json.loads((output / "result.json").read_text(encoding="utf-8")))


def shares(found: dict[str, Any]) -> dict[str, Any]:
    """Cases and fooled shares of the model, by probe."""
    probes = found["rewards"]["model"]["probes"]
    return {name: [figures["cases"], figures["scored"], figures["fooled"]] for name, figures in probes.items()}


def test_a_served_reward_goes_through_the_probes_beside_the_baselines(
    served: Service, zhufu: Zhufu, tmp_path: Path
) -> None:
    output = tmp_path / "probes"
    ended = zhufu(*arguments(served, output), "--train", "starter:train")
    assert ended.status == 0, ended.err
    found = result(output)
    rewards = found["rewards"]
    assert list(rewards) == ["model", LENGTH_RULE, NGRAMS]
    assert f"{found['rollouts_each']} rollouts for each reward" in ended.out, "it is said before they are asked"
    assert rewards["model"]["probes"]["filler"]["fooled"]["mean"] < 0.2
    assert rewards[LENGTH_RULE]["probes"]["filler"]["fooled"]["mean"] == 1.0
    assert rewards[LENGTH_RULE]["probes"]["other_prompt"]["fooled"]["mean"] == 0.5
    assert 0 <= rewards["model"]["passes_flawed"]["mean"] < rewards["model"]["passes_honest"]["mean"] <= 1
    page = (output / "report.html").read_text(encoding="utf-8")
    assert "<html" in page
    assert "filler appended" in page
    assert "filler appended" in (output / "report.md").read_text(encoding="utf-8")


def test_texts_that_are_refused_are_counted_apart_and_asked_no_second_time(
    served: Service, zhufu: Zhufu, tmp_path: Path
) -> None:
    output = tmp_path / "probes"
    assert zhufu(*arguments(served, output)).status == 0
    first = result(output)
    repeated = first["rewards"]["model"]["probes"]["repeated_sentence"]
    assert repeated["scored"] < repeated["cases"], "some are longer than the service scores"
    refused = first["rewards"]["model"]["failures"]
    assert refused.keys() == {"text_too_long"}
    assert repeated["fooled"] is None or 0 <= repeated["fooled"]["mean"] <= 1
    journal = (output / JOURNAL).read_bytes()

    refusal = zhufu(*arguments(served, output))
    assert refusal.status == 1
    assert "resume it" in refusal.err
    again = zhufu(*arguments(served, output), "--resume")
    assert again.status == 0, again.err
    assert result(output) == first
    assert (output / JOURNAL).read_bytes() == journal, "nothing was asked twice"


def test_a_run_that_was_stopped_goes_on_where_it_was(served: Service, zhufu: Zhufu, tmp_path: Path) -> None:
    output = tmp_path / "probes"
    whole = zhufu(*arguments(served, output))
    assert whole.status == 0, whole.err
    first = result(output)
    journal = output / JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[: len(lines) // 2]) + lines[-1][:20])
    (output / "result.json").unlink()
    again = zhufu(*arguments(served, output), "--resume")
    assert again.status == 0, again.err
    # What is scored in another batch differs in its last digits.
    assert shares(result(output)) == shares(first)
    assert len(journal.read_bytes().splitlines()) == len(lines), "what was asked before was not asked again"


def test_unknown_probes_and_data_without_good_greetings_are_refused(zhufu: Zhufu, tmp_path: Path) -> None:
    common = ["evaluate", "probes", "--reward", "model=http://127.0.0.1:9", "--output", tmp_path / "probes"]
    unknown = zhufu(*common, "--data", "starter:test", "--probe", "fillers")
    assert unknown.status == 2
    assert "none of filler," in " ".join(unknown.err.split())
    bad = tmp_path / "bad.jsonl"
    bad.write_text(json.dumps({"query": "祝福", "response": "嗯。", "label": 0}) + "\n", encoding="utf-8")
    none = zhufu(*common, "--data", bad)
    assert none.status == 1
    assert "none of these probes applies" in none.err
    assert not (tmp_path / "probes").exists()


def test_on_the_papers_evaluation_set_baselines_that_read_no_request_are_fooled_by_half_of_the_others() -> None:
    rows = load_labelled(str(paper_file("evaluate_data.public.json")))
    train = load_labelled(str(paper_file("reward_data_train.json")))
    probes = [probe for probe in PROBES if probe.name in {"other_prompt", "wrong_recipient", "wrong_occasion"}]
    plan = plan_probes(rows, train, probes=probes)
    results = measure_probes(plan, baseline_outcomes(plan, train))
    for reward in (LENGTH_RULE, NGRAMS):
        other = results.rewards[reward].probes["other_prompt"]
        assert other.scored == 200
        assert other.fooled is not None
        assert other.fooled.mean == 0.5
    for name in ("wrong_recipient", "wrong_occasion"):
        figures = results.rewards[NGRAMS].probes[name]
        assert figures.scored > 100
        assert figures.fooled is not None
        assert figures.fooled.low < 0.5 < figures.fooled.high, "the wrong words are no favourites"
