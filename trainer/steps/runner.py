"""Runs steps in their order, each in a process of its own: what is done is passed over, what was cut short goes on.

Whatever is killed, and whenever, the same call goes on with it. A step is done when the file is there that its command
writes last, or when its record says so; so a kill between the end of a step and the note of it repeats nothing. A step
ends with whoever started it, and holds the folder until it has ended, so that two never write the same files.
"""

from __future__ import annotations

import contextlib
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TaskID

from trainer.stack import Stack
from trainer.stack.process import ManagedProcess
from trainer.stack.services import project_environment
from trainer.stack.signals import ending_as_interrupt
from trainer.steps.errors import StepFailed
from trainer.steps.lock import FolderLock
from trainer.steps.progress import Estimate, duration, steps_bar
from trainer.steps.records import StepRecord, StepRecords
from trainer.steps.serving import Services
from trainer.steps.step import Step

INTERRUPTED = 130
LOOK_SECONDS = 0.2
NOTE_SECONDS = 2.0
"""How often the time of a running step is written down, so that a killed one counts, too."""
END_SECONDS = 30.0
"""A step that is asked to end gets so long."""
MODULE = ("-m", "trainer.cli")
LOGS = "logs"
WIDE = {"COLUMNS": "160"}
"""Tables in a log are not cut to 80 characters."""


def run_steps(
    steps: Sequence[Step], folder: Path, console: Console, *, base_port: int, logged: bool, wait_seconds: float = 30.0
) -> None:
    """Run what is not done yet.

    Args:
        steps: In their order; `trainer.steps.plan.check_plan` has looked at them.
        folder: Of records, logs and locks; made when missing.
        console: Where it is told what happens.
        base_port: Of the stacks that steps want.
        logged: What steps print goes to ``FOLDER/logs/NAME.log`` and a bar shows all of them; else it goes to this
            terminal, where each shows its own.
        wait_seconds: How long a run in this folder that was killed may take to end.

    Raises:
        StepFailed: A step ended without its result.
        StepChanged, StepUndone: What is done does not go with what is asked for.
        FolderInUse: Another process is at work here.
        shared.errors.ZhufuError: What a step wants beside it could not be started, or died.
    """
    with FolderLock(folder, wait_seconds=wait_seconds) as lock, ending_as_interrupt():
        _Run(steps, folder, console, lock, logged=logged).run(base_port)


class _Run:
    """One go through all steps."""

    def __init__(
        self, steps: Sequence[Step], folder: Path, console: Console, lock: FolderLock, *, logged: bool
    ) -> None:
        self._steps = steps
        self._folder = folder
        self._console = console
        self._lock = lock
        self._logged = logged
        self._records = StepRecords(folder)
        self._estimate = Estimate(steps)

    def run(self, base_port: int) -> None:
        done = self._records.done_among(self._steps)
        for step in self._steps:
            if step.name in done:
                record = self._records.of(step) or StepRecord(name=step.name, arguments=step.told())
                self._estimate.is_done(step.name, record.seconds)
                if not record.done:
                    self._records.write(record.model_copy(update={"done": True}))
        (self._folder / LOGS).mkdir(exist_ok=True)
        with Services(base_port, self._console, self._folder / LOGS) as services:
            for number, step in enumerate(self._steps, start=1):
                if step.name in done:
                    self._console.print(f"done before: {step.title}", markup=False, highlight=False)
                else:
                    self._console.rule(f"{number} of {len(self._steps)}  {step.title}")
                    self._do(step, services)
                if step.check is not None:
                    step.check()

    def _do(self, step: Step, services: Services) -> None:
        missing = [path for path in step.inputs if not path.exists()]
        if missing:
            raise StepFailed(f"{step.name} cannot begin: {missing[0]} is not there")
        stack = services.want(step.serving)
        record = self._records.of(step)
        told = step.told()
        attempts, before = (record.attempts, record.seconds) if record is not None else (0, 0.0)
        begun = StepRecord(name=step.name, arguments=told, attempts=attempts + 1, seconds=before)
        self._records.write(begun)
        started = time.monotonic()

        def note() -> StepRecord:
            noted = begun.model_copy(update={"seconds": before + time.monotonic() - started})
            self._records.write(noted)
            return noted

        try:
            status = self._run(step, stack, services, note)
        finally:
            record = note()
        seconds = record.seconds
        self._records.write(record.model_copy(update={"done": True, "status": status}))
        self._estimate.is_done(step.name, seconds)
        left = self._estimate.left_seconds()
        rest = "" if left is None else f"; {duration(self._estimate.used_seconds)} used, about {duration(left)} left"
        self._console.print(f"done in {duration(seconds)}{rest}", highlight=False)

    def _run(self, step: Step, stack: Stack | None, services: Services, note: Callable[[], object]) -> int:
        """The exit status of the step's process; ``note`` is called now and then while it runs."""
        resume = ["--resume"] if step.resume_if is not None and step.resume_if.is_file() else []
        program = step.launcher or (sys.executable, "-P")
        command = [*program, *MODULE, *step.command_line(stack), *resume]
        log = self._folder / LOGS / f"{step.name}.log" if self._logged else None
        if log is not None:
            with log.open("a", encoding="utf-8") as file:
                file.write(f"$ zhufu {shlex.join([*step.told(), *resume])}\n")
        process = ManagedProcess(
            step.name,
            "",
            command,
            log,
            {**project_environment(), **({} if log is None else WIDE), **step.environment},
            keeps_open=(self._lock.descriptor,),
        )
        with contextlib.ExitStack() as cleanup:
            cleanup.callback(process.kill)
            process.start()
            cleanup.callback(_end, process)
            shown = self._logged and self._console.is_terminal
            bar = cleanup.enter_context(steps_bar(self._console)) if shown else None
            task = None if bar is None else bar.add_task(step.name, total=len(self._steps), figures="")
            begun = noted = time.monotonic()
            while not process.wait(LOOK_SECONDS):
                services.check()
                if time.monotonic() - noted >= NOTE_SECONDS:
                    noted = time.monotonic()
                    note()
                if bar is not None and task is not None:
                    self._show(bar, task, step, time.monotonic() - begun)
        status = process.status
        if status == INTERRUPTED:
            raise KeyboardInterrupt
        if status not in step.fine:
            raise StepFailed(f"{step.name}: {process.ending()}\nthe same command goes on with it")
        missing = [path for path in step.results if not path.exists()]
        if missing:
            raise StepFailed(f"{step.name} ended, and {missing[0]} is not there: {process.ending()}")
        return status

    def _show(self, bar: Progress, task: TaskID, step: Step, running: float) -> None:
        left = self._estimate.left_seconds(step.name, running)
        figures = "" if left is None else f"about {duration(left)} left"
        bar.update(task, completed=self._estimate.done, figures=figures)


def _end(process: ManagedProcess) -> None:
    """A step that is not waited for any more: its own journal or checkpoints are what it goes on from."""
    process.terminate()
    process.wait(END_SECONDS)
