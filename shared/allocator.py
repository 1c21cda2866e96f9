"""Memory that is freed is kept for the next batch, instead of being given back to the kernel and asked for again."""

from __future__ import annotations

import ctypes
import sys
from typing import Final

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
M_ARENA_MAX: Final = -8
"""Of ``malloc.h`` of glibc."""
LARGEST_KEPT_BYTES: Final = 32 * 1024 * 1024
"""glibc takes no more for M_MMAP_THRESHOLD; larger blocks are given back when they are freed."""
NEVER_TRIMMED_BYTES: Final = 2**31 - 1


def keep_freed_memory() -> bool:
    """Tell glibc's malloc to keep what a batch gave back; to be called before threads are started.

    A forward pass on a CPU allocates a block for the result of almost every operation. By default glibc gives the large
    ones, and the end of its heap, back to the kernel when they are freed, and the next operation pays for a page fault
    for every 4 KiB of them: in batches of eight texts a model of 4 million parameters spent a sixth of its time so
    (``python -m benchmarks.reward_profile --give-back``). The process stays as large as its largest batch has made it.

    Returns:
        Whether there is a glibc to be told, and it took all of it.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # musl
        return False
    mallopt.argtypes, mallopt.restype = [ctypes.c_int, ctypes.c_int], ctypes.c_int
    wanted = {
        M_ARENA_MAX: 1,  # one heap for all threads: those of further arenas are unmapped whenever they are empty
        M_MMAP_THRESHOLD: LARGEST_KEPT_BYTES,
        M_TRIM_THRESHOLD: NEVER_TRIMMED_BYTES,
    }
    taken = [mallopt(name, value) == 1 for name, value in wanted.items()]
    return all(taken)
