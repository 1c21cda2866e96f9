"""Ports for a stack, which wants several in a row."""

from __future__ import annotations

import random

from trainer.ports import is_free

PORTS_OF_A_STACK = 5


def free_base_port() -> int:
    """A port that is free with the four behind it, below those that the system gives to outgoing connections."""
    for _ in range(100):
        port = random.SystemRandom().randrange(20_000, 30_000)
        if not taken_ports(port):
            return port
    raise AssertionError(f"no {PORTS_OF_A_STACK} free ports in a row")


def taken_ports(base_port: int) -> list[int]:
    """Those of a stack's ports that somebody listens on."""
    return [port for port in range(base_port, base_port + PORTS_OF_A_STACK) if not is_free(port)]
