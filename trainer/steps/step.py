"""One step: a command line of ``zhufu`` as data, what it reads and makes, and how one sees that it is done."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from trainer.steps.serving import Serving


class Addresses(Protocol):
    """Where rewards are served, as `trainer.stack.Stack` knows it."""

    @property
    def urls(self) -> Mapping[str, str]:
        """Of each service by HTTP, by its name."""

    def queue_url(self, reward: str) -> str:
        """Of a reward's queue."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ServedUrl:
    """An argument that is known once the stack is: the URL of a service, by HTTP or of its queue.

    Attributes:
        service: Its name in the stack; the local LLM's is ``llm``.
        queued: The URL of its queue.
        before: What stands before the URL, such as ``judge=``.
    """

    service: str
    queued: bool = False
    before: str = ""

    def at(self, addresses: Addresses) -> str:
        """The argument."""
        url = addresses.queue_url(self.service) if self.queued else addresses.urls[self.service]
        return f"{self.before}{url}"

    def __str__(self) -> str:
        return f"{self.before}{'queue of ' if self.queued else ''}{self.service}"


Argument = str | ServedUrl


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What says that a command came to its end: the file that it writes last, whole.

    Attributes:
        path: Of the file.
        key: In its JSON; true where the work is complete. Without it the file's existence is enough.
    """

    path: Path
    key: str | None = None

    @property
    def is_there(self) -> bool:
        """Whether the command came to its end."""
        if not self.path.is_file():
            return False
        return self.key is None or bool(json.loads(self.path.read_text(encoding="utf-8"))[self.key])


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a machine must have for a step, beyond this project.

    Attributes:
        modules: Of Python.
        environment: Variables that are set.
        gpus: Of CUDA, at least.
    """

    modules: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    gpus: int = 0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A command line of ``zhufu`` and all that is to be known about it without running it.

    Attributes:
        name: Of its log and its record; unique.
        title: For people.
        arguments: Of ``zhufu``.
        done: What says that it is done.
        reads: Files and folders that must be there.
        makes: Files and folders that are there afterwards, ``done`` among them.
        resume_if: Where this file is there, ``--resume`` is added; None for a command that goes on, or begins anew, by
            itself.
        fine: Exit statuses that are no failure.
        serving: What runs beside it.
        environment: Variables of its process.
        launcher: What runs the module ``trainer.cli`` instead of Python itself, such as ``accelerate launch …``.
        needs: What the machine must have.
        minutes: What it took where that was measured, for estimates.
        check: Raises where what was made is no good for the steps that follow.
    """

    name: str
    title: str
    arguments: tuple[Argument, ...]
    done: Mark
    reads: tuple[Path, ...] = ()
    makes: tuple[Path, ...] = ()
    resume_if: Path | None = None
    fine: tuple[int, ...] = (0,)
    serving: Serving | None = None
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    launcher: tuple[str, ...] = ()
    needs: Needs = dataclasses.field(default_factory=Needs)
    minutes: float | None = None
    check: Callable[[], None] | None = None

    @property
    def results(self) -> tuple[Path, ...]:
        """All that must be there when it is done."""
        return tuple(dict.fromkeys([*self.makes, self.done.path]))

    @property
    def inputs(self) -> tuple[Path, ...]:
        """All that must be there when it begins, for its services too."""
        return tuple(dict.fromkeys([*self.reads, *(self.serving.reads if self.serving else ())]))

    def told(self) -> list[str]:
        """The arguments without what depends on ports, to be compared and shown."""
        return [str(argument) for argument in self.arguments]

    def command_line(self, addresses: Addresses | None) -> list[str]:
        """The arguments as ``zhufu`` gets them; ``addresses`` may be None where nothing is served."""
        line: list[str] = []
        for argument in self.arguments:
            if isinstance(argument, ServedUrl):
                assert addresses is not None, f"{self.name} asks for {argument}, and nothing is served"
                argument = argument.at(addresses)
            line.append(argument)
        return line


def named(steps: Sequence[Step], name: str) -> Step | None:
    """The step of a name."""
    return next((step for step in steps if step.name == name), None)


def training(
    kind: str,
    output: Path,
    arguments: Sequence[Argument],
    title: str,
    *,
    reads: Sequence[Path] = (),
    serving: Serving | None = None,
    environment: Mapping[str, str] | None = None,
    launcher: Sequence[str] = (),
    needs: Needs | None = None,
    minutes: float | None = None,
) -> Step:
    """A step ``zhufu train KIND``; its report is the last thing that it writes, its model what others read."""
    return Step(
        name=output.name,
        title=title,
        arguments=("train", kind, "--output", str(output), *arguments),
        done=Mark(path=output / "report.html"),
        reads=tuple(reads),
        makes=(output / "model",),
        resume_if=output / "run.json",
        serving=serving,
        environment=environment or {},
        launcher=tuple(launcher),
        needs=needs or Needs(),
        minutes=minutes,
    )
