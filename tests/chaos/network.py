"""A network namespace with one cable to the rest of this machine, which can be pulled."""

from __future__ import annotations

import functools
import os
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from typing import Self

COMMAND_SECONDS = 10.0


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, timeout=COMMAND_SECONDS, capture_output=True)


@functools.cache
def missing() -> str | None:
    """Why there can be none here, if so."""
    if os.geteuid() != 0:
        return "network namespaces are made by root only"
    if not all(map(shutil.which, ("ip", "ss"))):
        return "there is no iproute2, with its commands ip and ss"
    try:
        with Cable():
            return None
    except subprocess.CalledProcessError as error:
        return f"the kernel refuses network namespaces or veth: {error.stderr.decode(errors='replace').strip()}"


class Cable:
    """The namespace and its cable, while the context is open.

    Attributes:
        near: The address of this machine on the cable, which only the namespace can reach.
        far: The address of the namespace.
    """

    def __init__(self) -> None:
        # A /30 of the range that RFC 2544 sets aside for tests, taken at random: rounds may run side by side.
        number = secrets.randbelow(2**15)
        base = f"198.{18 + (number >> 14)}.{number >> 6 & 0xFF}"
        last = (number & 0x3F) * 4
        self.near = f"{base}.{last + 1}"
        self.far = f"{base}.{last + 2}"
        self._name = f"zhufu-chaos-{number}"
        self._near_end, self._far_end = f"zc{number}n", f"zc{number}f"

    def __enter__(self) -> Self:
        _ip("netns", "add", self._name)
        try:
            _ip("link", "add", self._near_end, "type", "veth", "peer", "name", self._far_end, "netns", self._name)
            _ip("addr", "add", f"{self.near}/30", "dev", self._near_end)
            _ip("link", "set", self._near_end, "up")
            _ip("-n", self._name, "addr", "add", f"{self.far}/30", "dev", self._far_end)
            _ip("-n", self._name, "link", "set", self._far_end, "up")
            _ip("-n", self._name, "link", "set", "lo", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        _ip("netns", "del", self._name)  # takes the cable with it

    def inside(self, command: Sequence[str]) -> list[str]:
        """A command that runs in the namespace; the process keeps its id."""
        return ["ip", "netns", "exec", self._name, *command]

    def pull(self) -> None:
        """Nothing passes from now on, in either direction, and nobody is told."""
        _ip("link", "set", self._near_end, "down")

    def forget_connections(self) -> None:
        """The namespace knows of no connection any more, and told nobody: as a machine that was started anew."""
        _ip("-n", self._name, "link", "set", self._far_end, "down")  # else what it says waits for the cable
        command = self.inside(["ss", "--kill", "--tcp", "dst", self.near])
        subprocess.run(command, check=True, timeout=COMMAND_SECONDS, capture_output=True)
        _ip("-n", self._name, "link", "set", self._far_end, "up")

    def plug_in(self) -> None:
        """All passes again."""
        _ip("link", "set", self._near_end, "up")
