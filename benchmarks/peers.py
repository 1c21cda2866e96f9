"""Virtual environments of the projects that we compare with: none of them is a dependency of ours."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.context import Context
from benchmarks.processes import ROOT

FOLDER = ROOT / "runs" / "benchmarks" / "peers"
INSTALL_SECONDS = 900.0


class PeersAbsent(Exception):
    """An environment is not there and could not be made; what is compared with is then left out, with this reason."""


def peer_python(context: Context, name: str, packages: Sequence[str], *, with_ours: bool = False) -> Path:
    """The Python of a virtual environment that has some packages; it is made on first use, but not in a quick run.

    Args:
        context: Says where environments are.
        name: Of the environment; its folder.
        packages: With versions, ``taskiq==0.11.18``.
        with_ours: Whether it sees the packages of our own environment too, such as torch.

    Raises:
        PeersAbsent: It is not there and may not, or could not, be made.
    """
    folder = context.peers / name
    python = folder / "bin" / "python"
    wanted = "\n".join(packages)
    done = folder / "packages.txt"
    if done.is_file() and done.read_text(encoding="utf-8") == wanted:
        return python
    if context.quick:
        raise PeersAbsent(f"no environment with {', '.join(packages)}; a quick run makes none")
    context.console.log(f"making an environment with {', '.join(packages)}")
    _run(sys.executable, "-m", "venv", "--clear", str(folder))
    if with_ours:
        site = next(folder.glob("lib/python*/site-packages"))
        ours = next(path for path in sys.path if path.endswith("site-packages"))
        (site / "ours.pth").write_text(ours + "\n", encoding="utf-8")
    _run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages)
    done.write_text(wanted, encoding="utf-8")
    return python


def peer_versions(python: Path, packages: Sequence[str]) -> dict[str, str]:
    """The versions that an environment has."""
    code = "import importlib.metadata as m, sys; print(*map(m.version, sys.argv[1:]), sep='\\n')"
    return dict(zip(packages, _run(str(python), "-c", code, *packages).split(), strict=True))


def _run(*command: str) -> str:
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except subprocess.CalledProcessError as error:
        raise PeersAbsent(f"could not be installed: {error.stderr.strip()[-300:]}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeersAbsent(f"could not be installed: {type(error).__name__}") from error
    return done.stdout
