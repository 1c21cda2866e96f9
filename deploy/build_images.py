"""Builds the images of all containers with buildah: no Docker engine, no registry of images.

python deploy/build_images.py [NAME ...]      on a base of Debian packages, which debootstrap puts together
python deploy/build_images.py --base IMAGE    on another base with Python 3.11 and its venv module

Needs root, buildah and, for its own base, debootstrap. pip works as it does for you: what `pip config list` says of
indexes, certificates and folders of wheels holds in the builds, too, and leaves no trace in the images. At the end the
sizes are printed, each beyond its base, as `du` would count them.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILES = {
    "judge": "services/judge/Dockerfile",
    "reward-model": "services/reward_model/Dockerfile",
    "multi-agent": "services/multi_agent/Dockerfile",
    "local-llm": "trainer/local_llm/Dockerfile",
    "trainer": "trainer/Dockerfile",
}
"""By the name of the service in docker-compose.yml."""
DEBIAN = "bookworm"
"""The Debian whose python3 is 3.11."""
DEBIAN_PACKAGES = ("ca-certificates", "python3", "python3-venv")
DEBIAN_LEFTOVERS = ("var/cache/apt", "var/lib/apt/lists", "var/cache/debconf", "usr/share/doc", "usr/share/man")
"""What an image does without."""
BASE_NAME = f"localhost/zhufu-base:{DEBIAN}"
PIP_OPTIONS = ("index-url", "extra-index-url", "find-links", "cert", "trusted-host", "proxy", "timeout")
"""Those of pip's options that tell where packages come from; others are the Dockerfiles' own matter."""


class Buildah:
    """buildah, without an engine and without namespaces of its own: in a chroot, on this machine's network."""

    def __init__(self, storage: Path | None) -> None:
        """A folder for images other than buildah's own, or None."""
        self._options = [] if storage is None else ["--root", str(storage / "root"), "--runroot", str(storage / "run")]

    def run(self, *arguments: str) -> None:
        """Run a command; what it says is shown."""
        subprocess.run(["buildah", *self._options, *arguments], check=True)  # noqa: S603, S607

    def ask(self, *arguments: str) -> str:
        """Run a command; what it answers."""
        command = ["buildah", *self._options, *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()  # noqa: S603

    def has(self, image: str) -> bool:
        """Whether there is an image of this name."""
        command = ["buildah", *self._options, "inspect", "--type", "image", image]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0  # noqa: S603

    @contextlib.contextmanager
    def mounted(self, image: str) -> Iterator[Path]:
        """The files of an image, as long as the context is open; what is changed in them is lost."""
        container = self.ask("from", "--pull-never", image)
        try:
            yield Path(self.ask("mount", container))
        finally:
            self.ask("rm", container)

    def config(self, image: str) -> dict[str, object]:
        """What an image says of itself: ``config`` of its Docker configuration."""
        config: dict[str, object] = json.loads(self.ask("inspect", "--type", "image", image))["Docker"]["config"]
        return config


def version() -> str:
    """Of the project: the tag of its images."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def build_debian(buildah: Buildah) -> None:
    """An image of Debian's Python and what that needs."""
    folder = Path(tempfile.mkdtemp(prefix="zhufu-base-"))
    try:
        include = f"--include={','.join(DEBIAN_PACKAGES)}"
        subprocess.run(["debootstrap", "--variant=minbase", include, DEBIAN, str(folder)], check=True)  # noqa: S603, S607
        for leftover in DEBIAN_LEFTOVERS:
            shutil.rmtree(folder / leftover, ignore_errors=True)
            (folder / leftover).mkdir(parents=True, exist_ok=True)
        container = buildah.ask("from", "scratch")
        buildah.run("copy", "--quiet", container, str(folder), "/")
        buildah.run("config", "--cmd", "python3", container)
        buildah.run("commit", "--quiet", "--rm", "--format", "docker", container, BASE_NAME)
    finally:
        shutil.rmtree(folder)


def pip_configuration(listed: str) -> tuple[str, list[Path]]:
    """The part of pip's configuration that a build needs, as a file, and the paths of this machine that it names.

    Args:
        listed: Output of ``pip config list``: lines such as ``global.cert='/etc/ssl/ca.pem'``; later ones win.
    """
    options: dict[str, str] = {}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        option = name.rpartition(".")[2]
        if option in PIP_OPTIONS:
            options[option] = str(ast.literal_eval(value))
    words = [word.removeprefix("file://") for value in options.values() for word in value.split()]
    paths = [Path(word) for word in words if word.startswith("/") and Path(word).exists()]
    lines = ["[global]", *(f"{option} = {' '.join(value.split())}" for option, value in options.items())]
    return "\n".join(lines) + "\n", [_mountable(path) for path in paths]


def _mountable(path: Path) -> Path:
    """A folder to mount for a path: that of simple indexes is above them, with the files that they name."""
    return path.parent if path.name == "simple" else path


@contextlib.contextmanager
def pip_mounts() -> Iterator[list[str]]:
    """Options for buildah that make pip in a build find what pip here finds."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603
    text, paths = pip_configuration(listed)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pip.conf"
        file.write_text(text, encoding="utf-8")
        mounts = {Path("/etc/pip.conf"): file, **{path: path for path in paths}}
        yield [f"--volume={source}:{target}:ro" for target, source in mounts.items()]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """An image and its size.

    Attributes:
        name: With its tag.
        megabytes: Of its files beyond those of its base, in millions of bytes.
    """

    name: str
    megabytes: float


def build(
    buildah: Buildah, name: str, base: str, mounts: Sequence[str], arguments: Mapping[str, str] | None = None
) -> Built:
    """Build one image.

    Args:
        buildah: With which.
        name: One of `DOCKERFILES`.
        base: The image that it is built on.
        mounts: Options from `pip_mounts`.
        arguments: Further build arguments.
    """
    image = f"zhufu-{name}:{version()}"
    given = {"BASE_IMAGE": base, **(arguments or {})}
    buildah.run(
        "build",
        "--isolation=chroot",
        "--network=host",
        "--pull-never",
        "--layers",
        "--format=docker",  # the other format knows no health checks
        *mounts,
        *(f"--build-arg={argument}={value}" for argument, value in given.items()),
        f"--file={ROOT / DOCKERFILES[name]}",
        f"--tag={image}",
        str(ROOT),
    )
    return Built(name=image, megabytes=(size_of(buildah, image) - size_of(buildah, base)) / 1e6)


def size_of(buildah: Buildah, image: str) -> int:
    """The bytes of all files of an image, as they lie on a disk."""
    with buildah.mounted(image) as folder:
        counted = subprocess.run(  # noqa: S603
            ["du", "--summarize", "--block-size=1", str(folder)],  # noqa: S607
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
    return int(counted.split()[0])


def main(arguments: Sequence[str] | None = None) -> None:
    """Build what is asked for, one after another, and print the sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(DOCKERFILES)}; all unless given")
    parser.add_argument("--base", help="an image to build on; Debian's packages unless given")
    parser.add_argument("--storage", type=Path, help="folder for images; buildah's own unless given")
    parser.add_argument("--torch-index-url", default="", help="where pip finds torch")
    given = parser.parse_args(arguments)
    if unknown := set(given.names) - DOCKERFILES.keys():
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(DOCKERFILES)}")
    needed = ["buildah", *([] if given.base else ["debootstrap"])]
    if missing := [program for program in needed if shutil.which(program) is None]:
        parser.error(f"not installed: {', '.join(missing)}")
    if os.geteuid() != 0:
        parser.error("must be run as root")
    buildah = Buildah(given.storage)
    base = given.base or BASE_NAME
    if not given.base and not buildah.has(base):
        build_debian(buildah)
    with pip_mounts() as mounts:
        for name in given.names or DOCKERFILES:
            torch = {"TORCH_INDEX_URL": given.torch_index_url} if given.torch_index_url else {}
            built = build(buildah, name, base, mounts, torch if name in {"reward-model", "trainer"} else None)
            sys.stdout.write(f"{built.name}: {built.megabytes:.0f} MB beyond {base}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
