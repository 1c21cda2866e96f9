"""What the benchmarks of the judge have in common: a real judge service before a real LLM, and asking it.

By default each run starts its own processes: Redis, the local LLM, and the judge service as its container runs it. With
``--llm-url`` the LLM is one that runs already. What the environment says of the project (``ZHUFU_…``) does not reach
them, so that a figure hangs on its command alone; only the key of the LLM is taken from ``ZHUFU_LLM_API_KEY``.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import dataclasses
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import httpx
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from pydantic import JsonValue, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks.processes import BenchmarkFailed, free_port, redis_server, service, started
from benchmarks.tables import Section
from services.judge.modes import ModeSettings
from services.judge.prompts import HEAD
from services.judge.settings import JudgeSettings
from shared.client import RewardClient
from shared.errors import ZhufuError
from shared.llm.client import LlmClient
from shared.llm.limits import LimitSettings, LocalLimiter
from shared.llm.metrics import LlmMetrics
from shared.principles import Principles
from shared.schemas import Rollout, Score
from trainer.local_llm.options import GEMMA_ALIAS

LOCAL_API = "completions"
"""Gemma 3 270M is a base model."""
LLM_START_SECONDS = 180.0
"""The first start puts the weights together."""
LOOK_SECONDS = 0.2
LOG_TAIL_CHARACTERS = 3_000
ANSWER_SECONDS = 600.0
"""Longest time for one rollout, all that stand before it in a request included."""
JUDGE_TIMES = {
    "llm_timeout_seconds": 300,
    "llm_total_timeout_seconds": 500,
    "llm_limit_wait_seconds": 500,
    "score_timeout_seconds": 550,
    "request_timeout_seconds": 550,
}
"""Longer than by default: a small machine needs minutes for eight answers in JSON, and slow is not failed here."""
FIRST_LOOK = 8
"""Where none of so many first rollouts is scored, a run ends: something is set up wrongly."""
JSON_SETTINGS = ("llm_extra_body", "panel")
"""A variable of the environment holds them as JSON."""
MOST_IN_A_ROW = 40
"""Where so many in a row are not scored, a run ends too: the LLM has gone."""
KEY_VARIABLE = "ZHUFU_LLM_API_KEY"

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Llm:
    """Where the LLM is."""

    url: str
    model: str
    api: str

    @property
    def settings(self) -> dict[str, object]:
        """As settings of the judge service."""
        key = os.environ.get(KEY_VARIABLE)
        return {
            "llm_url": self.url,
            "llm_model": self.model,
            "llm_api": self.api,
            **({"llm_api_key": key} if key else {}),
        }


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """A judge service that runs.

    Attributes:
        url: Of the service.
        llm: The model that it asks.
        settings: What it was told; nothing in it comes from this process's environment.
    """

    url: str
    llm: Llm
    settings: JudgeSettings

    @property
    def mode_settings(self) -> ModeSettings:
        """As the service makes them of its settings."""
        settings = self.settings
        return ModeSettings(
            api=settings.llm_api,
            labels=settings.labels,
            least_label_mass=settings.least_label_mass,
            few_shot_limit=settings.few_shot_limit,
            temperature=settings.temperature,
        )


def add_judge_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say which LLM is asked, how the judge is set, and where the figures go."""
    parser.add_argument("--llm-url", help="an OpenAI-compatible server; the local LLM is started unless given")
    parser.add_argument("--llm-model", help="the model's name there")
    parser.add_argument(
        "--llm-api", choices=("chat", "completions"), help="completions for base models; chat unless given"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the judge service, such as samples=4",
    )
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    parser.add_argument("--logs", type=Path, help="a folder to keep the logs of the processes in")


