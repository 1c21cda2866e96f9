"""Ports for servers of tests, below those that the system gives to outgoing connections meanwhile."""

from __future__ import annotations

import collections
import random

from trainer.ports import is_free

PORTS_OF_A_STACK = 5

_given: collections.deque[int] = collections.deque(maxlen=1000)
"""What was given away lately: whoever asked may not listen yet."""


def free_base_port() -> int:
    """A port that is free with the four behind it, as a stack wants them."""
    return free_row(PORTS_OF_A_STACK, range(20_000, 30_000))


def free_row(count: int, ports: range) -> int:
    """The first of so many in a row that nobody listens on, and that this process has not given away lately."""
    for _ in range(100):
        first = random.SystemRandom().choice(ports)
        row = range(first, first + count)
        if all(port not in _given and is_free(port) for port in row):
            _given.extend(row)
            return first
    raise AssertionError(f"no {count} free ports in a row")


def taken_ports(base_port: int) -> list[int]:
    """Those of a stack's ports that somebody listens on."""
    return [port for port in range(base_port, base_port + PORTS_OF_A_STACK) if not is_free(port)]
