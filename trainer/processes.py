"""One training in several processes, as ``accelerate launch`` and ``torchrun`` start them; a single one needs neither.

They tell each process its place by environment variables, before anything of torch is loaded.
"""

from __future__ import annotations

import os


def world_size() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main_process() -> bool:
    """Whether this is the one that writes and shows."""
    return int(os.environ.get("RANK", "0")) == 0
