"""``zhufu evaluate rewards`` against real services: the reward model of the package, and one that fails."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.trainer.commands import Zhufu, wait_while_it_runs, zhufu_process
from tests.integration.trainer.paper_files import paper_file
from tests.integration.trainer.scripted_reward import fails, serving
from tests.support.processes import RedisServer, Service, free_port
from trainer.checkpoints import starter_reward_model
from trainer.data.labelled import load_labelled
from trainer.evaluation.asking import JOURNAL, REQUESTS_AT_ONCE, ROWS_AT_ONCE
from trainer.evaluation.rewards.baselines import CHANCE, LENGTH_RULE, NGRAMS, baseline_columns
from trainer.evaluation.rewards.material import Sources, load_material
from trainer.evaluation.rewards.measuring import Measure, measure, population_of

START_SECONDS = 120.0
ROWS = [(row.prompt, row.completion) for row in load_labelled("starter:test")]
FAILS_ONE_IN = 7
UNDER_WAY = REQUESTS_AT_ONCE * ROWS_AT_ONCE
FAILED = sum(fails("flaky", *row, FAILS_ONE_IN) for row in ROWS)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(
        [sys.executable, "-m", "services.reward_model.app"],
        tmp_path_factory.mktemp("log") / "service.log",
        {"ZHUFU_REWARD_MODEL_CHECKPOINT": str(starter_reward_model()), "OMP_NUM_THREADS": "1"},
        free_port(),
    )
    try:
        running.wait_until(timeout_seconds=START_SECONDS)
        yield running
    finally:
        running.end()


def result(output: Path) -> dict[str, Any]:
    return dict(json.loads((output / "result.json").read_text(encoding="utf-8")))


def journal(output: Path) -> list[tuple[str, str]]:
    """(reward, text) of each whole line."""
    path = output / JOURNAL
    if not path.exists():
        return []
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    return [(line["reward"], line["text"]) for line in map(json.loads, filter(None, whole.split(b"\n")))]


def test_rewards_stand_beside_baselines_on_the_rows_that_all_of_them_scored(
    served: Service, zhufu: Zhufu, redis_server: RedisServer, tmp_path: Path
) -> None:
    output = tmp_path / "rewards"
    with serving(tmp_path, name="flaky", redis=redis_server, fails_one_in=FAILS_ONE_IN):
        ended = zhufu(
            *("evaluate", "rewards", "--data", "starter:test", "--train", "starter:train", "--output", output),
            *("--reward", f"model={served.url}", "--reward", f"flaky={redis_server.url}?reward=flaky"),
            *("--validation", "starter:validation", "--no-probes"),
        )
    assert ended.status == 0, ended.err
    found = result(output)
    asked = [reward for reward, _ in journal(output)]
    assert asked.count("model") == len(ROWS), "it says by itself what is good"
    assert asked.count("flaky") == len(ROWS) + len(load_labelled("starter:validation"))
    assert list(found["columns"]) == ["model", "flaky", LENGTH_RULE, NGRAMS, CHANCE]
    model, flaky = found["columns"]["model"], found["columns"]["flaky"]
    assert 10 < FAILED < 60
    assert flaky["answers"]["failed"] == FAILED
    assert flaky["answers"]["codes"] == {"scripted": FAILED}
    assert flaky["answers"]["scored"] == len(ROWS) - FAILED
    assert model["answers"]["scored"] == len(ROWS)
    assert found["rows"]["compared"] == len(ROWS) - FAILED
    assert found["own_rows"]["model"]["rows"] == len(ROWS), "the model's own figures are of all rows"
    assert model["figures"]["length_stratified_auc"]["low"] > 0.5, "the starter reward model reads"
    assert flaky["figures"]["length_stratified_auc"]["low"] < 0.5, "hashes do not"
    assert model["decided_by"] == "its probability, from 0.5"
    assert "chosen on --validation" in flaky["decided_by"]
    assert flaky["figures"]["calibration_error"]["mean"] > 0.2, "its range is 0 to 1, so it is taken at its word"
    assert model["answers"]["latency_p50"] > 0
    codes = {(finding["reward"], finding["code"]) for finding in found["findings"]}
    assert {("flaky", "blind_at_equal_length"), ("flaky", "not_better_than_length"), ("flaky", "not_scored")} <= codes
    assert ("model", "better_than_length") in codes
    assert "flaky does not tell good from bad" in ended.out
    tested = [each for each in found["comparisons"] if each["measure"] == "length_stratified_auc"]
    assert [(each["first"], each["second"]) for each in tested] == [
        ("model", "flaky"),
        ("model", LENGTH_RULE),
        ("model", NGRAMS),
        ("flaky", LENGTH_RULE),
        ("flaky", NGRAMS),
    ]
    assert f"{FAILED} of {len(ROWS)} texts (scripted {FAILED})" in (output / "report.md").read_text(encoding="utf-8")


def test_a_run_that_is_killed_goes_on_and_asks_nothing_twice(served: Service, zhufu: Zhufu, tmp_path: Path) -> None:
    output, held, go_on = tmp_path / "rewards", tmp_path / "held", tmp_path / "go-on"
    with serving(
        tmp_path, name="flaky", fails_one_in=FAILS_ONE_IN, hold_after=UNDER_WAY, held=held, hold_until=go_on
    ) as slow:
        command = [
            *("evaluate", "rewards", "--data", "starter:test", "--output", output, "--probe-cases", 3),
            *("--reward", f"model={served.url}", "--reward", f"flaky={slow.url}"),
        ]
        before = served.metrics()
        process = zhufu_process(tmp_path / "killed.out", *command)
        wait_while_it_runs(process, lambda: held.exists() and ("flaky" in dict(journal(output))))
        assert process.running, process.printed()[-3000:]
        process.kill()
        saved = journal(output)
        assert 0 < len(saved) < 2 * len(ROWS)
        with (output / JOURNAL).open("ab") as file:
            file.write(b'{"reward": "mod')
        go_on.touch()
        refused = zhufu(*command)
        assert refused.status == 1
        assert "resume it" in refused.err
        ended = zhufu(*command, "--resume")
        assert ended.status == 0, ended.err
        once_more = journal(output)
        assert once_more[: len(saved)] == saved
        assert len(set(once_more)) == len(once_more), "nothing was asked twice"
        asked = {reward: sum(name == reward for name, _ in once_more) for reward in ("model", "flaky")}
        assert asked["model"] == asked["flaky"] > len(ROWS), "rows, and what the probes made of them"
        after = served.metrics()
        scored = sum(
            after[name] - before.get(name, 0) for name in after if name.startswith("zhufu_score_requests_total")
        )
        assert asked["model"] <= scored <= asked["model"] + UNDER_WAY, "but what was under way"
    found = result(output)
    assert found["columns"]["flaky"]["answers"]["failed"] == FAILED
    assert found["rows"]["compared"] == len(ROWS) - FAILED
    assert "cross-fitted" in found["columns"]["flaky"]["decided_by"]
    assert set(found["probes"]["rewards"]) >= {"model", "flaky", LENGTH_RULE}
    report = (output / "report.md").read_text(encoding="utf-8")
    assert "cross-fitted" in report
    assert "filler appended" in report


def test_a_reward_that_hardly_scores_anything_takes_no_rows_from_the_others(
    served: Service, zhufu: Zhufu, tmp_path: Path
) -> None:
    output = tmp_path / "rewards"
    common = ["evaluate", "rewards", "--data", "starter:test", "--limit", 60, "--no-probes"]
    with serving(tmp_path, name="broken", fails_one_in=1) as broken:
        alone = zhufu(*common, "--output", tmp_path / "alone", "--reward", f"broken={broken.url}")
        assert alone.status == 1
        assert "no reward scored 50% of the texts: broken 0 of 60" in alone.err
        ended = zhufu(
            *common, "--output", output, "--reward", f"model={served.url}", "--reward", f"broken={broken.url}"
        )
    assert ended.status == 0, ended.err
    found = result(output)
    assert found["rows"]["compared"] == 60
    assert next(iter(found["columns"])) == "model"
    assert found["left_out"]["broken"]["answers"]["codes"] == {"scripted": 60}
    assert "broken is not compared: it scored 0 of 60 texts" in ended.out


def test_a_reward_that_is_away_leaves_no_folder_behind(zhufu: Zhufu, tmp_path: Path) -> None:
    ended = zhufu(
        *("evaluate", "rewards", "--data", "starter:test", "--output", tmp_path / "rewards", "--timeout", 0.5),
        *("--reward", f"gone=http://127.0.0.1:{free_port()}"),
    )
    assert ended.status == 1
    assert "could not be used within the time allowed" in ended.err
    assert not (tmp_path / "rewards").exists()


def test_on_the_papers_files_the_baselines_come_to_what_is_known_of_them() -> None:
    """Length 0.94 and n-grams 0.98 by AUC; at equal length 0.54 and 0.89, and 0.96 on pairs: docs have the command."""
    material = load_material(
        Sources(
            data=str(paper_file("evaluate_data.public.json")),
            pairs=str(paper_file("reward_data_test.json")),
            train=str(paper_file("reward_data_train.json")),
        ),
        seed=0,
    )
    assert material.training is not None
    assert material.training.leaked > 500, "rows of the training pairs that are evaluated"
    columns = baseline_columns(material)
    found = measure(material, columns, population_of(columns), resamples=50, seed=0)
    expected = {
        (LENGTH_RULE, Measure.AUC): 0.940,
        (LENGTH_RULE, Measure.ACCURACY): 0.900,
        (LENGTH_RULE, Measure.STRATIFIED_AUC): 0.544,
        (LENGTH_RULE, Measure.MATCHED_PAIRS): 0.5,
        (NGRAMS, Measure.AUC): 0.984,
        (NGRAMS, Measure.STRATIFIED_AUC): 0.892,
        (NGRAMS, Measure.CLOSE_PAIRS): 0.966,
        (CHANCE, Measure.STRATIFIED_AUC): 0.5,
    }
    for key, value in expected.items():
        figure = found.figures[key]
        assert figure is not None
        assert figure.value == pytest.approx(value, abs=0.005), key
