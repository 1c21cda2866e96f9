"""docs/benchmarks.md: one section for each part, between markers, so that a run of one part replaces only its own."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.tables import Section

HEAD = """# Benchmarks

Written by `python -m benchmarks` (`make bench`), section by section; do not edit. `--only PART` runs one part and
replaces its section alone; `--quick` runs through everything with little work and writes nothing. The line below each
title tells command, date, machine, and the machine's load before the start (0 is quiet).

Everything is real and in a process of its own on one machine, the load generator too, so what that takes is lost to
what is measured. What is compared ran by turns, round by round, in one run.
"""
COMMON_VERSIONS = ("pydantic", "redis")
_SECTION = re.compile(r"<!-- part: (?P<name>\S+) -->\n(?P<text>.*?)\n<!-- end: (?P=name) -->\n", re.DOTALL)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """How a section came to be.

    Attributes:
        command: That measures it again.
        load: Average number of running processes of the machine before the start.
        seconds: What it took.
    """

    command: str
    load: float
    seconds: float

    def line(self, versions: Mapping[str, str]) -> str:
        """For people who compare figures: what, when, where."""
        today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
        used = ", ".join(f"{name} {version}" for name, version in versions.items())
        return (
            f"`{self.command}`, {today}, {self.seconds / 60:.1f} minutes. {machine()}, load {self.load:.1f}. "
            f"Python {platform.python_version()}, {used}."
        )


def machine() -> str:
    """What it was measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    return f"{os.cpu_count()} cores ({model}), {platform.system()}"


def installed(packages: Iterable[str]) -> dict[str, str]:
    """The versions of packages of this environment."""
    return {name: importlib.metadata.version(name) for name in packages}


def rendered(section: Section, measured: Measured) -> str:
    """A section as it stands between its markers."""
    versions = {**installed(COMMON_VERSIONS), **section.versions}
    title, _, rest = section.markdown().partition("\n\n")
    return f"{title}\n\n{measured.line(versions)}\n\n{rest}".rstrip("\n")


def with_section(document: str, name: str, text: str, order: Sequence[str]) -> str:
    """A document with one part's section replaced, or put where it belongs.

    Args:
        document: As it stands; may be empty.
        name: Of the part.
        text: Its section.
        order: All parts. Sections of parts that are no more are left out.
    """
    sections = {found["name"]: found["text"] for found in _SECTION.finditer(document)} | {name: text}
    kept = [f"<!-- part: {each} -->\n{sections[each]}\n<!-- end: {each} -->\n" for each in order if each in sections]
    return "\n".join([HEAD, *kept])
