"""The processes of one round: Redis, two scoring services, a requester, and what their fault needs."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.chaos.clock import WallClock
from tests.chaos.disk import SmallDisk
from tests.chaos.network import Cable
from tests.chaos.plan import LABELS, Plan
from tests.chaos.proxy import Proxy
from tests.support import judge
from tests.support.processes import Process, RedisServer, Service, free_port, service_command

SCORERS = 2
LEASE_SECONDS = 2.0
REQUESTER_SECONDS = 300.0
"""How long a requester tries before it gives the round up."""
SETTINGS = {
    "lease_seconds": LEASE_SECONDS,
    "max_attempts": 5,
    "retry_wait_seconds": 0.05,
    "max_batch_rollouts": 8,
    "drain_timeout_seconds": 5,
    "log_format": "json",
}
JUDGE_SETTINGS = {
    **SETTINGS,
    "max_batch_rollouts": 1,
    "max_concurrent_batches": 16,
    "retry_wait_seconds": 0.5,
    "labels": ",".join(LABELS),
    "llm_timeout_seconds": 5,
    "llm_total_timeout_seconds": 30,
    "llm_max_tries": 2,
    "llm_retry_wait_seconds": 0.1,
}


class Stack:
    """All of it, while the context is open. Nothing waits until the others are there: they must bear that anyway."""

    redis: RedisServer
    requester: Process
    llm: Process
    proxy: Proxy
    disk: SmallDisk
    clock: WallClock
    cable: Cable

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.folder = folder
        self.journal = folder / "journal.jsonl"
        self.scored_log = folder / "begun"
        self.scorers: list[Service] = []
        self.story: list[str] = []
        self._begun = time.monotonic()
        self._started: list[Process] = []
        self._rollouts = folder / "rollouts.jsonl"
        self._scorer_ports = [free_port() for _ in range(SCORERS)]
        self._llm_port = free_port()
        self._exit = contextlib.AsyncExitStack()

    def note(self, what: str) -> None:
        """For whoever asks what happened."""
        self.story.append(f"{time.monotonic() - self._begun:7.3f} s  {what}")

    async def __aenter__(self) -> Self:
        setup = self.plan.fault.setup
        self._rollouts.write_text("".join(f"{each.model_dump_json()}\n" for each in self.plan.rollouts()))
        try:
            self._exit.callback(self._end)
            if setup.clock_of is not None:
                self.clock = WallClock(self.folder / "clock")
            if setup.small_disk:
                self.disk = self._exit.enter_context(SmallDisk(self.folder / "disk"))
                self._exit.callback(self._end)  # before its disk goes
            if setup.cable:
                self.cable = self._exit.enter_context(Cable())
                self._exit.callback(self._end)
            self.redis = RedisServer(self.folder, self._redis_options(), self._clock_of("redis"))
            if setup.proxy is not None:
                target = self._scorer_ports[0] if setup.door == "http" else self.redis.port
                self.proxy = await self._exit.enter_async_context(Proxy(target))
            if setup.judge:
                self.start_llm()
            await self.start_redis()
            for number in range(SCORERS):
                self.start_scorer(number)
            self.start_requester()
        except BaseException:
            await self._exit.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exit.aclose()

    async def start_redis(self) -> None:
        """Start it, again too, and wait until it answers."""
        await asyncio.to_thread(self.redis.start)
        self._started.append(self.redis.process)
        self.note("Redis started")

    def start_scorer(self, number: int) -> None:
        """Start one, or one that was killed again, where it was."""
        output = self.folder / f"scorer-{number}.log"
        environment = {**self._clock_of("scorers"), "ZHUFU_REDIS_URL": self._redis_url("scorers")}
        port = self._scorer_ports[number]
        if self.plan.fault.setup.judge:
            llm = f"http://127.0.0.1:{self._llm_port}/v1"
            settings = {**JUDGE_SETTINGS, "redis_url": environment["ZHUFU_REDIS_URL"]}
            scorer = judge.judge_service(output, llm, None, port, **settings)
        else:
            environment |= {f"ZHUFU_{name.upper()}": str(value) for name, value in SETTINGS.items()}
            arguments = ("--seconds-per-batch", "0.04", "--log", str(self.scored_log))
            scorer = Service(service_command(*arguments), output, environment, port)
        self._started.append(scorer)
        self.scorers[number : number + 1] = [scorer]
        self.note(f"scorer {number} started")

    def start_llm(self) -> None:
        """Start the stand-in for an LLM server, again too."""
        command = [sys.executable, "-m", "tests.support.llm_server", "--port", str(self._llm_port), "--labels", *LABELS]
        self.llm = Process(command, self.folder / "llm.log")
        self._started.append(self.llm)
        self.note("LLM server started")

    def start_requester(self) -> None:
        """Start it, or once more: it goes on where its journal ends."""
        options = {
            "--url": self._reward_url(),
            "--rollouts": self._rollouts,
            "--journal": self.journal,
            "--calls-of": self.plan.calls_of,
            "--timeout-seconds": self.plan.fault.setup.call_seconds,
            "--limit-seconds": REQUESTER_SECONDS,
        }
        arguments = [str(part) for pair in options.items() for part in pair]
        command: Sequence[str] = [sys.executable, "-m", "tests.chaos.requester", *arguments]
        if self.plan.fault.setup.cable:
            command = self.cable.inside(command)
        self.requester = Process(command, self.folder / "requester.log", self._clock_of("requester"))
        self._started.append(self.requester)
        self.note("requester started")

    def _redis_options(self) -> Mapping[str, str]:
        setup = self.plan.fault.setup
        options: dict[str, str] = {"appendfsync": setup.fsync}
        if setup.small_disk:
            options["dir"] = str(self.disk.folder)
        if setup.cable:
            # Only the namespace can reach the second address.
            options |= {"bind": f"127.0.0.1 {self.cable.near}", "protected-mode": "no"}
        return options

    def _redis_url(self, side: str) -> str:
        setup = self.plan.fault.setup
        through_proxy = setup.proxy == side and setup.door == "queue"
        host = self.cable.near if setup.cable and side == "requester" else "127.0.0.1"
        return f"redis://{host}:{self.proxy.port if through_proxy else self.redis.port}/0"

    def _reward_url(self) -> str:
        setup = self.plan.fault.setup
        if setup.door == "http":
            return f"http://127.0.0.1:{self.proxy.port if setup.proxy else self._scorer_ports[0]}"
        return f"{self._redis_url('requester')}?reward={self.plan.keys.reward}"

    def _clock_of(self, who: str) -> Mapping[str, str]:
        return self.clock.environment if self.plan.fault.setup.clock_of == who else {}

    def _end(self) -> None:
        """At once: what processes do when they are asked to end is tested elsewhere."""
        for process in self._started:
            if process.running:
                process.kill()
