"""Ports of this machine, looked at before anything is started on them."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from shared.errors import ZhufuError

HOST = "127.0.0.1"
MAX_PORT = 65_535


class PortUnavailable(ZhufuError):
    """A port that is needed is in use or does not exist; nothing was started."""

    code = "port_unavailable"


def check_ports(ports: Mapping[str, int]) -> None:
    """Raise `PortUnavailable`, naming every port (by who wants it) that cannot be listened on."""
    impossible = {name: port for name, port in ports.items() if not 1 <= port <= MAX_PORT}
    if impossible:
        raise PortUnavailable(f"there is no such port: {_list(impossible)}; choose another base port")
    taken = {name: port for name, port in ports.items() if not is_free(port)}
    if taken:
        raise PortUnavailable(
            f"in use by another program: {_list(taken)}; end that program or choose another base port"
        )


def is_free(port: int) -> bool:
    """Whether a server could listen on a port of the loopback address now."""
    with socket.socket() as probe:
        # As servers do: a connection that was closed a moment ago does not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _list(ports: Mapping[str, int]) -> str:
    return ", ".join(f"port {port} (for {name})" for name, port in ports.items())
