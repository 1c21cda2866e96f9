"""`Stack`: Redis and all services of this machine as one thing that is up or down."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console

from trainer.ports import HOST, check_ports
from trainer.stack.errors import ServiceDied, StartFailed
from trainer.stack.llm import ASKING, LLM, PORT_OFFSET, Llm, LocalLlm
from trainer.stack.process import ManagedProcess
from trainer.stack.readiness import wait_until_ready
from trainer.stack.redis_server import check_redis, find_redis, queue_url
from trainer.stack.retrieval import NO_INDEX, index_is_given, starter_index
from trainer.stack.services import AGENTS, JUDGE, ServiceSpec, all_services
from trainer.stack.signals import ending_as_interrupt
from trainer.stack.summary import print_summary

REDIS = "redis"
FIRST = (REDIS, LLM)
"""What services need: ready before they start, there until they have ended."""
REDIS_URL_VARIABLE = "ZHUFU_REDIS_URL"
START_SECONDS = 300.0
"""A service imports torch, loads its checkpoint and perhaps downloads it first."""
STOP_SECONDS = 40.0
"""A service drains for 30 seconds at most unless it is told otherwise."""
LOOK_SECONDS = 0.2
NO_LLM_FOR_AGENTS = "The agents do not run: ZHUFU_LLM_URL and ZHUFU_LLM_MODEL name no LLM for them."


class Stack:
    """Redis, every service and what judge and agents ask, started together and ended together.

        with Stack(reward_checkpoint="runs/reward", console=Console()) as stack:
            client = RewardClient.from_url(stack.queue_url("reward_model"))

    Entering starts everything and returns when all are ready; leaving ends everything: the services drain (SIGTERM),
    then Redis and the local LLM end, and what has not ended in time is killed. While it is up, SIGTERM and SIGHUP
    raise KeyboardInterrupt in the main thread as Ctrl-C does, unless somebody else handles them; an interrupt during
    the end kills at once. Should this process be killed itself, its children end by themselves
    (`trainer.stack.leash`); the temporary folder stays.

    A process that ends by itself is not started again: with one machine and one replica that would hide a defect or
    a lack of memory behind a stack that looks well. `check` and `run_until_interrupted` raise `ServiceDied`. Nothing is
    lost by it: rollouts wait in Redis, and with ``data_dir`` they are there at the next start.

    Attributes:
        urls: Of every part, by name: ``{"redis": "redis://127.0.0.1:8000/0", "reward_model": "http://127.0.0.1:8002"}``.
            The one of a Redis that was given may hold a password; of an LLM there is what may be shown.
        log_dir: Where each process writes its log, ``<name>.log``.
    """

    def __init__(
        self,
        *,
        reward_checkpoint: str,
        base_port: int = 8000,
        redis_url: str | None = None,
        data_dir: Path | None = None,
        log_dir: Path | None = None,
        console: Console | None = None,
        llm: Llm | None = None,
        agents: bool = True,
        services: Sequence[ServiceSpec] | None = None,
        start_timeout_seconds: float = START_SECONDS,
        stop_timeout_seconds: float = STOP_SECONDS,
    ) -> None:
        """Nothing is started or looked at yet.

        Args:
            reward_checkpoint: What the reward model serves: a folder, or what else its ``checkpoint`` setting takes.
            base_port: Redis listens here, judge, reward model and multi-agent on the next three, then a local LLM.
            redis_url: A Redis to use; else the one of ``ZHUFU_REDIS_URL``; else one is started.
            data_dir: Where that one keeps its data; by default in a temporary folder that goes with the stack.
            log_dir: Where logs go; by default into the temporary folder, which then outlives a failure.
            console: Where progress is shown; nowhere by default.
            llm: What judge and agents ask (`trainer.stack.llm.choose_llm`); without one there are neither.
            agents: Whether the multi-agent service is among the services.
            services: What to run instead of all services that exist.
            start_timeout_seconds: The longest time until all are ready.
            stop_timeout_seconds: The longest time for the services to drain.
        """
        if Path(reward_checkpoint).is_dir():
            reward_checkpoint = str(Path(reward_checkpoint).resolve())
        self._base_port = base_port
        told = {name: None if llm is None else llm.settings_for(name, base_port) for name in ASKING}
        agents_settings = told[AGENTS] if agents else None
        self._specs = tuple(
            all_services(reward_checkpoint, told[JUDGE], agents_settings) if services is None else services
        )
        self._agents = agents and services is None
        self._index_note: str | None = None
        self._llm = llm
        self._given_redis = redis_url or os.environ.get(REDIS_URL_VARIABLE) or None
        self._data_dir = data_dir
        self._given_log_dir = log_dir
        self._console = console or Console(quiet=True)
        self._start_timeout_seconds = start_timeout_seconds
        self._stop_timeout_seconds = stop_timeout_seconds
        self._processes: dict[str, ManagedProcess] = {}
        self._down_on_purpose: set[str] = set()
        self._failed = False
        self._temporary: Path | None = None
        self._cleanup = contextlib.ExitStack()
        self.log_dir: Path | None = log_dir
        self.urls = {REDIS: self._given_redis or f"redis://{HOST}:{base_port}/0"}
        if llm is not None:
            self.urls[LLM] = llm.shown_url(base_port)
        self.urls |= {spec.name: f"http://{HOST}:{base_port + spec.port_offset}" for spec in self._specs}

    def queue_url(self, reward: str) -> str:
        """The URL of a reward's queue: ``redis://127.0.0.1:8000/0?reward=reward_model``."""
        return queue_url(self.urls[REDIS], reward)

    def __enter__(self) -> Self:
        self._failed = False
        self._cleanup.enter_context(ending_as_interrupt())
        try:
            self._start()
        except BaseException as error:
            self._failed = isinstance(error, StartFailed)
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def check(self) -> None:
        """Raise `ServiceDied` where a process has ended that nobody ended here."""
        for name, process in self._processes.items():
            if name not in self._down_on_purpose and not process.running:
                self._failed = True
                raise ServiceDied(f"{name} ended by itself: {process.ending()}")

    def run_until_interrupted(self) -> None:
        """Watch until Ctrl-C, SIGTERM or SIGHUP, then return.

        Raises:
            ServiceDied: A process ended by itself.
        """
        try:
            while True:
                self.check()
                time.sleep(LOOK_SECONDS)
        except KeyboardInterrupt:
            return

    def kill(self, name: str) -> None:
        """Kill one process with SIGKILL, as an outage would; it stays away until `restart`."""
        process = self._processes[name]
        self._down_on_purpose.add(name)
        process.kill()

    def restart(self, name: str) -> None:
        """Start one process again, ending it first where it runs; returns when all that run are ready.

        Raises:
            StartFailed: It, or another, was not ready in time.
        """
        process = self._processes[name]
        self._down_on_purpose.add(name)
        self._end_processes([process])
        process.start()
        self._down_on_purpose.discard(name)
        try:
            self._wait(each for each in self._processes if each not in self._down_on_purpose)
        except StartFailed:
            self._failed = True
            raise

    def print_summary(self) -> None:
        """Show all URLs, a first request to try, and what is for trying things out only."""
        print_summary(self._console, self.urls, self._specs, self.log_dir)
        if self._given_redis is None:
            kept = (
                "ends with the stack, data and all" if self._data_dir is None else f"has its data in {self._data_dir}"
            )
            note = f"This Redis {kept}: it is for trying things out. {REDIS_URL_VARIABLE} names another."
            self._console.print(note, highlight=False)
        if self._llm is not None and self._agents and AGENTS not in self.urls:
            self._console.print(NO_LLM_FOR_AGENTS, highlight=False, soft_wrap=True)
        if self._index_note is not None:
            self._console.print(self._index_note, highlight=False, soft_wrap=True)
        for note in () if self._llm is None else self._llm.notes():
            self._console.print(note, highlight=False, markup=False, soft_wrap=True)

    def _start(self) -> None:
        ports = {spec.name: self._base_port + spec.port_offset for spec in self._specs}
        if self._given_redis is None:
            ports = {REDIS: self._base_port, **ports}
        if isinstance(self._llm, LocalLlm):
            ports[LLM] = self._base_port + PORT_OFFSET
        check_ports(ports)
        if self._llm is not None:
            self._llm.check()
        if self._given_redis is not None:
            check_redis(self._given_redis)
            program = None
        else:
            program = find_redis()
        self._specs = tuple(self._with_examples(spec) for spec in self._specs)
        self._temporary = Path(tempfile.mkdtemp(prefix="zhufu-"))
        self.log_dir = _made(self._given_log_dir or self._temporary / "logs")
        if program is not None:
            data_dir = _made(self._data_dir or self._temporary / "data")
            self._add(REDIS, self.urls[REDIS], program.command(self._base_port, data_dir), dict(os.environ))
        if isinstance(self._llm, LocalLlm):
            llm = self._llm
            self._add(LLM, llm.ready_url(self._base_port), llm.command(self._base_port), llm.environment())
        self._wait(name for name in FIRST if name in self._processes)
        rewards = {spec.name: self.urls[spec.name] for spec in self._specs}
        for spec in self._specs:
            environment = spec.environment(ports[spec.name], self.urls[REDIS], rewards)
            self._add(spec.name, f"{self.urls[spec.name]}/readyz", spec.command(), environment)
        self._wait(spec.name for spec in self._specs)

    def _with_examples(self, spec: ServiceSpec) -> ServiceSpec:
        """The agents retrieve from the starter set unless the user has set something else."""
        if spec.name != AGENTS or index_is_given():
            return spec
        index = starter_index(self._console)
        self._index_note = None if index is not None else NO_INDEX
        return spec if index is None else dataclasses.replace(spec, settings={**spec.settings, "INDEX": str(index)})

    def _add(self, name: str, ready_url: str, command: Sequence[str], environment: dict[str, str]) -> None:
        assert self.log_dir is not None
        log = self.log_dir / f"{name}.log"
        self._processes[name] = ManagedProcess(name, ready_url, command, log, environment)
        self._processes[name].start()

    def _wait(self, names: Iterable[str]) -> None:
        wait_until_ready([self._processes[name] for name in names], self._console, self._start_timeout_seconds)

    def _end(self) -> None:
        """End everything and remove what is temporary."""
        services = [process for name, process in self._processes.items() if name not in FIRST]
        with self._cleanup.pop_all():
            try:
                if self._processes:
                    self._console.print("stopping; Ctrl-C to stop at once")
                self._end_processes(services)
                self._end_processes(process for name, process in self._processes.items() if name in FIRST)
            except KeyboardInterrupt:
                self._console.print("stopping at once")
            finally:
                for process in self._processes.values():
                    process.kill()
                self._processes.clear()
                self._down_on_purpose.clear()
                self._remove_temporary()

    def _end_processes(self, processes: Iterable[ManagedProcess]) -> None:
        """Ask them all to drain and end; kill those that have not done so in time."""
        ending = [process for process in processes if process.running]
        for process in ending:
            process.terminate()
        deadline = time.monotonic() + self._stop_timeout_seconds
        for process in ending:
            if not process.wait(max(0.0, deadline - time.monotonic())):
                self._console.print(f"{process.name} did not end in {self._stop_timeout_seconds:g} s; killed")
                process.kill()

    def _remove_temporary(self) -> None:
        """The logs of a failure stay: its error names them."""
        folder, self._temporary = self._temporary, None
        if folder is None:
            return
        shutil.rmtree(folder / "data" if self._failed and self._given_log_dir is None else folder, ignore_errors=True)


def _made(folder: Path) -> Path:
    folder = folder.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartFailed(f"the folder {folder} cannot be made: {error.strerror}") from error
    return folder
