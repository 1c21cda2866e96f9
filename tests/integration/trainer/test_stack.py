"""The stack as a whole: real processes, a real Redis, and nothing left behind, however it ends."""

from __future__ import annotations

import io
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
import redis
from rich.console import Console

from shared.client import RewardClient
from shared.schemas import ScoreResponse
from tests.support.checkpoints import random_checkpoint
from tests.support.greetings import COMPLETIONS, PROMPTS, rollouts
from tests.support.llm_server import LlmServer
from tests.support.ports import free_base_port, taken_ports
from tests.support.processes import Process, RedisServer, free_port
from trainer.ports import is_free
from trainer.stack import PortUnavailable, RedisUnusable, ServiceDied, ServiceSpec, Stack, StartFailed
from trainer.stack.summary import curl_example

LIGHT = ServiceSpec(name="greetings", module="tests.support.scorer_process", port_offset=2)
"""A service that is ready within a second or two, for all that is not about the reward model."""
STUBBORN = ServiceSpec(name="stubborn", module="tests.integration.trainer.stubborn", port_offset=3)
GENEROUS_SECONDS = 60.0


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reward model that has learnt nothing, one label and one layer, in its own folder."""
    return random_checkpoint(tmp_path_factory.mktemp("checkpoints") / "tiny", texts=PROMPTS + COMPLETIONS)


@pytest.fixture(autouse=True)
def _no_redis_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZHUFU_REDIS_URL", raising=False)


@pytest.fixture
def base_port() -> int:
    return free_base_port()


@pytest.fixture
def nothing_left(base_port: int) -> Iterator[None]:
    """Fails the test where a process or a listener outlives it."""
    before = set(children())
    yield
    left = [process for process in children() if process not in before]
    assert not left
    assert taken_ports(base_port) == []


@pytest.fixture(scope="module")
def stack(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack with the real services, for all tests that only ask it something."""
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("ZHUFU_REDIS_URL", raising=False)
        # What the user has set for services that run elsewhere does not move those of the stack.
        environment.setenv("ZHUFU_PORT", "1")
        environment.setenv("ZHUFU_REWARD_MODEL_PORT", "1")
        environment.setenv("ZHUFU_REWARD_MODEL_NAME", "another")
        environment.setenv("ZHUFU_REWARD_MODEL_THREADS", "1")
        log_dir = tmp_path_factory.mktemp("stack") / "logs"
        with Stack(reward_checkpoint=str(tiny_checkpoint), base_port=free_base_port(), log_dir=log_dir) as running:
            yield running


def children(process: psutil.Process | None = None) -> list[psutil.Process]:
    return list((process or psutil.Process()).children(recursive=True))


def wait_for_processes(process: Process) -> list[psutil.Process]:
    """Redis, the service, and a leash for each."""
    until(lambda: len(children(psutil.Process(process.id))) == 4, "both processes and their leashes run", process)
    return children(psutil.Process(process.id))


def still_running(processes: list[psutil.Process], within_seconds: float = 0) -> list[psutil.Process]:
    """Those that have not ended within the time."""
    deadline = time.monotonic() + within_seconds
    while True:
        left = [process for process in processes if not has_ended(process)]
        if not left or time.monotonic() >= deadline:
            return left
        time.sleep(0.05)


def has_ended(process: psutil.Process) -> bool:
    """One that nobody has reaped yet has ended, too."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def running_as(part: str, process: psutil.Process | None = None) -> psutil.Process:
    """The process on a leash whose command contains a word; processes of other tests' fixtures have no leash."""
    found = [
        child
        for leash in children(process)
        if any(word.endswith("leash.py") for word in leash.cmdline())
        for child in leash.children()
        if any(part in word for word in child.cmdline())
    ]
    assert len(found) == 1, found
    return found[0]


def until(condition: Callable[[], bool], what: str, process: Process) -> None:
    """Wait for something that a process does; fail when it ends first."""
    deadline = time.monotonic() + GENEROUS_SECONDS
    while not condition():
        assert process.running, f"it ended before {what}:\n{process.printed()}"
        assert time.monotonic() < deadline, f"not within {GENEROUS_SECONDS:g} s: {what}:\n{process.printed()}"
        time.sleep(0.05)


