"""What a step of a test runs in the place of ``zhufu``: it counts to `UNITS`, and is killed where the test says so.

``counting_step.py … NAME FOLDER``. Each unit is a line in ``FOLDER/units``, and a step that is begun again goes on
behind the last one. ``FOLDER/kill`` says, once, ``NAME UNIT WHO``: at this unit (or ``end``, when all is written) the
step or whoever runs it gets SIGKILL, or, where nobody is to be killed, the step holds. With a ``slow-runner`` the step
takes its time to end after that.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import psutil

UNITS = 3
END = "end"
HELD_SECONDS = 60.0
SLOW_SECONDS = 4.0
"""More than another runner takes to begin."""


def main() -> None:
    name, folder = sys.argv[-2], Path(sys.argv[-1])
    seen = folder / "processes"
    if any(psutil.pid_exists(int(line)) for line in seen.read_text().split()) if seen.exists() else False:
        (folder / "overlap").write_text(name)
    with seen.open("a") as file:
        file.write(f"{os.getpid()}\n")
    units = folder / "units"
    done = [line.split()[1] for line in (units.read_text().splitlines() if units.exists() else []) if line[0] == name]
    for unit in range(len(done), UNITS):
        die_where_told(folder, name, str(unit))
        with units.open("a") as file:
            file.write(f"{name} {unit}\n")
    (folder / f"{name}.done").write_text("")
    die_where_told(folder, name, END)


def die_where_told(folder: Path, name: str, unit: str) -> None:
    order = folder / "kill"
    if not order.exists():
        return
    which, where, who = order.read_text().split()
    if (which, where) != (name, unit):
        return
    order.unlink()
    runner = psutil.Process(os.getppid()).ppid()  # between the two is the leash
    victim = {"step": os.getpid(), "runner": runner, "slow-runner": runner, "nobody": None}[who]
    if who == "slow-runner":
        signal.signal(signal.SIGTERM, lambda *_: end_slowly())
    if victim is not None:
        os.kill(victim, signal.SIGKILL)
    time.sleep(HELD_SECONDS)


def end_slowly() -> None:
    time.sleep(SLOW_SECONDS)
    sys.exit(1)


if __name__ == "__main__":
    main()
