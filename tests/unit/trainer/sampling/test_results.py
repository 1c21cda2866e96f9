"""The files at the end, and the figures in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.schemas import Usage
from tests.unit.trainer.sampling.made import HEADER, failed, sample, sampled, without_pair
from trainer.data.formats import load_pairs
from trainer.data.records import Skipped
from trainer.sampling.figures import figures
from trainer.sampling.journal import Journal, JournalExists
from trainer.sampling.page import write_page
from trainer.sampling.prompts import Prompt, Prompts
from trainer.sampling.results import Files, OutputUnusable, whole_file, write_pairs
from trainer.sampling.sampler import Ending
from trainer.sampling.summary import Summary, length_gap, sum_up, write_summary

PROMPTS = Prompts(
    [Prompt(row, f"给第{row}位") for row in (1, 2, 4, 5, 6)],
    [Skipped(3, "not JSON")],
    [Skipped(7, "asks what row 1 asks")],
)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "pairs.jsonl")


def summary_of(files: Files, ending: Ending = Ending.CEILING) -> Summary:
    """Of a run in which prompts ended in another order than they stand in, and one not at all."""
    journal = Journal.open(files.journal, HEADER, resume=False)
    journal.append([(3, "row-5", sampled(sample("愿您岁岁平安", "祝您节日快乐。"), Usage(prompt_tokens=5)))])
    journal.append([(0, "row-1", sampled(sample("一二三四", "一二")))])
    journal.append([(1, "row-2", sampled(without_pair("all_bad"), usage=None)), (2, "row-4", failed("x"))])
    write_pairs(files, PROMPTS.asked, journal)
    summary = sum_up(PROMPTS, journal, ending, ceiling=100, settings={"seed": 0})
    journal.close()
    return summary


def test_pairs_and_samples_stand_in_the_order_of_the_prompts(files: Files) -> None:
    summary_of(files)
    assert [(pair.prompt, pair.chosen) for pair in load_pairs(files.pairs).records] == [
        ("给第1位", "一二三四"),
        ("给第5位", "愿您岁岁平安"),
    ]
    lines = [json.loads(line) for line in files.samples.read_text(encoding="utf-8").splitlines()]
    assert [line["id"] for line in lines] == ["row-1", "row-2", "row-5"]
    assert lines[1]["sample"] == without_pair("all_bad")


def test_the_summary_counts_everything_once(files: Files) -> None:
    summary = summary_of(files)
    assert (summary.prompts, len(summary.pairs), summary.without_pair, len(summary.failed), summary.open) == (
        5,
        2,
        1,
        1,
        1,
    )
    assert (summary.failures, summary.no_pair, summary.to_retry) == ({"x": 1}, {"all_bad": 1}, 1)
    assert (summary.tokens.total, summary.tokens.unpriced) == (47, 2)
    write_summary(summary, files.summary)
    document = json.loads(files.summary.read_text(encoding="utf-8"))
    assert document == json.loads(json.dumps(summary.document()))
    assert (document["complete"], document["ending"], document["open"]) == (False, "ceiling", 1)
    assert document["skipped_rows"] == [{"row": 3, "reason": "not JSON"}]
    assert document["failed_prompts"] == [{"id": "row-4", "code": "x", "detail": "no", "retryable": True}]


def test_lengths_are_counted_in_characters(files: Files) -> None:
    lengths = summary_of(files).lengths
    assert lengths is not None
    assert (lengths.chosen, lengths.rejected) == (5, 4.5)
    assert lengths.difference.mean == 0.5
    assert (lengths.difference.low, lengths.difference.high) == (-1, 2)
    assert (lengths.chosen_longer_share, lengths.length_matched_share) == (0.5, 0)
    assert length_gap([]) is None


def test_the_page_shows_reasons_and_lengths(files: Files) -> None:
    summary = summary_of(files)
    write_page(summary, files.page)
    page = files.page.read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 3
    for shown in (*figures(summary), "no: ceiling", "5.0"):
        assert shown.strip() in page


def test_a_run_without_any_pair_has_a_page_too(files: Files) -> None:
    journal = Journal.open(files.journal, HEADER, resume=False)
    journal.append([(0, "row-1", sampled(without_pair()))])
    summary = sum_up(PROMPTS, journal, Ending.INTERRUPTED, ceiling=None, settings={})
    journal.close()
    assert summary.lengths is None
    write_page(summary, files.page)
    assert files.page.read_text(encoding="utf-8").count("data:image/png;base64,") == 1
    assert "characters, chosen" not in figures(summary)


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("before")
    (tmp_path / ".a.json.part").write_text("of a run that was killed, and longer than what follows")

    def write_half() -> None:
        with whole_file(path) as file:
            file.write("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert path.read_text() == "before"
    with whole_file(path) as file:
        file.write("after")
    assert path.read_text() == "after"
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputUnusable, match="cannot be written"), whole_file(tmp_path / "none" / "a.json"):
        pass


def test_the_output_is_a_jsonl_file_in_a_folder_that_is_made(tmp_path: Path) -> None:
    Files(tmp_path / "deep" / "er" / "pairs.jsonl").prepare()
    assert (tmp_path / "deep" / "er").is_dir()
    with pytest.raises(OutputUnusable, match=r"ends in \.jsonl"):
        Files(tmp_path / "pairs.json").prepare()
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputUnusable, match="cannot be made"):
        Files(tmp_path / "file" / "pairs.jsonl").prepare()


def test_pairs_of_somebody_else_are_not_written_over(files: Files) -> None:
    files.pairs.write_text("{}")
    with pytest.raises(JournalExists):
        files.prepare()
