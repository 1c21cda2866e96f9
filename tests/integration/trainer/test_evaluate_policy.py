"""``zhufu evaluate policy``, ``sheets`` and ``agreement`` with a real model and real services; kills change nothing."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.trainer.commands import Ended, Zhufu, wait_while_it_runs, zhufu_process
from tests.integration.trainer.scripted_reward import fails, reward_of, serving
from tests.support.processes import Service, free_port
from trainer.data.starter import load_starter
from trainer.evaluation.policies.generation import PARTS, SAMPLES
from trainer.evaluation.policies.texts import TEXTS, EvaluatedText, read_texts

pytestmark = pytest.mark.usefixtures("one_thread")

FAILS_ONE_IN = 9
KILLED_PROMPTS, KILLED_TEXTS = 72, 288
"""Three parts."""


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("judge"), name="judge", fails_one_in=FAILS_ONE_IN) as service:
        yield service


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("other"), name="other") as service:
        yield service


def completions(folder: Path) -> Path:
    """What somebody else wrote for the prompts of the starter set's test split: its good greetings, once each."""
    path = folder / "people.jsonl"
    rows = [{"prompt": pair.prompt, "completion": pair.chosen} for pair in load_starter("test")]
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), encoding="utf-8")
    return path


def options(output: Path, **changes: object) -> list[object]:
    given = {"prompts": "starter:test", "limit": 24, "samples": 2, "max-completion-tokens": 12, "output": output}
    return [part for name, value in {**given, **changes}.items() for part in (f"--{name}", value)]


