"""Arrows point one way: services → shared, trainer → shared; no service knows another, and the trainer knows none."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
NOT_FOR_CLIENTS = ("fastapi", "starlette", "uvicorn", "torch", "transformers", "trl", "services", "trainer")
FOR_CLIENTS = (
    "shared.client",
    "shared.client.base",
    "shared.client.http",
    "shared.client.queue",
    "shared.errors",
    "shared.logging",
    "shared.queue.broker",
    "shared.queue.keys",
    "shared.queue.messages",
    "shared.queue.scripts",
    "shared.schemas",
)


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Every module that a file names, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def offences(folder: str, *forbidden: str) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sources(folder)
        for module in imported(path)
        if any(is_within(module, package) for package in forbidden)
    ]


def test_shared_knows_neither_services_nor_trainer_nor_tests() -> None:
    assert sources("shared")
    assert offences("shared", "services", "trainer", "tests") == []


def test_no_service_knows_another_or_the_trainer() -> None:
    services = sorted(path.parent for path in (ROOT / "services").glob("*/__init__.py"))
    for service in services:
        others = [f"services.{other.name}" for other in services if other != service]
        assert offences(f"services/{service.name}", "trainer", "tests", *others) == []


def test_the_trainer_knows_the_services_by_url_only() -> None:
    assert offences("trainer", "services", "tests") == []


def test_only_the_serving_half_of_shared_names_the_web_framework() -> None:
    serving = {"shared/service.py", "shared/http", "shared/playground", "shared/dialects"}
    for path in sources("shared"):
        inside = str(path.relative_to(ROOT))
        if not any(inside.startswith(part) for part in serving):
            assert not [name for name in imported(path) if is_within(name, "fastapi") or is_within(name, "uvicorn")], (
                path
            )


@pytest.mark.parametrize("module", FOR_CLIENTS)
def test_what_a_trainers_environment_needs_loads_no_server_and_no_torch(module: str) -> None:
    program = f"import sys, {module}; print(*sorted(name.partition('.')[0] for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert not set(done.stdout.split()) & set(NOT_FOR_CLIENTS)


def test_importing_opens_nothing_and_reads_no_setting() -> None:
    program = (
        "import os, socket\n"
        "os.environ.update(ZHUFU_PORT='not a port', ZHUFU_HOST='0.0.0.0')\n"
        "def refuse(*_, **__): raise AssertionError('a socket was opened at import')\n"
        "socket.socket.connect = refuse\n"
        "import shared.service, shared.client, shared.queue.consumer, shared.settings\n"
        "assert not __import__('logging').getLogger().handlers\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", ["services.judge.app", "services.multi_agent.app", "services.multi_agent.retrieval"])
def test_a_service_that_asks_llms_loads_no_torch_and_nothing_of_the_trainer(module: str) -> None:
    program = f"import sys, {module}; print(*sorted(name.partition('.')[0] for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert not set(done.stdout.split()) & {"torch", "transformers", "trl", "trainer"}
