"""The ``zhufu`` command: quick to answer, and one sentence where something is wrong."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from stamina.instrumentation import get_on_retry_hooks

from shared.queue.keys import QueueKeys
from tests.conftest import StartService
from tests.support.processes import ROOT, RedisServer, free_port
from tests.support.scorers import FAILS_FOR_GOOD
from trainer import cli

PROMPT, COMPLETION = "给外婆的八十岁生日祝福", "外婆，石榴又红了，您的笑比它还甜。"
COMMANDS: tuple[list[str], ...] = (
    [],
    ["train"],
    ["train", "sft"],
    ["train", "rm"],
    ["train", "grpo"],
    ["sample"],
    ["from-agents"],
    ["optimize-judge"],
    ["reproduce"],
    ["score"],
    ["up"],
    ["demo"],
    ["data"],
    ["data", "fetch"],
    ["data", "audit"],
    ["data", "split"],
    ["evaluate", "policy"],
    ["evaluate", "sheets"],
    ["evaluate", "agreement"],
)
WHAT_TO_DO = "[{code}]. Is it running? `zhufu up` starts a stack on this machine; --timeout waits longer"
HEAVY = ("torch", "transformers", "trl", "peft", "datasets", "pyarrow", "fastapi", "matplotlib")


class Ended:
    """How a command ended, and what it printed."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status = status
        self.out = out
        self.err = err

    @property
    def sentence(self) -> str:
        """The one line on stderr."""
        (line,) = self.err.splitlines()
        assert "Traceback" not in line
        return line


