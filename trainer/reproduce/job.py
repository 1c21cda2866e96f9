"""``zhufu reproduce``: from options to a folder with all steps and, at their end, the tables.

plan.json                 what runs, as it is resolved
run.json                  what was asked for; another preset, seed or data need another folder
steps/NAME.json           what is done (`trainer.steps.records`)
logs/NAME.log             what each step printed; logs/SERVICE.log what ran beside
audit/ … policies/        the folder of each step
report.html, report.md, result.json
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from shared.errors import InvalidRequest
from trainer.presets import PresetName
from trainer.report.document_page import write_document
from trainer.reproduce.document import reproduction_document
from trainer.reproduce.measured import Measured, read_measured
from trainer.reproduce.paper_files import PaperFiles, find_paper_files
from trainer.reproduce.plan_table import PLAN, check_steps, plan_record, show_plan
from trainer.reproduce.presets import PRESETS
from trainer.reproduce.recipe import RESULT, Recipe
from trainer.run_folder import RECORD, open_run_folder, write_json
from trainer.stack import GivenLlm, LocalLlm, choose_llm
from trainer.steps.lock import LOCK
from trainer.steps.needs import check_needs, lacking
from trainer.steps.runner import run_steps
from trainer.steps.step import Step, named

COMMAND = "reproduce"
UNNAMED_LLM = "http://llm.invalid/v1"
"""In a plan, where nobody has named one yet."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ReproduceJob:
    """What is reproduced, and where.

    Attributes:
        preset: Which sizes.
        data: Folder of the paper's files; None where nobody has named one.
        output: Folder of all steps.
        base_port: Of the stacks.
        seed: Of all that is random.
        until: The last step to run; None: all.
    """

    preset: PresetName
    data: Path | None
    output: Path
    base_port: int
    seed: int = 0
    until: str | None = None

    def recipe(self) -> Recipe:
        """What the steps are made of.

        Raises:
            PaperDataMissing: A file of the paper is not there.
        """
        preset, files = PRESETS[self.preset], find_paper_files(self.data)
        llm = choose_llm()
        if isinstance(llm, LocalLlm) and preset.llm_needs.environment:
            llm = GivenLlm(url=UNNAMED_LLM)  # a stand-in is not among what this preset runs with
        return Recipe(preset=preset, files=files, output=self.output.resolve(), llm=llm, seed=self.seed)

    def wanted(self, steps: Sequence[Step]) -> list[Step]:
        """The steps up to the one that is to be the last.

        Raises:
            InvalidRequest: There is no such step.
        """
        if self.until is None:
            return list(steps)
        last = named(steps, self.until)
        if last is None:
            names = ", ".join(step.name for step in steps)
            raise InvalidRequest(f"there is no step {self.until}; there are {names}")
        return [*steps[: steps.index(last)], last]


def plan(job: ReproduceJob, console: Console) -> Path:
    """A dry run: resolve every step, run none; the path of the plan.

    Raises:
        shared.errors.ZhufuError: The paper's files are not there, or a step cannot be resolved.
    """
    recipe = job.recipe()
    steps = job.wanted(recipe.steps())
    check_steps(steps, recipe.output, job.base_port)
    missing = lacking(steps)
    recipe.output.mkdir(parents=True, exist_ok=True)
    path = recipe.output / PLAN
    write_json(path, plan_record(steps, job.base_port, missing))
    show_plan(steps, job.base_port, missing, console, path)
    return path


def reproduce(job: ReproduceJob, console: Console) -> Measured | None:
    """Run what is not done, and write the tables; None where steps are left that ``until`` leaves out.

    Raises:
        shared.errors.ZhufuError: The paper's files or something else is not there, the folder holds another run, or a
            step failed; after that, the same call goes on.
    """
    recipe = job.recipe()
    every = recipe.steps()
    steps = job.wanted(every)
    check_steps(steps, recipe.output, job.base_port)
    check_needs(steps)
    _open(job, recipe)
    write_json(recipe.output / PLAN, plan_record(every, job.base_port, {}))
    run_steps(steps, recipe.output, console, base_port=job.base_port, logged=True)
    if len(steps) < len(every):
        return None
    measured = read_measured(recipe, steps)
    write_json(recipe.output / RESULT, measured.record())
    write_document(reproduction_document(measured), recipe.output)
    return measured


def _open(job: ReproduceJob, recipe: Recipe) -> None:
    """Take a new folder, one with a plan only, or one in which this very run has begun."""
    output = recipe.output
    begun = (output / RECORD).is_file()
    if not begun and output.is_dir():
        for name in (PLAN, LOCK):
            (output / name).unlink(missing_ok=True)
    settings = {
        "preset": job.preset,
        "seed": job.seed,
        "data": digests(recipe.files),
        "base": recipe.preset.base,
        "llm": recipe.llm.alias,
    }
    open_run_folder(output, command=COMMAND, settings=settings, resume=begun, versions_of=("zhufu", "torch", "trl"))


def digests(files: PaperFiles) -> dict[str, str]:
    """SHA-256 of each of the paper's files."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files.all()}