def check_judge_arguments(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    """End the process with status 2 where options do not fit together."""
    if given.llm_url and not given.llm_model:
        parser.error("--llm-url needs --llm-model")
    if not given.llm_url and (given.llm_model or given.llm_api):
        parser.error("--llm-model and --llm-api are of a server that --llm-url names")
    for pair in given.set:
        if not pair.partition("=")[1] or not pair.partition("=")[0].isidentifier():
            parser.error(f"--set takes NAME=VALUE, not {pair!r}")
        if pair.startswith("llm_api_key="):
            parser.error(f"the key belongs into {KEY_VARIABLE}: options can be read by others, and are written down")
    if given.output is not None and not given.output.parent.is_dir():
        parser.error(f"there is no folder {given.output.parent}")


def positive(text: str) -> int:
    """For argparse: a whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


class _GivenSettings(JudgeSettings):
    """Settings from arguments alone."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def judge_settings(values: Mapping[str, Any]) -> JudgeSettings:
    """Settings of the judge service, with nothing from the environment. Raises `BenchmarkFailed` for wrong ones."""
    if unknown := set(values) - set(JudgeSettings.model_fields):
        raise BenchmarkFailed(f"the judge service has no setting {', '.join(sorted(unknown))}")
    try:
        decoded = {
            name: json.loads(value) if name in JSON_SETTINGS and isinstance(value, str) else value
            for name, value in values.items()
        }
        return _GivenSettings(**decoded)
    except json.JSONDecodeError:
        raise BenchmarkFailed(f"settings of the judge that are JSON: {', '.join(JSON_SETTINGS)}") from None
    except ValidationError as error:
        problem = error.errors(include_input=False)[0]
        raise BenchmarkFailed(f"a setting of the judge: {problem['loc']}: {problem['msg']}") from None


@contextlib.asynccontextmanager
async def llm_of(given: argparse.Namespace, folder: Path, console: Console) -> AsyncIterator[Llm]:
    """The LLM that was named, else the local one, while the context is open.

    Raises:
        BenchmarkFailed: The local LLM cannot be started; the detail ends with what it said.
    """
    if given.llm_url:
        yield given_llm(given)
        return
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log = folder / "local_llm.log"
    kept = {name: os.environ[name] for name in ("XDG_CACHE_HOME",) if name in os.environ}
    command = [sys.executable, "-m", "trainer.local_llm", "--port", str(port)]
    async with started(command, log, kept) as process:
        with console.status("starting the local LLM"):
            await _until_llm_is_ready(url, process, log)
        yield Llm(url=f"{url}/v1", model=GEMMA_ALIAS, api=LOCAL_API)


async def _until_llm_is_ready(url: str, process: asyncio.subprocess.Process, log: Path) -> None:
    deadline = time.monotonic() + LLM_START_SECONDS
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        while True:
            if process.returncode is not None:
                raise BenchmarkFailed(
                    f"the local LLM ended with status {process.returncode} (--llm-url names another one):\n{_tail(log)}"
                )
            with contextlib.suppress(httpx.TransportError):
                if (await client.get(f"{url}/health")).status_code == httpx.codes.OK:
                    return
            if time.monotonic() > deadline:
                raise BenchmarkFailed(
                    f"the local LLM was not ready within {LLM_START_SECONDS:g} s (--llm-url names another one):\n"
                    f"{_tail(log)}"
                )
            await asyncio.sleep(LOOK_SECONDS)


@contextlib.asynccontextmanager
async def judge_of(given: argparse.Namespace, console: Console, **settings: object) -> AsyncIterator[Judge]:
    """Redis, the LLM and the judge service, while the context is open.

    Args:
        given: What `add_judge_arguments` asked for; its ``--set`` wins over ``settings``.
        console: Told what is being started.
        settings: Of the judge service, by name.

    Raises:
        BenchmarkFailed: A process cannot be started, or a setting is wrong.
        shared.errors.NotReady: The LLM does not answer.
    """
    told = {name: value for name, _, value in (pair.partition("=") for pair in given.set)}
    with tempfile.TemporaryDirectory(prefix="zhufu-judge-") as temporary:
        folder = given.logs or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if given.llm_url:
            judge_settings({**JUDGE_TIMES, **settings, **given_llm(given).settings, **told})  # before anything starts
        async with llm_of(given, folder, console) as llm, redis_server(Path(temporary)) as redis_url:
            values = {**JUDGE_TIMES, **settings, **llm.settings, **told, "redis_url": redis_url}
            checked = judge_settings(values)
            async with plain_client(checked, CollectorRegistry()) as client:
                await client.check()  # the service would wait for it, and then say less
            with console.status("starting the judge service"):
                async with contextlib.AsyncExitStack() as stack:
                    url = await stack.enter_async_context(service("services.judge.app", folder / "judge.log", values))
                    running = stack.pop_all()
            async with running:
                yield Judge(url=url, llm=llm, settings=checked)


def given_llm(given: argparse.Namespace) -> Llm:
    """The LLM that the options name."""
    return Llm(url=given.llm_url, model=given.llm_model, api=given.llm_api or "chat")


@contextlib.asynccontextmanager
async def plain_client(settings: JudgeSettings, registry: CollectorRegistry) -> AsyncIterator[LlmClient]:
    """The LLM itself (of a panel the first), without the judge: nothing is cached by us."""
    limiter = LocalLimiter(LimitSettings(max_in_flight=settings.llm_max_in_flight))
    member = settings.panelists()[0]
    client = LlmClient(member, limiter=limiter, metrics=LlmMetrics(registry))
    try:
        yield client
    finally:
        await client.close()
        await limiter.close()


def bare_instructions(principles: Principles) -> str:
    """The judge's instructions without the last paragraph, which tells of the fence and not to obey what it holds."""
    return "\n\n".join(HEAD.split("\n\n")[:-1]).format(rules=principles.numbered)


def progress(console: Console) -> Progress:
    """A bar with counts and the time left."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, TimeRemainingColumn(), console=console)


async def for_each(
    items: Sequence[Item],
    do: Callable[[Item], Awaitable[Result]],
    *,
    console: Console,
    title: str,
    at_once: int = 1,
) -> list[Result]:
    """What is done with each item, in order, with a progress bar; ``at_once`` are under way."""
    results: dict[int, Result] = {}
    waiting = iter(enumerate(items))

    async def work() -> None:
        for number, item in waiting:
            results[number] = await do(item)
            bar.advance(task)

    with progress(console) as bar:
        task = bar.add_task(title, total=len(items))
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(at_once, len(items))):
                    group.create_task(work())
        except ExceptionGroup as errors:
            raise _first(errors) from None
    return [results[number] for number in range(len(items))]


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """A score, and the seconds from asking to having it."""

    score: Score
    seconds: float


async def ask_each(
    reward: RewardClient,
    rollouts: Sequence[Rollout],
    *,
    console: Console,
    title: str,
    options: Mapping[str, JsonValue] | None = None,
    at_once: int = 1,
) -> list[Answer]:
    """Have rollouts scored, each in a request of its own.

    Raises:
        BenchmarkFailed: None of the first few was scored, or none of many in a row.
        shared.errors.ZhufuError: The service cannot be used.
    """
    failed: list[Score] = []
    scored = in_a_row = 0

    async def ask(rollout: Rollout) -> Answer:
        nonlocal scored, in_a_row
        begun = time.perf_counter()
        score = (await reward.score([rollout], options))[0]
        seconds = time.perf_counter() - begun
        if score.status == "scored":
            scored += 1
            in_a_row = 0
            return Answer(score, seconds)
        failed.append(score)
        in_a_row += 1
        if scored == 0 and len(failed) >= FIRST_LOOK:
            raise BenchmarkFailed(f"none of the first {len(failed)} rollouts was scored: {why(failed)}")
        if in_a_row >= MOST_IN_A_ROW:
            raise BenchmarkFailed(f"{in_a_row} in a row were not scored: {why(failed[-in_a_row:])}")
        return Answer(score, seconds)

    return await for_each(rollouts, ask, console=console, title=title, at_once=at_once)


def failure_codes(scores: Sequence[Score]) -> dict[str, int]:
    """How many scores failed, by code, the most frequent first."""
    codes = collections.Counter(score.error.code for score in scores if score.error is not None)
    return dict(codes.most_common())


def why(scores: Sequence[Score]) -> str:
    """The codes of failed scores with the detail of the first, in a line."""
    first = next((score.error for score in scores if score.error is not None), None)
    codes = ", ".join(f"{count} x {code}" for code, count in failure_codes(scores).items())
    return f"{codes}; the first: {first.detail}" if first else codes


async def samples(url: str) -> dict[tuple[str, str], float]:
    """The samples of a service's metrics, by name and the value of their only label (else an empty one)."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        return read_samples((await client.get(f"{url}/metrics")).text)


def read_samples(text: str) -> dict[tuple[str, str], float]:
    """See `samples`; those that share both are added up."""
    found: dict[tuple[str, str], float] = collections.defaultdict(float)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            label = next(iter(sample.labels.values())) if len(sample.labels) == 1 else ""
            found[sample.name, label] += sample.value
    return dict(found)


def write_json(path: Path | None, figures: object, console: Console) -> None:
    """Write figures where they were asked for."""
    if path is not None:
        text = json.dumps(figures, ensure_ascii=False, indent=2, allow_nan=False)
        path.write_text(f"{text}\n", encoding="utf-8")
        console.print(f"written to {path}", markup=False, highlight=False)


def section_json(section: Section) -> dict[str, object]:
    """A table as JSON holds it."""
    return {
        "title": section.title,
        "text": section.text,
        "columns": list(section.columns),
        "rows": [list(row) for row in section.rows],
        "markdown": section.markdown(),
    }


def run(main: Callable[[Console], Awaitable[int]]) -> NoReturn:
    """Run a benchmark; an error that is ours is one line, and status 1."""
    console = Console()

    async def running() -> int:
        return await main(console)

    try:
        status = asyncio.run(running())
    except (BenchmarkFailed, ZhufuError) as error:
        console.print(f"failed: {error}", style="red", markup=False, highlight=False)
        status = 1
    sys.exit(status)


def run_judged(
    given: argparse.Namespace, measure: Callable[[argparse.Namespace, Judge, Console], Awaitable[int]]
) -> NoReturn:
    """Run a benchmark on a judge that is started for it."""

    async def measured(console: Console) -> int:
        async with judge_of(given, console) as judge:
            return await measure(given, judge, console)

    run(measured)


def _first(errors: BaseExceptionGroup[Exception]) -> Exception:
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:]
