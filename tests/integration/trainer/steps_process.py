"""A runner of three counting steps, as a process: ``python -m tests.integration.trainer.steps_process FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from shared.errors import ZhufuError
from tests.integration.trainer import counting_step
from trainer.steps.runner import INTERRUPTED, run_steps
from trainer.steps.step import Mark, Step

NAMES = ("a", "b", "c")


def counting_steps(folder: Path) -> list[Step]:
    """Each reads what the one before it has made."""
    made = {name: folder / f"{name}.done" for name in NAMES}
    return [
        Step(
            name=name,
            title=f"counts as {name}",
            arguments=(name, str(folder)),
            done=Mark(path=made[name]),
            reads=tuple(made[before] for before in NAMES[: NAMES.index(name)][-1:]),
            launcher=(sys.executable, counting_step.__file__),
        )
        for name in NAMES
    ]


def main() -> None:
    folder = Path(sys.argv[1])
    try:
        run_steps(counting_steps(folder), folder, Console(), base_port=1, logged=True)
    except ZhufuError as error:
        sys.exit(f"{error.code}: {error.detail}")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