class Zhufu:
    """Runs the command within this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Ended:
        self._monkeypatch.setattr(sys, "argv", ["zhufu", *arguments])
        self._monkeypatch.setenv("COLUMNS", "200")
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = self._capsys.readouterr()
        status = ended.value.code
        assert isinstance(status, int)
        return Ended(status, out, err)


@pytest.fixture
def zhufu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Zhufu:
    return Zhufu(monkeypatch, capsys)


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_help_needs_neither_torch_nor_anything_else_heavy() -> None:
    done = run_python(
        f"""
        import sys
        from trainer import cli
        for command in {COMMANDS!r}:
            sys.argv = ["zhufu", *command, "--help"]
            try:
                cli.main()
            except SystemExit as ended:
                assert not ended.code, (command, ended.code)
        loaded = sorted(set({HEAVY!r}) & set(sys.modules))
        assert not loaded, loaded
        """
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Usage:") == len(COMMANDS)


def test_scoring_needs_neither_torch_nor_anything_else_heavy(start_service: StartService) -> None:
    service = start_service()
    service.wait_until()
    done = run_python(
        f"""
        import sys
        from trainer import cli
        sys.argv = ["zhufu", "score", *sys.argv[1:]]
        try:
            cli.main()
        except SystemExit as ended:
            assert not ended.code, ended.code
        loaded = sorted(set({HEAVY!r}) & set(sys.modules))
        assert not loaded, loaded
        """,
        PROMPT,
        COMPLETION,
        "--reward",
        service.url,
    )
    assert done.returncode == 0, done.stderr
    assert f"{len(COMPLETION) / 1000:.4f}" in done.stdout


def test_a_score_is_printed_with_its_version(zhufu: Zhufu, start_service: StartService) -> None:
    service = start_service()
    service.wait_until()
    ended = zhufu("score", PROMPT, COMPLETION, "--reward", service.url)
    assert ended.status == 0
    for part in (f"{len(COMPLETION) / 1000:.4f}", "scored", "length 0.017", "greetings@test-1"):
        assert part in ended.out
    assert ended.err == ""


def test_a_score_comes_through_the_queue_too(
    zhufu: Zhufu, start_service: StartService, redis_server: RedisServer
) -> None:
    service = start_service(redis=redis_server)
    service.wait_until()
    queue = f"{redis_server.url}?reward=greetings"
    ended = zhufu("score", PROMPT, COMPLETION, "--reward", queue, "--reward", service.url, "--json")
    assert ended.status == 0
    scores = [json.loads(line) for line in ended.out.splitlines()]
    assert [score["reward"] for score in scores] == [len(COMPLETION) / 1000] * 2
    assert ended.err == ""


@pytest.mark.parametrize("as_json", [False, True])
def test_a_failed_score_is_shown_as_none_and_ends_with_status_1(
    zhufu: Zhufu, start_service: StartService, as_json: bool
) -> None:
    service = start_service()
    service.wait_until()
    options = ["--json"] if as_json else []
    ended = zhufu("score", PROMPT, COMPLETION + FAILS_FOR_GOOD, "--reward", service.url, *options)
    assert ended.status == 1
    if as_json:
        score = json.loads(ended.out)
        assert (score["status"], score["reward"], score["error"]["code"]) == ("failed", None, "refused")
    else:
        assert "none" in ended.out
        assert "failed" in ended.out
        assert ended.sentence == "error: failed: this one is not scored [refused]"


def test_an_api_key_comes_from_the_environment(
    zhufu: Zhufu, start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = start_service(api_keys="a-long-enough-key")
    service.wait_until()
    refused = zhufu("score", PROMPT, COMPLETION, "--reward", service.url)
    assert (refused.status, "401" in refused.sentence) == (1, True)
    monkeypatch.setenv("ZHUFU_API_KEY", "a-long-enough-key")
    assert zhufu("score", PROMPT, COMPLETION, "--reward", service.url).status == 0


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://127.0.0.1:{port}", "{url}/ could not be used within the time allowed: ConnectError: "),
        (
            "redis://:secret@127.0.0.1:{port}/0?reward=judge",
            "nothing could be queued for judge within the time allowed: Redis does not answer at 127.0.0.1:{port} (",
        ),
    ],
)
def test_a_reward_that_is_not_there_is_told_in_one_sentence_and_nothing_else(zhufu: Zhufu, url: str, says: str) -> None:
    port = free_port()
    url = url.format(port=port)
    ended = zhufu("score", PROMPT, COMPLETION, "--reward", url, "--timeout", "1.5")
    assert ended.status == 1
    assert ended.sentence.startswith("error: " + says.format(url=url, port=port))
    assert ended.sentence.endswith(WHAT_TO_DO.format(code="reward_unavailable"))
    assert "secret" not in ended.sentence
    assert ended.out == "", "neither a table nor a log of the tries"


@pytest.mark.parametrize("as_json", [False, True])
def test_a_queue_that_nobody_scores_says_so_when_the_time_is_up(
    zhufu: Zhufu, redis_server: RedisServer, as_json: bool
) -> None:
    options = ["--json"] if as_json else []
    ended = zhufu(
        "score", PROMPT, COMPLETION, "--reward", f"{redis_server.url}?reward=juge", "--timeout", "1", *options
    )
    with redis_server.client() as admin:
        admin.delete(QueueKeys("juge").rollouts)  # where a rollout waits that nobody will read
    assert ended.status == 1
    assert ended.sentence.startswith("error: expired: no process that scores juge answered in time")
    assert ended.sentence.endswith(WHAT_TO_DO.format(code="deadline_expired"))
    if as_json:
        assert json.loads(ended.out)["status"] == "expired"
    else:
        assert ended.out == ""


def test_what_one_reward_answers_is_shown_though_another_is_not_there(
    zhufu: Zhufu, start_service: StartService
) -> None:
    service = start_service()
    service.wait_until()
    away = f"http://127.0.0.1:{free_port()}"
    ended = zhufu("score", PROMPT, COMPLETION, "--reward", away, "--reward", service.url, "--timeout", "5")
    assert ended.status == 1
    assert f"{len(COMPLETION) / 1000:.4f}" in ended.out
    assert ended.sentence.startswith(f"error: {away}/ could not be used")


def test_tries_are_logged_again_after_a_score(zhufu: Zhufu) -> None:
    before = get_on_retry_hooks()
    zhufu("score", PROMPT, COMPLETION, "--reward", f"http://127.0.0.1:{free_port()}", "--timeout", "0.2")
    assert before
    assert get_on_retry_hooks() == before


def test_an_interrupt_ends_it_with_status_130_and_no_traceback() -> None:
    code = """
    import signal
    from trainer import cli
    signal.signal(signal.SIGINT, signal.default_int_handler)  # who tests in the background may ignore it
    cli.main()
    """
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        command = [sys.executable, "-c", textwrap.dedent(code), "score", PROMPT, COMPLETION, "--reward", url]
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
            connection, _ = silent.accept()
            with connection:
                process.send_signal(signal.SIGINT)
                _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["score", "p", "c", "--reward", "judge"], "error: a reward's URL starts with"),
        (["score", "p", "c", "--reward", "redis://localhost"], "error: a queue's URL names its reward"),
        (
            ["score", "", "c", "--reward", "http://127.0.0.1:9"],
            "error: prompt: String should have at least 1 character",
        ),
        (["score", "p", "\udce7", "--reward", "http://127.0.0.1:9"], "error: completion: "),
        (["data", "fetch", "everything"], "error: everything: only `paper` can be fetched"),
        (["train", "sft", "--output", "{new}", "--data", "{missing}"], "{missing}: there is no such file"),
        (
            ["train", "rm", "--output", "{new}", "--data", "starter:all"],
            "starter:all: the starter set has no such split",
        ),
        (["train", "sft", "--output", "{used}"], "{used} is not empty and holds no run"),
        (["reproduce", "--output", "{new}", "--data", "{missing}"], "{missing} is no folder; `zhufu data fetch paper"),
        (["reproduce", "--output", "{new}", "--data", "{used}", "--dry-run"], "not in {used}: reward_data_train.json"),
        (["train", "rm", "--output", "{new}", "--resume"], "{new} holds no run to resume"),
        (["train", "sft", "--output", "{new}", "--model", "{used}"], "{used}: no model can be loaded from there"),
        (["train", "rm", "--output", "{new}", "--model", "{missing}"], "{missing}: no model can be loaded from there"),
        (
            ["train", "grpo", "--output", "{new}", "--model", "{missing}", "--reward", "judge=http://127.0.0.1:9"],
            "{missing}: no model can be loaded from there",
        ),
        (
            ["train", "grpo", "--output", "{new}", "--model", "tiny", "--reward", "judge=http://127.0.0.1:9"],
            "tiny: an untrained model writes nothing to be rewarded",
        ),
        (
            ["train", "grpo", "--output", "{new}", "--model", "m", "--reward", "http://127.0.0.1:9"],
            "write NAME=URL, such as judge=http://127.0.0.1:8001",
        ),
        (
            ["train", "grpo", "--output", "{new}", "--model", "m", "--reward", "j=http://x", "--weight", "k=1"],
            "--weight k names no --reward",
        ),
    ],
)
def test_a_mistake_is_told_in_one_sentence_and_leaves_nothing(
    zhufu: Zhufu, tmp_path: Path, arguments: list[str], says: str
) -> None:
    used = tmp_path / "used"
    used.mkdir()
    (used / "notes.txt").write_text("mine")
    names = {"new": str(tmp_path / "new"), "used": str(used), "missing": str(tmp_path / "missing")}
    ended = zhufu(*(argument.format(**names) for argument in arguments))
    assert ended.status == 1
    assert says.format(**names) in ended.sentence
    assert sorted(path.name for path in tmp_path.iterdir()) == ["used"]
    assert [path.name for path in used.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "sft", "--output", "{new}", "--preset", "enormous"],
        ["reproduce", "--output", "{new}", "--preset", "enormous"],
        ["train", "sft", "--output", "{new}", "--model", "m", "--vocabulary", "starter"],
        ["train", "grpo", "--output", "{new}", "--model", "m", "--reward", "j=http://x", "--group-size", "1"],
        ["train", "grpo", "--output", "{new}", "--model", "m"],
        ["score", "p", "c"],
        ["dance"],
    ],
)
def test_a_wrong_option_ends_with_status_2(zhufu: Zhufu, tmp_path: Path, arguments: list[str]) -> None:
    ended = zhufu(*(argument.format(new=tmp_path / "new") for argument in arguments))
    assert ended.status == 2
    assert "Traceback" not in ended.err
    assert not (tmp_path / "new").exists()


def test_rich_markup_in_what_a_person_typed_is_shown_and_not_obeyed(zhufu: Zhufu, tmp_path: Path) -> None:
    ended = zhufu("train", "sft", "--output", str(tmp_path / "new"), "--data", str(tmp_path / "[bold]x[/nope]"))
    assert ended.status == 1
    assert "[bold]x[/nope]: there is no such file" in ended.sentence


def test_the_demo_never_writes_over_an_earlier_one(tmp_path: Path) -> None:
    folders = [cli._fresh(tmp_path / "demo") for _ in range(3)]
    assert [folder.name for folder in folders] == ["demo", "demo-2", "demo-3"]
