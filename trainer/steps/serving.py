"""What runs beside a step: rewards, and the LLM that they ask; one stack is kept for as long as the next step wants it.

Processes of a run that was killed end by themselves within seconds (`trainer.stack.leash`); their ports are waited for.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console

from trainer.checkpoints import starter_reward_model
from trainer.ports import HOST, is_free
from trainer.stack import LocalLlm, Stack
from trainer.stack.llm import LLM, PORT_OFFSET, Llm
from trainer.stack.process import ORPHAN_SECONDS
from trainer.stack.redis_server import queue_url, without_secrets
from trainer.stack.services import AGENTS, JUDGE, ServiceSpec, all_services
from trainer.stack.stack import REDIS_URL_VARIABLE

PORTS_SECONDS = 3 * ORPHAN_SECONDS


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """Which services run, and with what. Two that are equal are served by the same processes.

    Attributes:
        rewards: Names of services; none where only ``llm`` is asked.
        llm: What judge and agents ask, or the step itself; None: nobody asks one.
        reward_checkpoint: What the reward model serves; the starter one unless given.
        principles: A file of principles that the judge serves; its own unless given.
        settings: Further settings of services, by service, by name in upper case.
    """

    rewards: tuple[str, ...] = ()
    llm: Llm | None = None
    reward_checkpoint: Path | None = None
    principles: Path | None = None
    settings: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)

    @property
    def reads(self) -> tuple[Path, ...]:
        """What must be there before it can start."""
        return tuple(path for path in (self.reward_checkpoint, self.principles) if path is not None)

    def stack(self, base_port: int, console: Console, log_dir: Path | None = None) -> Stack:
        """The stack, not started."""
        return Stack(
            reward_checkpoint=str(self.reward_checkpoint or starter_reward_model()),
            base_port=base_port,
            log_dir=log_dir,
            console=console,
            llm=self.llm,
            services=self._specs(base_port),
        )

    def _specs(self, base_port: int) -> list[ServiceSpec]:
        checkpoint = self.reward_checkpoint or starter_reward_model()
        told = {name: None if self.llm is None else self.llm.settings_for(name, base_port) for name in (JUDGE, AGENTS)}
        specs = all_services(str(checkpoint.resolve()), told[JUDGE], told[AGENTS])
        own = {name: dict(settings) for name, settings in self.settings.items()}
        if self.principles is not None:
            own.setdefault(JUDGE, {})["PRINCIPLES"] = str(self.principles.resolve())
        return [
            dataclasses.replace(spec, settings={**spec.settings, **own.get(spec.name, {})})
            for spec in specs
            if spec.name in self.rewards
        ]

    def ports(self, base_port: int) -> list[int]:
        """Those that its processes listen on."""
        offsets = {0, *(spec.port_offset for spec in self._specs(base_port))}
        return [
            base_port + offset
            for offset in sorted(offsets | ({PORT_OFFSET} if isinstance(self.llm, LocalLlm) else set()))
        ]

    @property
    def is_given(self) -> bool:
        """Whether the LLM runs elsewhere."""
        return self.llm is not None and not isinstance(self.llm, LocalLlm)


class Services:
    """Starts what the next step wants, and ends what it does not."""

    def __init__(self, base_port: int, console: Console, log_dir: Path) -> None:
        self._base_port = base_port
        self._console = console
        self._log_dir = log_dir
        self._serving: Serving | None = None
        self._stack: Stack | None = None
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def want(self, serving: Serving | None) -> Stack | None:
        """What serves it, up and ready; None where nothing is wanted.

        Raises:
            shared.errors.ZhufuError: As starting a stack does.
        """
        if serving == self._serving and (self._stack is None) == (serving is None):
            return self._stack
        self._end()
        if serving is None:
            return None
        self._wait_for_ports(serving)
        stack = serving.stack(self._base_port, self._console, self._log_dir)
        self._stack = self._open.enter_context(stack)
        self._serving = serving
        return stack

    def check(self) -> None:
        """Raise `trainer.stack.ServiceDied` where a process of the stack has ended by itself."""
        if self._stack is not None:
            self._stack.check()

    def _end(self) -> None:
        self._serving = self._stack = None
        self._open.close()

    def _wait_for_ports(self, serving: Serving) -> None:
        """Where somebody else keeps one for longer, starting the stack will say so."""
        deadline = time.monotonic() + PORTS_SECONDS
        while time.monotonic() < deadline and not all(map(is_free, serving.ports(self._base_port))):
            with self._console.status("waiting for the ports of a run that has just ended"):
                time.sleep(0.2)


@dataclasses.dataclass(frozen=True, slots=True)
class PlannedAddresses:
    """Where a stack would serve, without one: for command lines that are only looked at.

    Attributes:
        base_port: Of the stack.
    """

    base_port: int

    @property
    def urls(self) -> dict[str, str]:
        """Of every service by HTTP, and of the local LLM."""
        specs = all_services("", {}, {})
        services = {spec.name: f"http://{HOST}:{self.base_port + spec.port_offset}" for spec in specs}
        return {**services, LLM: f"http://{HOST}:{self.base_port + PORT_OFFSET}/v1"}

    def queue_url(self, reward: str) -> str:
        """Of a reward's queue; of a Redis that is given without its secrets."""
        given = os.environ.get(REDIS_URL_VARIABLE)
        return queue_url(without_secrets(given) if given else f"redis://{HOST}:{self.base_port}/0", reward)
