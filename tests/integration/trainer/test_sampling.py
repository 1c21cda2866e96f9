"""``zhufu sample`` against a real service: what it asks, what it writes, and how it stops and goes on."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.integration.trainer.commands import Ended, Zhufu, wait_while_it_runs
from tests.integration.trainer.sample_service import (
    BROKEN_SAMPLE,
    FAILS,
    FAILS_FOR_GOOD,
    FAILURE_TOKENS,
    NO_SAMPLE,
    TOO_LONG,
    UNPRICED,
    VERSION,
    no_pair_of,
    sample_of,
    sampling,
    texts_of,
)
from tests.integration.trainer.sampling_command import Results, results_in, sample_process, write_prompts
from tests.support.processes import RedisServer, Service, free_port
from trainer.data.formats import load_pairs
from trainer.sampling.journal import Journal

PROMPTS = [f"给第{number}位亲友的生日祝福" for number in range(24)]
TOKENS = 100


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "asked.log"


@pytest.fixture(scope="module")
def module_service(tmp_path_factory: pytest.TempPathFactory, log: Path) -> Iterator[Service]:
    with sampling(tmp_path_factory.mktemp("service"), tokens=TOKENS, seconds=0.02, log=log) as service:
        yield service


@pytest.fixture
def service(module_service: Service, log: Path) -> Service:
    """Asked by HTTP only; its log begins with the test."""
    log.write_bytes(b"")
    return module_service


class Sample:
    """Runs ``zhufu sample`` here, by default with `PROMPTS` and into one folder."""

    def __init__(self, zhufu: Zhufu, folder: Path) -> None:
        self._zhufu = zhufu
        self._folder = folder
        self.results = results_in(folder / "out")
        self.prompts = write_prompts(folder / "prompts.jsonl", PROMPTS)

    def __call__(self, url: str, *options: object, prompts: Path | None = None, into: str = "out") -> Ended:
        return self._zhufu(*self.arguments(url, *options, prompts=prompts, into=into))

    def arguments(self, url: str, *options: object, prompts: Path | None = None, into: str = "out") -> list[object]:
        output = self._folder / into / "pairs.jsonl"
        return ["sample", "--prompts", prompts or self.prompts, "--output", output, "--url", url, *options]

    def undisturbed(self, url: str, *options: object) -> Results:
        """The files of a run that is left alone."""
        assert self(url, *options, into="undisturbed").status == 0
        return results_in(self._folder / "undisturbed")


@pytest.fixture
def sample(zhufu: Zhufu, tmp_path: Path) -> Sample:
    return Sample(zhufu, tmp_path)


def sentence(ended: Ended) -> str:
    """The last line on stderr."""
    assert "Traceback" not in ended.err
    return ended.err.splitlines()[-1]


def asked(log: Path) -> list[str]:
    """The ids of the prompts that the service was asked for, in the order in which it began them."""
    return [line.split()[1] for line in log.read_text().splitlines() if line.startswith("BEGIN")]


def most_at_once(log: Path) -> int:
    return max(int(line.split()[2]) for line in log.read_text().splitlines())


def assert_same(results: Results, other: Results) -> None:
    assert results.files.pairs.read_bytes() == other.files.pairs.read_bytes()
    assert results.files.samples.read_bytes() == other.files.samples.read_bytes()


def ids(rows: Sequence[int]) -> list[str]:
    return [f"row-{row}" for row in rows]


# What comes out


def test_every_prompt_gives_its_pair_or_a_reason_in_the_order_of_the_prompts(sample: Sample, service: Service) -> None:
    ended = sample(service.url, "--candidates", 3)
    assert ended.status == 0, ended.err
    results = sample.results
    with_pair = [(row, prompt) for row, prompt in enumerate(PROMPTS, start=1) if no_pair_of(prompt) is None]
    assert [(row["id"], row["prompt"]) for row in results.pairs] == [
        (f"row-{row}", prompt) for row, prompt in with_pair
    ]
    for row in results.pairs:
        assert [row["chosen"], row["rejected"]] == texts_of(row["prompt"], 3)[:2]
        assert set(row) == {"prompt", "chosen", "rejected", "id", "margin", "length_matched"}
    options = {"candidates": 3, "pair_by": "verdict", "seed": 0}
    assert results.samples == [
        {"id": f"row-{row}", "sample": sample_of(prompt, options)} for row, prompt in enumerate(PROMPTS, start=1)
    ]
    assert results.names == {
        "pairs.jsonl", "pairs.samples.jsonl", "pairs.summary.json", "pairs.html", "pairs.journal"
    }  # fmt: skip


def test_the_pairs_are_what_the_reward_model_trains_on(sample: Sample, service: Service) -> None:
    sample(service.url)
    loaded = load_pairs(sample.results.files.pairs)
    assert not loaded.skipped
    assert [(pair.prompt, pair.chosen, pair.rejected) for pair in loaded.records] == [
        (row["prompt"], row["chosen"], row["rejected"]) for row in sample.results.pairs
    ]


def test_the_summary_adds_up(sample: Sample, service: Service) -> None:
    ended = sample(service.url)
    summary, rows = sample.results.summary, sample.results.pairs
    reasons = [reason for prompt in PROMPTS if (reason := no_pair_of(prompt)) is not None]
    assert summary["complete"]
    assert summary["no_pair"] == {reason: reasons.count(reason) for reason in summary["no_pair"]}
    assert (summary["pairs"], summary["without_pair"]) == (len(rows), len(reasons))
    assert summary["prompts"] == len(PROMPTS) == summary["pairs"] + summary["without_pair"]
    assert summary["tokens"] == {
        "prompt": 75 * len(PROMPTS), "completion": 25 * len(PROMPTS), "total": 100 * len(PROMPTS),
        "ceiling": None, "unpriced": 0,
    }  # fmt: skip
    gaps = [len(row["chosen"]) - len(row["rejected"]) for row in rows]
    lengths = summary["lengths"]
    assert lengths["difference"]["mean"] == pytest.approx(sum(gaps) / len(gaps))
    assert lengths["chosen"] - lengths["rejected"] == pytest.approx(sum(gaps) / len(gaps))
    assert lengths["difference"]["low"] <= lengths["difference"]["mean"] <= lengths["difference"]["high"]
    assert lengths["chosen_longer_share"] == pytest.approx(sum(gap > 0 for gap in gaps) / len(gaps))
    assert lengths["length_matched_share"] == pytest.approx(sum(row["length_matched"] for row in rows) / len(rows))
    assert summary["versions"] == {VERSION: len(PROMPTS)}
    assert summary["seconds"] > 0
    for shown in ("tokens paid", "2,400 (1,800 + 600)", "chosen minus rejected", *summary["no_pair"]):
        assert shown in ended.out
        assert shown in sample.results.files.page.read_text(encoding="utf-8")


def test_the_queue_gives_the_same_files_as_http(
    sample: Sample, service: Service, redis_server: RedisServer, tmp_path: Path
) -> None:
    by_http = sample.undisturbed(service.url)
    with sampling(tmp_path, redis=redis_server, tokens=TOKENS, seconds=0.05):
        ended = sample(f"{redis_server.url}?reward=multi_agent")
    assert ended.status == 0, ended.err
    assert_same(sample.results, by_http)


def test_no_more_prompts_are_under_way_than_asked_for(sample: Sample, service: Service, log: Path) -> None:
    assert sample(service.url, "--concurrency", 3).status == 0
    assert most_at_once(log) == 3
    assert sorted(asked(log)) == sorted(ids(range(1, 25)))


def test_by_http_no_prompt_waits_for_a_connection(sample: Sample, service: Service, log: Path) -> None:
    ended = sample(service.url, "--concurrency", 16)
    assert "by HTTP 8 prompts are asked at once" in ended.err
    assert most_at_once(log) <= 8


# Faulty rows, prompts and services


def test_faulty_rows_are_left_out_and_named_and_the_others_are_asked(
    sample: Sample, service: Service, tmp_path: Path
) -> None:
    rows = [
        b'{"prompt": "\xe7\xbb\x99\xe7\x88\xb8\xe7\x88\xb8"}',
        b"not json",
        b'{"question": "?"}',
        b'{"prompt": "  "}',
        b'{"prompt": "\xff"}',
        b'{"prompt": "\xe7\xbb\x99\xe5\xa6\x88\xe5\xa6\x88"}',
        b'{"prompt": "\xe7\xbb\x99\xe7\x88\xb8\xe7\x88\xb8"}',
    ]
    path = tmp_path / "faulty.jsonl"
    path.write_bytes(b"\n".join(rows) + b"\n")
    ended = sample(service.url, prompts=path)
    assert ended.status == 0, ended.err
    summary = sample.results.summary
    assert [row["row"] for row in summary["skipped_rows"]] == [2, 3, 4, 5]
    assert summary["repeated_rows"] == [{"row": 7, "reason": "asks what row 1 asks"}]
    assert [row["id"] for row in sample.results.samples] == ["row-1", "row-6"]
    assert "2 of 7 rows" in ended.err


def test_failing_prompts_are_counted_by_code_and_the_rest_goes_on(sample: Sample, service: Service) -> None:
    prompts = [*PROMPTS[:4], PROMPTS[4] + FAILS, PROMPTS[5] + FAILS_FOR_GOOD, PROMPTS[6] + TOO_LONG, *PROMPTS[7:]]
    write_prompts(sample.prompts, prompts)
    ended = sample(service.url)
    assert ended.status == 0
    summary = sample.results.summary
    assert summary["failures"] == {"generator_llm_refused": 1, "judge_llm_timeout": 1, "text_too_long": 1}
    assert [(failed["id"], failed["retryable"]) for failed in summary["failed_prompts"]] == [
        ("row-5", True), ("row-6", False), ("row-7", False)
    ]  # fmt: skip
    assert summary["complete"]
    assert summary["prompts"] == summary["pairs"] + summary["without_pair"] + summary["failed"]
    assert summary["tokens"]["total"] == 21 * TOKENS + 2 * FAILURE_TOKENS
    assert [row["id"] for row in sample.results.samples] == ids([1, 2, 3, 4, *range(8, 25)])
    assert sentence(ended) == "1 prompts failed for reasons that may pass: --resume asks them again"


def test_resume_asks_again_only_what_failed_for_reasons_that_may_pass(
    sample: Sample, service: Service, log: Path
) -> None:
    write_prompts(sample.prompts, [PROMPTS[0], PROMPTS[1] + FAILS, PROMPTS[2] + FAILS_FOR_GOOD])
    sample(service.url)
    before = results_in(sample.results.files.pairs.parent)
    pairs = before.files.pairs.read_bytes()
    log.write_bytes(b"")
    assert sample(service.url, "--resume", "--no-retry-failed").status == 0
    assert asked(log) == []
    assert sample(service.url, "--resume").status == 0
    assert asked(log) == ["row-2"]
    assert sample.results.files.pairs.read_bytes() == pairs
    assert sample.results.summary["tokens"]["total"] == TOKENS + 3 * FAILURE_TOKENS, "both tries were paid"
    assert [line["index"] for line in sample.results.ended].count(1) == 2


def test_what_the_queue_gave_up_is_asked_again_unless_it_is_the_prompts_own_fault(
    sample: Sample, redis_server: RedisServer, tmp_path: Path
) -> None:
    write_prompts(sample.prompts, [PROMPTS[0], PROMPTS[1] + FAILS, PROMPTS[2] + TOO_LONG])
    log = tmp_path / "asked.log"
    url = f"{redis_server.url}?reward=multi_agent"
    with sampling(tmp_path, redis=redis_server, log=log):
        assert sample(url).status == 0
        log.write_bytes(b"")
        assert sample(url, "--resume").status == 0
    assert set(asked(log)) == {"row-2"}
    assert sample.results.summary["failures"] == {"judge_llm_timeout": 1, "text_too_long": 1}


def test_a_run_of_failures_only_is_an_error(sample: Sample, service: Service) -> None:
    write_prompts(sample.prompts, [PROMPTS[0] + FAILS, PROMPTS[1] + FAILS_FOR_GOOD])
    ended = sample(service.url)
    assert ended.status == 1
    assert sentence(ended) == "error: no prompt gave a sample: generator_llm_refused 1, judge_llm_timeout 1"


def test_a_service_that_is_away_stops_the_run_and_resume_goes_on_when_it_is_back(
    sample: Sample, service: Service, tmp_path: Path
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    options = ["--timeout", 0.3, "--max-failures-in-a-row", 4, "--concurrency", 2]
    ended = sample(url, *options)
    assert ended.status == 1
    assert re.fullmatch(
        r"error: stopped, too many prompts in a row failed \(reward_unavailable [45]\): "
        r"[45] of 24 prompts are done and saved; --resume goes on",
        sentence(ended),
    )
    assert not sample.results.summary["complete"]
    assert sample.results.summary["ending"] == "failures"
    with sampling(tmp_path, port=port, tokens=TOKENS):
        assert sample(url, "--resume").status == 0
    assert_same(sample.results, sample.undisturbed(service.url))


def test_a_service_without_its_language_model_stops_the_run_through_the_queue_too(
    sample: Sample, service: Service, redis_server: RedisServer, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.touch()
    url = f"{redis_server.url}?reward=multi_agent"
    with sampling(tmp_path, redis=redis_server, tokens=TOKENS, broken=broken):
        ended = sample(url, "--max-failures-in-a-row", 3, "--concurrency", 2)
        assert ended.status == 1
        assert "judge_llm_unreachable" in sentence(ended)
        assert 3 <= len(sample.results.ended) <= 4
        broken.unlink()
        assert sample(url, "--resume").status == 0
    assert_same(sample.results, sample.undisturbed(service.url))


def test_failures_in_a_row_are_counted_anew_after_a_success(sample: Sample, service: Service) -> None:
    prompts = [prompt + (FAILS if number % 2 else "") for number, prompt in enumerate(PROMPTS)]
    write_prompts(sample.prompts, prompts)
    ended = sample(service.url, "--max-failures-in-a-row", 2, "--concurrency", 1)
    assert ended.status == 0
    assert sample.results.summary["failed"] == len(PROMPTS) // 2


@pytest.mark.parametrize("through_queue", [False, True])
def test_options_that_the_service_refuses_end_the_run_and_leave_nothing_behind(
    sample: Sample, service: Service, redis_server: RedisServer, tmp_path: Path, through_queue: bool
) -> None:
    with sampling(tmp_path, redis=redis_server) as queued:
        url = f"{redis_server.url}?reward=multi_agent" if through_queue else queued.url
        ended = sample(url, "--seed", 13)
        assert ended.status == 1
        assert "seed: 13 is not served here" in sentence(ended)
        assert sample.results.names == set()
        assert sample(url, "--seed", 14).status == 0, "no journal of the refused run is in the way"


def test_a_wrong_key_ends_the_run(sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with sampling(tmp_path, api_key="a-long-enough-key") as service:
        ended = sample(service.url)
        assert (ended.status, "401" in sentence(ended)) == (1, True)
        assert sample(service.url, "--api-key", "a-long-enough-key").status == 0
        assert "a-long-enough-key" not in "".join(
            path.read_text(encoding="utf-8") for path in sample.results.files.pairs.parent.iterdir()
        )


@pytest.mark.parametrize(
    ("marker", "says"),
    [
        (NO_SAMPLE, "gave a score without a sample: is it the multi-agent service?"),
        (BROKEN_SAMPLE, "gave a sample that cannot be read: Value error, a sample has a pair or the reason for none"),
    ],
)
def test_an_answer_that_is_no_sample_ends_the_run_with_all_work_saved(
    sample: Sample, service: Service, marker: str, says: str
) -> None:
    write_prompts(sample.prompts, [*PROMPTS[:5], PROMPTS[5] + marker, *PROMPTS[6:]])
    ended = sample(service.url, "--concurrency", 1)
    assert ended.status == 1
    assert sentence(ended) == f"error: {VERSION} {says}"
    assert [row["id"] for row in sample.results.samples] == ids(range(1, 6))
    assert (sample.results.summary["ending"], sample.results.summary["open"]) == ("error", 18)
    assert sample.results.summary["tokens"]["total"] == 6 * TOKENS, "that answer was paid, too"
    write_prompts(sample.prompts, PROMPTS)
    assert "its prompts are not these" in sentence(sample(service.url, "--resume"))


def test_another_reward_than_the_agents_is_refused(sample: Sample, tmp_path: Path) -> None:
    from tests.integration.trainer.scripted_reward import serving

    with serving(tmp_path) as judge:
        ended = sample(judge.url)
    assert ended.status == 1
    assert "there are no options" in sentence(ended)


# The ceiling


def test_the_ceiling_on_tokens_is_kept_and_a_higher_one_goes_on(sample: Sample, service: Service, log: Path) -> None:
    ended = sample(service.url, "--max-tokens", 1050)
    assert ended.status == 3
    assert sentence(ended) == (
        "the ceiling on tokens is reached: 10 of 24 prompts are done and saved; "
        "--resume with a higher --max-tokens goes on"
    )
    assert log.read_text().splitlines()[:2] == ["BEGIN row-1 1", "END row-1 0"], "the first tells what one costs"
    assert sample.results.summary["tokens"]["total"] == 1000
    assert (sample.results.summary["complete"], sample.results.summary["ending"]) == (False, "ceiling")
    assert len(sample.results.samples) == 10
    assert sample(service.url, "--max-tokens", 1050, "--resume").status == 3
    assert len(asked(log)) == 10, "nothing was asked for beyond the ceiling"
    assert sample(service.url, "--max-tokens", 2400, "--resume").status == 0
    assert sample.results.summary["tokens"]["total"] == 2400
    assert_same(sample.results, sample.undisturbed(service.url))


def test_a_ceiling_needs_answers_that_say_what_they_cost(sample: Sample, service: Service) -> None:
    write_prompts(sample.prompts, [PROMPTS[0] + UNPRICED, *PROMPTS[1:]])
    ended = sample(service.url, "--max-tokens", 5000)
    assert ended.status == 1
    assert "does not say what a sample cost" in sentence(ended)
    assert sample(service.url, "--resume").status == 0, "without a ceiling it is no matter"
    assert sample.results.summary["tokens"]["unpriced"] == 1


# Stopping and going on


def test_results_are_not_written_over_without_resume(sample: Sample, service: Service) -> None:
    sample(service.url)
    before = sample.results.files.pairs.read_bytes()
    ended = sample(service.url)
    assert ended.status == 1
    assert sentence(ended).endswith("holds 24 prompts of a run: give --resume, or another --output")
    sample.results.files.journal.unlink()
    assert "is there already, and no journal beside it" in sentence(sample(service.url))
    assert sample.results.files.pairs.read_bytes() == before


def test_a_complete_run_may_be_resumed_and_asks_nothing(sample: Sample, service: Service, log: Path) -> None:
    sample(service.url)
    before = sample.results.files.samples.read_bytes()
    log.write_bytes(b"")
    assert sample(service.url, "--resume").status == 0
    assert asked(log) == []
    assert sample.results.files.samples.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--candidates", 8], "candidates was 4 and is 8"),
        (["--seed", 1], "seed was 0 and is 1"),
        (["--without", "reflect"], 'without was not given and is ["reflect"]'),
        (["--limit", 5], "its prompts are not these"),
    ],
)
def test_a_run_is_not_resumed_with_other_settings(
    sample: Sample, service: Service, options: list[object], says: str
) -> None:
    sample(service.url, "--max-tokens", 300)
    journal = sample.results.files.journal.read_bytes()
    ended = sample(service.url, "--resume", *options)
    assert ended.status == 1
    assert sentence(ended) == f"error: {sample.results.files.journal} is of another run: {says}"
    assert sample.results.files.journal.read_bytes() == journal


def test_there_is_nothing_to_resume_where_nothing_was_begun(sample: Sample, service: Service) -> None:
    assert sentence(sample(service.url, "--resume")).endswith("is not there: nothing to resume")


def test_two_runs_do_not_write_to_one_journal(sample: Sample, service: Service) -> None:
    sample(service.url, "--max-tokens", 300)
    header = sample.results.journal[0]
    journal = Journal.open(sample.results.files.journal, header, resume=True)
    try:
        assert sentence(sample(service.url, "--resume")).endswith("is being written by another process")
    finally:
        journal.close()
    assert sample(service.url, "--resume").status == 0


def test_ctrl_c_waits_for_what_is_under_way_and_saves_it(
    sample: Sample, service: Service, redis_server: RedisServer, tmp_path: Path
) -> None:
    url = f"{redis_server.url}?reward=multi_agent"
    with sampling(tmp_path, redis=redis_server, tokens=TOKENS, seconds=1):
        process = sample_process(tmp_path / "sample.out", *sample.arguments(url, "--concurrency", 4)[1:])
        assert wait_while_it_runs(process, lambda: len(sample.results.ended) >= 3), process.printed()
        process.send(signal.SIGINT)
        assert process.wait() == 130, process.printed()
    assert "Traceback" not in process.printed()
    assert re.search(r"stopping: \d prompts are under way and waited for", process.printed())
    summary = sample.results.summary
    assert (summary["complete"], summary["ending"]) == (False, "interrupted")
    done = len(sample.results.ended)
    assert 3 <= done < len(PROMPTS)
    assert len(sample.results.samples) == done
    assert sample(service.url, "--resume").status == 0
    assert_same(sample.results, sample.undisturbed(service.url))


def test_ctrl_c_twice_does_not_wait(sample: Sample, service: Service, tmp_path: Path) -> None:
    with sampling(tmp_path, seconds=600, log=tmp_path / "asked.log") as slow:
        process = sample_process(tmp_path / "sample.out", *sample.arguments(slow.url, "--concurrency", 2)[1:])
        assert wait_while_it_runs(process, lambda: (tmp_path / "asked.log").exists()), process.printed()
        process.send(signal.SIGINT)
        assert wait_while_it_runs(process, lambda: "stopping" in process.printed()), process.printed()
        process.send(signal.SIGINT)
        assert process.wait() == 130, process.printed()
    assert sample.results.names == set(), "nothing was done, so nothing is in the way of the next run"


def test_the_journal_says_what_was_asked_and_holds_no_secret(sample: Sample, redis_server: RedisServer) -> None:
    url = redis_server.url.replace("redis://", "redis://someone:secret@") + "?reward=multi_agent"
    sample(url, "--timeout", 0.5, "--max-failures-in-a-row", 1, "--concurrency", 1)
    for path in sample.results.files.pairs.parent.iterdir():
        assert "secret" not in path.read_text(encoding="utf-8")


def test_each_line_of_the_journal_is_json_by_itself(sample: Sample, service: Service) -> None:
    sample(service.url)
    header, begun, *ended = sample.results.journal
    assert header["options"]["candidates"] == 4
    assert "begun" in begun
    assert sorted(line["index"] for line in ended) == list(range(24))
    assert json.dumps(ended[0]["outcome"]["sample"], ensure_ascii=False)