def result_in(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return found


def by_model(texts: list[EvaluatedText], model: str) -> dict[str, list[EvaluatedText]]:
    """The texts of one model, by prompt."""
    found: dict[str, list[EvaluatedText]] = {}
    for text in texts:
        if text.model == model:
            found.setdefault(text.prompt_id, []).append(text)
    return found


def mean_by_hand(texts: list[EvaluatedText], model: str, reward: str, fails_one_in: int) -> float:
    """The mean over prompts of the mean of the rewards that the script gives."""
    means = []
    for some in by_model(texts, model).values():
        given = [
            reward_of(reward, text.prompt, text.completion)
            for text in some
            if not fails(reward, text.prompt, text.completion, fails_one_in)
        ]
        means += [sum(given) / len(given)] if given else []
    return sum(means) / len(means)


def test_figures_are_those_of_the_texts_and_people_can_rate_them(
    tiny: Path, judge: Service, other: Service, tmp_path: Path, zhufu: Zhufu
) -> None:
    output = tmp_path / "evaluation"
    ended = zhufu(
        "evaluate",
        "policy",
        *options(output, reward=f"judge={judge.url}", model=f"tiny={tiny}", train="starter", threshold="judge=0.5"),
        *("--model", f"people={completions(tmp_path)}", "--reward", f"other={other.url}"),
    )
    assert ended.status == 0, ended.err
    texts, result = read_texts(output / TEXTS), result_in(output)
    assert {name: len(by_model(texts, name)) for name in ("tiny", "people")} == {"tiny": 24, "people": 24}
    for model in ("tiny", "people"):
        figures = result["rewards"]["judge"]["models"][model]
        all_of_it = [text for some in by_model(texts, model).values() for text in some]
        failed = [text for text in all_of_it if fails("judge", text.prompt, text.completion, FAILS_ONE_IN)]
        assert figures["mean"]["mean"] == pytest.approx(mean_by_hand(texts, model, "judge", FAILS_ONE_IN))
        assert figures["failures"] == ({"scripted": len(failed)} if failed else {})
        assert figures["scored"] == len(all_of_it) - len(failed)
        assert result["rewards"]["other"]["models"][model]["mean"]["mean"] == pytest.approx(
            mean_by_hand(texts, model, "other", 0)
        )
    assert result["rewards"]["judge"]["excellent_where"] == "reward ≥ 0.5"
    assert result["rewards"]["other"]["excellent_where"] is None
    assert result["models"]["people"]["truncated"] is None
    assert result["models"]["tiny"]["samples"] == 48
    assert result["models"]["people"]["copying"]["whole"]["mean"] == 0.0, "the splits of the starter set share no text"
    assert {(each["one"], each["other"]) for each in result["comparisons"]} == {("tiny", "people")}
    page = (output / "report.html").read_text(encoding="utf-8")
    assert "To read: Lowest under judge" in page
    assert "tiny" in (output / "report.md").read_text(encoding="utf-8")
    assert "people: 24 completions are missing: not all other prompts have 2 there" in ended.err
    people_rate(output, tmp_path, zhufu)


def people_rate(evaluation: Path, folder: Path, zhufu: Zhufu) -> None:
    """Sheets are made of the evaluation, filled in, saved as Excel does, and read again."""
    sheets, report = folder / "ratings", folder / "agreement"
    made = zhufu("evaluate", "sheets", "--samples", evaluation, "--output", sheets, "--items", 20, "--raters", 2)
    assert made.status == 0, made.err
    key = json.loads((sheets / "key.json").read_text(encoding="utf-8"))
    assert key["models"] == ["tiny", "people"]
    for number, path in enumerate(sorted((sheets / "sheets").glob("*.csv"))):
        content = path.read_text(encoding="utf-8-sig")
        assert "tiny" not in content
        rows = list(csv.reader(io.StringIO(content, newline="")))
        for row in rows[1:]:
            wrote = key["items"][row[0]]["origins"][0]["model"]
            row[3:8] = ["3", "3", "2", "3", "2"] if wrote == "people" else ["1", "1", "1", "2", str(1 + number)]
        buffer = io.StringIO(newline="")
        csv.writer(buffer, delimiter=";").writerows(rows)
        path.write_bytes(buffer.getvalue().encode("gbk", errors="replace"))
    ended = zhufu("evaluate", "agreement", "--sheets", sheets, "--output", report)
    assert ended.status == 0, ended.err
    found = result_in(report)
    assert {each["model"]: each["acceptable"]["mean"] for each in found["models"]} == {"tiny": 0.0, "people": 1.0}
    assert [each["name"] for each in found["raters"]] == ["rater-1", "rater-2"]
    assert [each["reward"] for each in found["rewards"]] == ["judge", "other", "length alone"]
    assert next(each for each in found["agreement"] if each["name"] == "acceptable")["fleiss"]["mean"] == 1.0
    again = zhufu("evaluate", "agreement", "--sheets", sheets, "--output", report)
    assert again.status == 0, "more sheets may have come in"
    assert zhufu("evaluate", "sheets", "--samples", evaluation, "--output", sheets).status == 1, "sheets are handed out"


def test_kills_while_writing_and_while_scoring_change_nothing(tiny: Path, tmp_path: Path, zhufu: Zhufu) -> None:
    killed, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    held, release, port = tmp_path / "held", tmp_path / "release", free_port()
    common = {"prompts": "starter:train", "limit": KILLED_PROMPTS, "samples": 4, "model": f"tiny={tiny}"}

    def command(output: Path) -> list[object]:
        return ["evaluate", "policy", *options(output, reward=f"judge=http://127.0.0.1:{port}", **common)]

    parts, samples = killed / "models" / "tiny" / PARTS, killed / "models" / "tiny" / SAMPLES
    scores = killed / "scores.jsonl"

    def journal() -> int:
        return scores.read_bytes().count(b"\n") if scores.is_file() else 0

    with serving(tmp_path, port=port, hold_after=KILLED_TEXTS // 3, hold_until=release, held=held):
        process = zhufu_process(tmp_path / "writing.log", *command(killed))
        wait_while_it_runs(process, lambda: parts.is_file() and parts.read_bytes().count(b"\n") >= 2)
        assert process.running, process.printed()[-3000:]
        process.kill()
        assert not samples.exists()
        process = zhufu_process(tmp_path / "scoring.log", *command(killed), "--resume")
        wait_while_it_runs(process, lambda: held.exists() and journal() > 0)
        assert process.running, process.printed()[-3000:]
        process.kill()
        assert samples.is_file()
        assert 0 < journal() < KILLED_TEXTS
        release.touch()
        ended = zhufu(*command(killed), "--resume")
        assert ended.status == 0, ended.err
        assert zhufu(*command(undisturbed)).status == 0
    for name in (f"models/tiny/{SAMPLES}", TEXTS, "result.json", "report.md"):
        assert (killed / name).read_bytes() == (undisturbed / name).read_bytes(), name
    assert not parts.exists()


def test_a_run_that_is_done_can_have_more_models_and_rewards_but_no_other_prompts(
    tiny: Path, judge: Service, other: Service, tmp_path: Path, zhufu: Zhufu
) -> None:
    output = tmp_path / "evaluation"
    first = options(output, model=f"tiny={tiny}", reward=f"judge={judge.url}", limit=4)
    assert zhufu("evaluate", "policy", *first).status == 0
    before = (output / "models" / "tiny" / SAMPLES).read_bytes()
    more = [*first, "--model", f"people={completions(tmp_path)}", "--reward", f"other={other.url}", "--resume"]
    ended = zhufu("evaluate", "policy", *more)
    assert ended.status == 0, ended.err
    assert (output / "models" / "tiny" / SAMPLES).read_bytes() == before
    assert set(result_in(output)["rewards"]) == {"judge", "other"}
    assert refusal(zhufu("evaluate", "policy", *first)).endswith("choose another folder, or resume it")
    changed = options(output, model=f"tiny={tiny}", reward=f"judge={judge.url}", limit=5)
    assert "a run with other settings" in refusal(zhufu("evaluate", "policy", *changed, "--resume"))


def test_what_is_wrong_is_said_before_anything_is_written(
    tiny: Path, judge: Service, tmp_path: Path, zhufu: Zhufu
) -> None:
    output = tmp_path / "evaluation"

    def said(**changes: object) -> str:
        good = {"model": f"tiny={tiny}", "reward": f"judge={judge.url}", "timeout": 0.5}
        return refusal(zhufu("evaluate", "policy", *options(output, **{**good, **changes})))

    assert "write NAME=PATH" in said(model="tiny")
    assert "neither a model folder nor to be had from a hub" in said(model=f"tiny={tmp_path}")
    assert "names no --reward" in said(threshold="rm=1")
    assert "there is no such file" in said(prompts=tmp_path / "nowhere.jsonl")
    assert "there is nothing that could be copied" in said(train=prompts_only(tmp_path))
    assert not output.exists()
    assert "could not be used within the time allowed" in said(reward=f"judge=http://127.0.0.1:{free_port()}")
    assert not (output / "models" / "tiny").exists(), "a reward that is away comes to light before a model writes"


def test_a_reward_that_fails_for_every_text_is_an_error_and_what_was_written_stays(
    tiny: Path, tmp_path: Path, zhufu: Zhufu
) -> None:
    output = tmp_path / "evaluation"
    with serving(tmp_path, name="broken", fails_one_in=1) as service:
        given = options(output, model=f"tiny={tiny}", reward=f"broken={service.url}", limit=3)
        sentence = refusal(zhufu("evaluate", "policy", *given))
    assert sentence == "error: broken gave no reward for any of 6 texts: scripted 6"
    assert (output / "models" / "tiny" / SAMPLES).is_file()
    assert not (output / "result.json").exists()


def prompts_only(folder: Path) -> Path:
    path = folder / "prompts.txt"
    path.write_text("贺新居\n", encoding="utf-8")
    return path


def refusal(ended: Ended) -> str:
    """The one sentence of a command that refused."""
    assert ended.status == 1
    assert "Traceback" not in ended.err
    return ended.err.strip().splitlines()[-1]
