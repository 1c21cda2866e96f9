from __future__ import annotations

import socket

import pytest

from tests.support.processes import free_port
from trainer.ports import PortUnavailable, check_ports, is_free


def test_free_ports_pass() -> None:
    check_ports({"redis": free_port()})
    check_ports({})


def test_every_port_in_use_is_named_with_who_wants_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        taken = {"redis": one.getsockname()[1], "reward_model": other.getsockname()[1]}
        with pytest.raises(PortUnavailable) as told:
            check_ports({**taken, "judge": free_port()})
    for name, port in taken.items():
        assert f"port {port} (for {name})" in told.value.detail
    assert "judge" not in told.value.detail


def test_a_port_that_is_held_on_every_address_is_not_free() -> None:
    with socket.create_server(("", 0)) as server:
        assert not is_free(server.getsockname()[1])


def test_a_port_whose_connections_were_closed_a_moment_ago_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=10):
            server.accept()[0].close()  # this side closes first: its end stays in TIME_WAIT
    assert is_free(port)


@pytest.mark.parametrize("port", [-1, 0, 65_536])
def test_a_port_that_does_not_exist_is_refused(port: int) -> None:
    with pytest.raises(PortUnavailable, match="no such port"):
        check_ports({"redis": port})
