"""A small stand-in for a container engine: runs services of the Compose files by runc, confined as they say.

Images are buildah's. Every container is on this machine's network, where one file of hosts gives the services their
names; all else is as an engine does it: the image's user, variables and command, a read-only root file system, no
capabilities, no new privileges, limits of memory and processes, /tmp in memory, named volumes that begin with what the
image has in their place.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.build_images import Buildah
from tests.support.compose import Service, seconds
from tests.support.processes import ROOT, Process

SIZES = {"M": 2**20, "G": 2**30, "m": 2**20, "g": 2**30}
NAMESPACES = ("pid", "mount", "ipc", "uts", "cgroup")
LOOK_SECONDS = 0.5
HEALTH_SECONDS = 300.0
"""How long a container may take to be healthy: the machine may be busy with other things."""
DEVICES = {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=64k"]}
SHARED_MEMORY = {
    "destination": "/dev/shm",
    "type": "tmpfs",
    "source": "shm",
    "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=64m"],
}


class Container(Process):
    """One running service. Its output is in a file."""

    def __init__(self, engine: Engine, service: Service, name: str, bundle: Path) -> None:
        self.engine = engine
        self.service = service
        self.name = name
        super().__init__([*engine.runc, "run", "--bundle", str(bundle), name], bundle / "log")

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it, as its user."""
        words = [*self.engine.runc, "exec", self.name, *command]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)

    def is_healthy(self) -> bool:
        """Ask its own health check, once."""
        return self.running and self.execute(*self.health_check()).returncode == 0

    def health_check(self) -> list[str]:
        """The command, of Compose or else of the image."""
        if "healthcheck" in self.service.definition:
            word, *command = self.service.definition["healthcheck"]["test"]
            assert word == "CMD"
            return list(command)
        config = self.engine.buildah.config(self.engine.image_of(self.service))
        word, *command = config["Healthcheck"]["Test"]  # type: ignore[index]
        assert word == "CMD"
        return list(command)

    def wait_until_healthy(self) -> None:
        deadline = time.monotonic() + HEALTH_SECONDS
        while not self.is_healthy():
            assert self.running, f"{self.name} has ended:\n{self.printed()[-4000:]}"
            assert time.monotonic() < deadline, f"{self.name} is not healthy:\n{self.printed()[-4000:]}"
            time.sleep(LOOK_SECONDS)

    def stop(self) -> int:
        """SIGTERM, and wait as long as Compose does; the exit status."""
        subprocess.run([*self.engine.runc, "kill", self.name, "TERM"], check=True, capture_output=True)
        return self.wait(seconds(self.service.definition["stop_grace_period"]))

    def remove(self) -> None:
        """End it in any case."""
        command = [*self.engine.runc, "delete", "--force", self.name]
        subprocess.run(command, check=False, capture_output=True)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(10.0)


