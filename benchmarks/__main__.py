"""``python -m benchmarks``: runs all parts or some, prints their tables and writes docs/benchmarks.md."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from benchmarks.context import Context
from benchmarks.parts import PARTS, run_of
from benchmarks.peers import FOLDER
from benchmarks.processes import ROOT, BenchmarkFailed
from benchmarks.report import Measured, rendered, with_section

OUTPUT = ROOT / "docs" / "benchmarks.md"


def run(name: str, arguments: argparse.Namespace, console: Console) -> None:
    """Measure one part, show its table, and put its section into the document.

    Raises:
        BenchmarkFailed: There is no figure to report; the document stays as it was.
    """
    load = os.getloadavg()[0]
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="zhufu-bench-") as folder:
        context = Context(console=console, folder=Path(folder), quick=arguments.quick, peers=arguments.peers)
        section = asyncio.run(run_of(name)(context))
    console.print(section.table())
    if arguments.quick:
        return
    command = f"python -m benchmarks --only {name}"
    measured = Measured(command=command, load=load, seconds=time.monotonic() - begun)
    output: Path = arguments.output
    document = output.read_text(encoding="utf-8") if output.is_file() else ""
    output.write_text(with_section(document, name, rendered(section, measured), list(PARTS)), encoding="utf-8")
    console.print(f"{name}: written to {output}", markup=False)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="run this part; repeatable")
    parser.add_argument("--quick", action="store_true", help="little work, figures that mean nothing, nothing written")
    parser.add_argument("--peers", type=Path, default=FOLDER, help="virtual environments of other projects")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    console = Console()
    failed = False
    for name in arguments.only or PARTS:
        try:
            run(name, arguments, console)
        except BenchmarkFailed as error:
            console.print(f"{name} failed: {error}", style="red", markup=False)
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
