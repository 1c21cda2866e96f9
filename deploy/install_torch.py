"""Installs torch alone into a folder, so that it is a layer of its own in an image, which only another torch changes.

python install_torch.py FOLDER VERSION [INDEX_URL]     with the pip of the Python that runs this

Of what torch needs, only the libraries of its accelerator (NVIDIA's, Triton) come with it: they hang on the build of
torch, as torch does, and have no hashes in a lock file. All else is in the lock file of the image.
"""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from collections.abc import Iterable, Sequence

ACCELERATOR_PREFIXES = ("nvidia-", "cuda-", "triton", "pytorch-triton")


def accelerator_requirements(requirements: Iterable[str]) -> list[str]:
    """Those of torch's requirements, as its metadata has them, that are libraries of an accelerator."""
    return [requirement for requirement in requirements if requirement.startswith(ACCELERATOR_PREFIXES)]


def torch_requirements(folder: str) -> list[str]:
    """What the torch in a folder requires."""
    (torch,) = importlib.metadata.distributions(name="torch", path=[folder])
    return list(torch.requires or [])


def install(folder: str, packages: Sequence[str], index_url: str, *options: str) -> None:
    """Run pip; what it says goes where our output goes."""
    index = ["--index-url", index_url] if index_url else []
    command = [sys.executable, "-m", "pip", "install", "--only-binary", ":all:", "--target", folder, *index, *options]
    subprocess.run([*command, *packages], check=True)  # noqa: S603 - our own words


def main(folder: str, version: str, index_url: str = "") -> None:
    """Install torch, then what its accelerator needs; without one, that is nothing."""
    install(folder, [f"torch=={version}"], index_url, "--no-deps")
    accelerator = accelerator_requirements(torch_requirements(folder))
    if accelerator:
        install(folder, accelerator, index_url)


if __name__ == "__main__":
    main(*sys.argv[1:])
