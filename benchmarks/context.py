"""What every part of the benchmarks is given."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from rich.console import Console


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """How one part is to run.

    Attributes:
        console: For progress.
        folder: Of this part alone; it is removed afterwards.
        quick: Whether to run through everything with so little work that the figures mean nothing.
        peers: Where the virtual environments of other projects are; see `benchmarks.peers`.
    """

    console: Console
    folder: Path
    quick: bool
    peers: Path
