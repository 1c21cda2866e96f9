"""What README.md, CONTRIBUTING.md and CHANGELOG.md promise: their own examples, taken from the page and run.

Nothing of an example stands here a second time; only its ports are moved to free ones.
"""

from __future__ import annotations

import dataclasses
import math
import os
import pkgutil
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter
from typer.core import TyperGroup
from typer.main import get_command

from shared.client import RewardClient
from shared.schemas import Rollout, ScoreResponse
from tests.support.ports import free_base_port, taken_ports
from tests.support.processes import KEPT_VARIABLES, ROOT, Service
from trainer import cli

PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
TEXTS = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}
README = TEXTS["README.md"]

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
PATH = re.compile(r"(?:[\w.-]+/)+[\w.-]*")
MAKE = re.compile(r"make ([a-z][\w-]*)")
DOTTED = re.compile(r"(?:shared|services|trainer)(?:\.\w+)+")

INSTALLED = ".venv/bin/zhufu"
"""How the pages call the command; the one of the environment that runs the tests is taken for it."""
ELISION = "…"
REWARD_MODEL_OFFSET = 2
START_SECONDS = 150.0
RUN_SECONDS = 90.0


def blocks(language: str) -> list[str]:
    return [body for found, body in FENCE.findall(README) if found == language]


def inline(page: str) -> list[str]:
    """The pieces of code within a page's sentences."""
    return INLINE.findall(FENCE.sub("", TEXTS[page]))


def commands(begin: str = "") -> list[str]:
    """The lines of README.md for a shell, as they stand there; a continued one is one."""
    lines = "".join(blocks("sh")).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith(begin) and words_of(line)]


def words_of(line: str) -> list[str]:
    """As a shell splits it; the comment is left out."""
    return shlex.split(line, comments=True)


def command(begin: str) -> str:
    (found,) = commands(begin)
    return found


def body_of_curl() -> str:
    words = words_of(command("curl"))
    return words[words.index("-d") + 1]


ZHUFU_COMMANDS = [
    *(each.removeprefix(".venv/bin/") for each in commands(INSTALLED)),
    *(
        each.removeprefix(".venv/bin/")
        for each in inline("README.md")
        if each.removeprefix(".venv/bin/").startswith("zhufu ")
    ),
]
REWARD_URLS = [each for each in inline("README.md") if re.match(r"(https?|rediss?)://\S+:\d+", each)]
LINKS = [(page, target) for page in PAGES for target in LINK.findall(FENCE.sub("", TEXTS[page])) if "://" not in target]
PATHS = [each for each in inline("CONTRIBUTING.md") if PATH.fullmatch(each)]
NAMES = [each for each in inline("CONTRIBUTING.md") if DOTTED.fullmatch(each) and not each.endswith(".py")]
TARGETS = sorted({found[1] for page in PAGES for each in [*inline(page), *commands()] if (found := MAKE.match(each))})


@dataclasses.dataclass(frozen=True)
class Running:
    """The stack of the README, elsewhere."""

    base_port: int

    def moved(self, text: str) -> str:
        """An example with the ports, and the command, that are there."""
        moved, count = re.subn(
            r"(?<=127\.0\.0\.1:)800([0-4])\b", lambda match: str(self.base_port + int(match[1])), text
        )
        assert count, f"no port of the stack in {text}"
        return moved

    def shell(self, line: str) -> subprocess.CompletedProcess[str]:
        return run("sh", "-c", here(self.moved(line)))

    def answer(self) -> dict[str, Any]:
        """What the service says to the body of the curl line."""
        url = f"http://127.0.0.1:{self.base_port + REWARD_MODEL_OFFSET}/v1/score"
        headers = {"Content-Type": "application/json"}
        answer = httpx.post(url, content=body_of_curl().encode(), headers=headers, timeout=60, trust_env=False)
        assert answer.status_code == 200, answer.text
        return TypeAdapter(dict[str, Any]).validate_json(answer.content)


def here(line: str) -> str:
    return line.replace(INSTALLED, shlex.quote(str(Path(sysconfig.get_path("scripts")) / "zhufu")))


