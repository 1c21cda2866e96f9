"""Freed memory is kept, in a process of its own: what malloc was told cannot be taken back."""

from __future__ import annotations

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys, threading
from shared.allocator import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def fill():
    for _ in range(20):
        [bytes([number]) * 4_000_000 for number in range(4)]
fill()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
thread = threading.Thread(target=fill)
thread.start(); thread.join()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True, timeout=60)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
def test_what_a_thread_frees_is_not_asked_for_again() -> None:
    assert page_faults("kept") < page_faults("given back") / 10