async def test_a_stack_scores_alike_through_both_doors(stack: Stack) -> None:
    asked = rollouts(20)
    async with (
        RewardClient.from_url(stack.urls["reward_model"], timeout_seconds=60) as http,
        RewardClient.from_url(stack.queue_url("reward_model"), timeout_seconds=60) as queue,
    ):
        answers = [await http.score(asked), await queue.score(asked)]
    for scores in answers:
        assert [score.id for score in scores] == [rollout.id for rollout in asked]
        assert {score.status for score in scores} == {"scored"}
    assert [score.reward for score in answers[0]] == pytest.approx([score.reward for score in answers[1]], abs=1e-5)


def test_urls_name_every_part(stack: Stack) -> None:
    port = int(stack.urls["redis"].removesuffix("/0").rpartition(":")[2])
    assert stack.urls == {"redis": f"redis://127.0.0.1:{port}/0", "reward_model": f"http://127.0.0.1:{port + 2}"}
    assert stack.queue_url("reward_model") == f"redis://127.0.0.1:{port}/0?reward=reward_model"


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
def test_the_curl_line_that_is_printed_answers(stack: Stack) -> None:
    command = curl_example(stack.urls["reward_model"])
    done = subprocess.run(["sh", "-c", command], capture_output=True, timeout=GENEROUS_SECONDS, check=True)
    assert ScoreResponse.model_validate_json(done.stdout).scores[0].status == "scored"


def test_each_process_logs_json_into_a_file_of_its_own(stack: Stack) -> None:
    assert stack.log_dir is not None
    lines = (stack.log_dir / "reward_model.log").read_text(encoding="utf-8").splitlines()
    events = {json.loads(line)["event"] for line in lines}
    assert "ready" in events
    assert "Ready to accept connections" in (stack.log_dir / "redis.log").read_text(encoding="utf-8")


def test_the_redis_of_a_stack_is_for_this_machine_alone_and_writes_everything_down(stack: Stack) -> None:
    with redis.Redis.from_url(stack.urls["redis"], socket_timeout=10, decode_responses=True) as client:
        settings = client.config_get("*")
    assert (settings["bind"], settings["protected-mode"], settings["appendonly"]) == ("127.0.0.1", "yes", "yes")


@pytest.mark.usefixtures("nothing_left")
def test_a_stack_can_be_started_from_anywhere_and_leaves_nothing(
    tiny_checkpoint: Path, base_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "services").mkdir()  # the user's own, not ours
    (tmp_path / "services" / "__init__.py").write_text("raise RuntimeError('the wrong package')\n")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reward").symlink_to(tiny_checkpoint)
    shown = io.StringIO()
    before = set(children())
    with Stack(reward_checkpoint="reward", base_port=base_port, console=Console(file=shown, width=80)) as stack:
        stack.print_summary()
        assert httpx.get(f"{stack.urls['reward_model']}/readyz", trust_env=False).status_code == 200
        stack.check()
        assert len(set(children()) - before) == 4  # two processes, each on its leash
    assert list((tmp_path / "temporary").iterdir()) == []
    for expected in (
        "redis is ready",
        "reward_model is ready",
        stack.urls["redis"],
        stack.queue_url("reward_model"),
        curl_example(stack.urls["reward_model"]),
        "for trying things out",
    ):
        assert expected in shown.getvalue()


def test_the_page_of_each_service_can_ask_all_others(base_port: int, tmp_path: Path, llm: LlmServer) -> None:
    settings = {"LLM_URL": llm.url, "LLM_MODEL": "test-model", "CALIBRATE": "false"}
    judge = ServiceSpec(name="judge", module="services.judge.app", port_offset=1, settings=settings)
    with Stack(reward_checkpoint="none", base_port=base_port, log_dir=tmp_path, services=[judge, LIGHT]) as stack:
        for own, other in (("judge", "greetings"), ("greetings", "judge")):
            config = httpx.get(f"{stack.urls[own]}/playground/config", trust_env=False).json()
            assert [reward["name"] for reward in config["rewards"]] == [own, other]
            path = f"/{config['rewards'][1]['path']}v1/reward"
            told = httpx.get(stack.urls[own] + path, timeout=60, trust_env=False)
            assert told.json()["name"] == other