def run(*words: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return subprocess.run(
        words, cwd=ROOT, env=kept, capture_output=True, encoding="utf-8", timeout=RUN_SECONDS, check=False
    )


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The README's ``zhufu up``."""
    folder = tmp_path_factory.mktemp("readme")
    base_port = free_base_port()
    words = [*words_of(here(command(f"{INSTALLED} up"))), "--base-port", base_port]
    environment = {"OMP_NUM_THREADS": "1", "ZHUFU_REWARD_MODEL_THREADS": "1"}
    up = Service(list(map(str, words)), folder / "up.log", environment, base_port + REWARD_MODEL_OFFSET)
    try:
        up.wait_until(timeout_seconds=START_SECONDS)
        yield Running(base_port)
        assert up.terminate() == 0, up.printed()
    finally:
        up.end()
    assert taken_ports(base_port) == []


def test_the_score_command_shows_a_reward(running: Running) -> None:
    done = running.shell(command(f"{INSTALLED} score"))
    assert done.returncode == 0, done.stderr
    reward = running.answer()["scores"][0]["reward"]
    assert math.isfinite(reward)
    assert f" {reward:.4f} " in done.stdout
    assert " scored " in done.stdout
    assert done.stderr == ""


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
def test_the_curl_line_is_answered_with_a_score(running: Running) -> None:
    done = running.shell(command("curl"))
    assert done.returncode == 0, done.stderr
    (score,) = ScoreResponse.model_validate_json(done.stdout).scores
    assert (score.status, score.error) == ("scored", None)


def test_the_answer_that_is_shown_is_the_real_one(running: Running) -> None:
    (shown,) = blocks("json")
    assert_like(running.answer(), TypeAdapter(dict[str, Any]).validate_json(shown), "answer")


def assert_like(real: Any, shown: Any, where: str) -> None:
    """Same keys, same values but for rounding, and the same text around what is elided."""
    assert type(real) is type(shown), where
    if isinstance(shown, dict):
        named = shown.keys() - {ELISION}
        assert named == real.keys() & named if ELISION in shown else named == real.keys(), where
        for key in named:
            assert_like(real[key], shown[key], f"{where}.{key}")
    elif isinstance(shown, list):
        assert len(real) == len(shown), where
        for number, (one, other) in enumerate(zip(real, shown, strict=True)):
            assert_like(one, other, f"{where}.{number}")
    elif isinstance(shown, float):
        assert real == pytest.approx(shown, abs=0.01), where
    elif isinstance(shown, str):
        assert re.fullmatch(".+".join(map(re.escape, shown.split(ELISION))), real), where


def test_the_python_example_prints_a_score(running: Running, tmp_path: Path) -> None:
    (example,) = blocks("python")
    script = tmp_path / "example.py"
    script.write_text(running.moved(example), encoding="utf-8")
    done = run(sys.executable, "-W", "error", str(script))
    assert done.returncode == 0, done.stderr
    printed = re.fullmatch(r"scored (\S+) None\n", done.stdout)
    assert printed, done.stdout
    assert math.isfinite(float(printed[1]))


@pytest.mark.parametrize("url", REWARD_URLS)
async def test_every_url_of_a_reward_scores(running: Running, url: str) -> None:
    async with RewardClient.from_url(running.moved(url), timeout_seconds=60) as client:
        (score,) = await client.score([Rollout(id="1", prompt="给外婆的八十岁生日祝福", completion="生日快乐！")])
    assert score.status == "scored"


def test_there_are_examples_of_all_kinds() -> None:
    """That a page was read wrongly must not look like success."""
    begins = {" ".join(words_of(each)[1:3]) for each in ZHUFU_COMMANDS}
    assert {"train sft", "train grpo", "train rm", "data fetch"} <= begins
    assert {url.partition(":")[0] for url in REWARD_URLS} == {"http", "redis"}
    assert "docs/benchmarks.md" in {target for _, target in LINKS}
    assert {"install", "demo", "test", "bench"} <= set(TARGETS)
    assert PATHS
    assert NAMES


@pytest.mark.parametrize("line", ZHUFU_COMMANDS)
def test_every_zhufu_command_is_one_that_it_takes(line: str) -> None:
    """Parsed, not run: commands, options and the kinds of their values."""
    _, *words = words_of(line)
    found = get_command(cli.app)
    while isinstance(found, TyperGroup):
        found = found.commands[words.pop(0)]
    found.make_context(line, words).close()


def test_every_option_that_is_named_exists() -> None:
    named = set(OPTION.findall(README))
    assert named
    assert named <= options(get_command(cli.app))


def options(found: Any) -> set[str]:
    """Of a command and all below it; the second are those that switch something off."""
    below = found.commands.values() if isinstance(found, TyperGroup) else ()
    own = {name for parameter in found.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return own.union(*map(options, below))


@pytest.mark.parametrize(("page", "target"), LINKS)
def test_every_link_leads_to_a_file(page: str, target: str) -> None:
    path = (ROOT / page).parent / target.partition("#")[0]
    assert path.exists(), f"{page} links to {target}"


@pytest.mark.parametrize("path", PATHS)
def test_every_path_that_is_named_is_there(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("name", NAMES)
def test_every_name_of_the_code_can_be_imported(name: str) -> None:
    assert pkgutil.resolve_name(name)


@pytest.mark.parametrize("target", TARGETS)
def test_every_make_target_exists(target: str) -> None:
    rules = re.findall(r"^([a-z][\w-]*):(?!=)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert target in rules