class Engine:
    """Starts containers and ends them all."""

    def __init__(self, folder: Path, storage: Path | None, names: Mapping[str, str] | None = None) -> None:
        """Nothing is started yet.

        Args:
            folder: For bundles, volumes and logs.
            storage: Where buildah keeps images; its own place where None.
            names: Images that stand in for those of Compose, by service.
        """
        self.folder = folder
        self.buildah = Buildah(storage)
        self.runc = ["runc", "--root", str(folder / "runc")]
        self._names = dict(names or {})
        self._started: list[Container] = []
        self._mounted: list[str] = []

    def image_of(self, service: Service) -> str:
        """The image that is run for a service."""
        return self._names.get(service.name) or str(service.definition["image"])

    def start(self, service: Service, hosts: Path, command: list[str] | None = None) -> Container:
        """Start a service.

        Args:
            service: Of Compose.
            hosts: What it has as /etc/hosts.
            command: Instead of its own.
        """
        name = f"zhufu-{service.name}-{uuid.uuid4().hex[:8]}"
        bundle = self.folder / name
        bundle.mkdir(parents=True)
        container = self.buildah.ask("from", "--pull-never", self.image_of(service))
        self._mounted.append(container)
        root = Path(self.buildah.ask("mount", container))
        config: Any = self.buildah.config(self.image_of(service))
        (bundle / "config.json").write_text(
            json.dumps(self._configuration(service, name, root, config, hosts, command)), encoding="utf-8"
        )
        started = Container(self, service, name, bundle)
        self._started.append(started)
        return started

    def end(self) -> None:
        """End every container and let go of its files."""
        for container in reversed(self._started):
            container.remove()
        for mounted in self._mounted:
            self.buildah.ask("rm", mounted)

    def _configuration(
        self, service: Service, name: str, root: Path, config: Any, hosts: Path, command: list[str] | None
    ) -> dict[str, Any]:
        """What runc is told: the image's configuration and what Compose says over it."""
        definition = service.definition
        assert definition["cap_drop"] == ["ALL"]
        user, group = ids_of(str(definition.get("user") or config["User"]), root)
        variables = dict(entry.split("=", 1) for entry in config["Env"]) | service.given
        return {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": user, "gid": group},
                "args": command or definition.get("command") or config["Cmd"],
                "env": [f"{variable}={value}" for variable, value in variables.items()],
                "cwd": config["WorkingDir"] or "/",
                "capabilities": {},
                "noNewPrivileges": "no-new-privileges:true" in definition["security_opt"],
            },
            "root": {"path": str(root), "readonly": definition["read_only"]},
            "hostname": service.name,
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                DEVICES,
                SHARED_MEMORY,
                bind(Path("/sys"), "/sys", writable=False),
                bind(hosts, "/etc/hosts", writable=False),
                *map(in_memory, definition["tmpfs"]),
                *(self._volume(volume, root) for volume in definition.get("volumes", [])),
            ],
            "linux": {
                "namespaces": [{"type": namespace} for namespace in NAMESPACES],
                "cgroupsPath": f"/{name}",
                "resources": {
                    "memory": {"limit": bytes_of(service.limits["memory"])},
                    "pids": {"limit": int(service.limits["pids"])},
                },
            },
        }

    def _volume(self, volume: str, root: Path) -> dict[str, Any]:
        """A named volume, which begins as a copy of what the image has there; or a folder of the project."""
        source, target, *mode = volume.split(":")
        if source.startswith("."):
            return bind(ROOT / source, target, writable=False)
        folder = self.folder / "volumes" / source
        if not folder.exists():
            folder.parent.mkdir(exist_ok=True)
            subprocess.run(["cp", "--archive", str(root) + target, str(folder)], check=True)
        return bind(folder, target, writable=mode != ["ro"])


def bind(source: Path, target: str, *, writable: bool) -> dict[str, Any]:
    """A mount of something on this machine."""
    options = ["rbind", "nosuid", "nodev", "rw" if writable else "ro"]
    return {"destination": target, "type": "bind", "source": str(source), "options": options}


def in_memory(mount: str) -> dict[str, Any]:
    """A mount in memory, as Compose writes it: ``/tmp:size=512m``. Nothing in it is run unless it says ``exec``."""
    target, _, given = mount.partition(":")
    options = [option for option in given.split(",") if option]
    default = [] if "exec" in options else ["noexec"]
    return {
        "destination": target,
        "type": "tmpfs",
        "source": "tmpfs",
        "options": ["nosuid", "nodev", *default, "mode=1777", *options],
    }


def bytes_of(size: str) -> int:
    """A size of Compose, such as ``512M``."""
    found = re.fullmatch(r"(\d+)([MGmg])", size)
    assert found is not None, size
    return int(found[1]) * SIZES[found[2]]


def ids_of(user: str, root: Path) -> tuple[int, int]:
    """The numbers of a user: ``10001:10001``, or a name that an image knows."""
    if found := re.fullmatch(r"(\d+):(\d+)", user):
        return int(found[1]), int(found[2])
    lines = (root / "etc/passwd").read_text(encoding="utf-8").splitlines()
    (fields,) = [fields for line in lines if (fields := line.split(":"))[0] == user]
    return int(fields[2]), int(fields[3])


def missing_programs() -> list[str]:
    """What must be installed for all this and is not."""
    return [program for program in ("buildah", "runc") if shutil.which(program) is None]
