"""The principles that come with the judge."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from shared.errors import InvalidData
from shared.principles import Principles, load_principles

FOLDER = Path(__file__).parent / "principles"


def shipped_principles() -> Iterable[Principles]:
    """Those that come with the service."""
    return [load_principles(path) for path in sorted(FOLDER.glob("*.yaml"))]


def find_principles(name: str) -> Principles:
    """Principles by the id of one that ships with the service, or by the path of a file.

    Raises:
        InvalidData: There is none, or it is not valid.
    """
    for shipped in shipped_principles():
        if shipped.id == name:
            return shipped
    path = Path(name)
    if path.suffix in {".yaml", ".yml"}:
        return load_principles(path)
    known = ", ".join(shipped.id for shipped in shipped_principles())
    raise InvalidData(name, f"no principles of that id (known: {known}), and not the path of a .yaml file")