@pytest.mark.usefixtures("nothing_left")
def test_a_missing_checkpoint_is_told_by_the_end_of_the_services_log(base_port: int, tmp_path: Path) -> None:
    missing = tmp_path / "no-such-checkpoint"
    with pytest.raises(StartFailed) as told, Stack(reward_checkpoint=str(missing), base_port=base_port):
        pytest.fail("it is up")
    log = next(line for line in told.value.detail.splitlines() if line.endswith("reward_model.log:"))
    assert "reward_model ended before it was ready: status 1" in told.value.detail
    assert f"{missing}: there is no such folder" in told.value.detail
    path = Path(log.rpartition("the end of ")[2].removesuffix(":"))
    assert path.is_file()  # what the error names can be read
    assert [each.name for each in path.parents[1].iterdir()] == ["logs"]
    shutil.rmtree(path.parents[1])


@pytest.mark.usefixtures("nothing_left")
def test_a_service_that_is_never_ready_and_never_ends_is_given_up_and_killed(base_port: int, tmp_path: Path) -> None:
    stack = Stack(
        reward_checkpoint="none",
        base_port=base_port,
        log_dir=tmp_path,
        services=[STUBBORN],
        start_timeout_seconds=3,
        stop_timeout_seconds=0.5,
    )
    with pytest.raises(StartFailed, match=r"not ready within 3 s \(no answer: ConnectError\)[^$]*never ready"), stack:
        pytest.fail("it is up")


@pytest.mark.parametrize("offset", [0, 2])
def test_a_port_in_use_is_told_before_anything_starts(base_port: int, tmp_path: Path, offset: int) -> None:
    before = children()
    with socket.create_server(("127.0.0.1", base_port + offset)):
        stack = Stack(reward_checkpoint="none", base_port=base_port, log_dir=tmp_path / "logs")
        with pytest.raises(PortUnavailable, match=f"port {base_port + offset} "), stack:
            pytest.fail("it is up")
    assert children() == before
    assert not (tmp_path / "logs").exists()


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("name", ["redis", "greetings"])
def test_a_process_that_dies_ends_the_stack_with_an_error(base_port: int, tmp_path: Path, name: str) -> None:
    part = {"redis": f":{base_port}", "greetings": LIGHT.module}[name]
    with Stack(reward_checkpoint="none", base_port=base_port, log_dir=tmp_path, services=[LIGHT]) as stack:
        stack.check()
        running_as(part).kill()
        with pytest.raises(ServiceDied, match=f"{name} ended by itself: signal SIGKILL"):
            stack.run_until_interrupted()


@pytest.mark.usefixtures("nothing_left")
def test_an_outage_can_be_made_and_ended(base_port: int, tmp_path: Path) -> None:
    with Stack(reward_checkpoint="none", base_port=base_port, log_dir=tmp_path, services=[LIGHT]) as stack:
        ready = f"{stack.urls['greetings']}/readyz"
        with redis.Redis.from_url(stack.urls["redis"], socket_timeout=10) as client:
            client.set("贺词", "岁岁平安")
        stack.kill("redis")
        assert not taken_ports(base_port) or taken_ports(base_port) == [base_port + LIGHT.port_offset]
        assert httpx.get(ready, timeout=GENEROUS_SECONDS, trust_env=False).status_code == 503
        stack.check()  # what was killed on purpose is no death
        stack.restart("redis")
        with redis.Redis.from_url(stack.urls["redis"], socket_timeout=10) as client:
            assert client.get("贺词") == "岁岁平安".encode()
        stack.kill("greetings")
        with pytest.raises(httpx.ConnectError):
            httpx.get(ready, trust_env=False)
        stack.restart("greetings")
        stack.restart("greetings")  # one that runs is drained first
        assert httpx.get(ready, timeout=GENEROUS_SECONDS, trust_env=False).status_code == 200
        stack.check()
    assert '"drained"' in (tmp_path / "greetings.log").read_text(encoding="utf-8")


@pytest.mark.usefixtures("nothing_left")
def test_a_data_folder_keeps_the_queue_from_one_stack_to_the_next(base_port: int, tmp_path: Path) -> None:
    for expected in (None, b"1"):
        with Stack(
            reward_checkpoint="none", base_port=base_port, data_dir=tmp_path / "new" / "data", services=[]
        ) as stack:
            client = redis.Redis.from_url(stack.urls["redis"], socket_timeout=10)
            assert client.get("年") == expected
            client.set("年", 1)
            client.close()


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("way", ["argument", "environment"])
async def test_a_redis_that_is_given_is_used_and_none_is_started(
    redis_server: RedisServer, base_port: int, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "environment":
        monkeypatch.setenv("ZHUFU_REDIS_URL", redis_server.url)
    given = redis_server.url if way == "argument" else None
    with Stack(reward_checkpoint="none", base_port=base_port, redis_url=given, services=[LIGHT]) as stack:
        assert stack.urls["redis"] == redis_server.url
        assert is_free(base_port)
        async with RewardClient.from_url(stack.queue_url("greetings"), timeout_seconds=60) as client:
            scores = await client.score(rollouts(5))
        assert {score.status for score in scores} == {"scored"}
    with redis_server.client() as client_of_redis:
        assert client_of_redis.ping()


def test_a_redis_that_is_given_and_does_not_answer_is_told_without_its_password(base_port: int) -> None:
    url = f"redis://:geheim-wort@127.0.0.1:{free_port()}/0"
    stack = Stack(reward_checkpoint="none", base_port=base_port, redis_url=url, services=[LIGHT])
    with pytest.raises(RedisUnusable, match="cannot be used") as told, stack:
        pytest.fail("it is up")
    assert "geheim-wort" not in told.value.detail


@pytest.fixture
def run_stack(base_port: int, tmp_path: Path) -> Iterator[Callable[[str], Process]]:
    """Starts a process that runs a stack with one service module; ended with the test."""
    started: list[Process] = []

    def run(module: str) -> Process:
        command = ["-m", "tests.integration.trainer.stack_process", "--base-port", str(base_port), "--module", module]
        started.append(Process([sys.executable, *command], tmp_path / "stack.log", {"TMPDIR": str(tmp_path)}))
        return started[-1]

    yield run
    for process in started:
        process.end()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_running_stack_in_order(
    run_stack: Callable[[str], Process], base_port: int, number: signal.Signals
) -> None:
    process = run_stack(LIGHT.module)
    until(lambda: "up" in process.printed().splitlines(), "the stack is up", process)
    held = children(psutil.Process(process.id))
    process.send(number)
    assert process.wait() == 0, process.printed()
    assert still_running(held) == []
    assert taken_ports(base_port) == []


def test_ctrl_c_while_it_starts_ends_everything(run_stack: Callable[[str], Process], base_port: int) -> None:
    process = run_stack(STUBBORN.module)
    held = wait_for_processes(process)
    process.send(signal.SIGINT)
    until(lambda: "stopping" in process.printed(), "it drains the service", process)
    process.send(signal.SIGINT)  # this service would never end
    assert process.wait() == 3, process.printed()
    assert still_running(held) == []
    assert taken_ports(base_port) == []


@pytest.mark.parametrize("module", [LIGHT.module, STUBBORN.module])
def test_nothing_outlives_a_stack_whose_process_is_killed(
    run_stack: Callable[[str], Process], base_port: int, module: str
) -> None:
    process = run_stack(module)
    held = wait_for_processes(process)
    process.kill()
    assert still_running(held, GENEROUS_SECONDS) == []
    assert taken_ports(base_port) == []
