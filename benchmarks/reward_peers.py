"""Servers of a reward model by others, on the same checkpoint as ours."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import torch

from benchmarks.context import Context
from benchmarks.peers import PeersAbsent, peer_python, peer_versions
from benchmarks.processes import free_port, http_server
from benchmarks.wire_forms import LITSERVE, OPENRLHF, VLLM

LITSERVE_PACKAGE: Final = "litserve==0.2.19"
LITSERVE_BATCH: Final = 8
"""Padded as they come, larger batches are slower."""
VLLM_VARIABLE: Final = "ZHUFU_VLLM_PYTHON"
VLLM_MAX_TOKENS: Final = 512
VLLM_START_SECONDS: Final = 600.0
"""It compiles the model first."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One of them while it runs.

    Attributes:
        name: For people.
        form: How it is asked; a name of `benchmarks.wire_forms.FORMS`.
        port: On this machine.
        versions: Of its packages, by name.
    """

    name: str
    form: str
    port: int
    versions: Mapping[str, str]


@contextlib.asynccontextmanager
async def openrlhf(context: Context, checkpoint: Path) -> AsyncIterator[Peer]:
    """A server written after OpenRLHF's; see `benchmarks.openrlhf_server`."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.openrlhf_server", str(checkpoint), str(port)]
    async with http_server(command, port, context.folder / "openrlhf.log", {}, ready_path="/openapi.json"):
        yield Peer(name="OpenRLHF's way", form=OPENRLHF, port=port, versions={})


@contextlib.asynccontextmanager
async def litserve(context: Context, checkpoint: Path) -> AsyncIterator[Peer]:
    """LitServe, with its batching. Raises `PeersAbsent` where it is not installed and may not be."""
    python = peer_python(context, "litserve", [LITSERVE_PACKAGE], with_ours=True)
    port = free_port()
    command = [str(python), "-m", "benchmarks.litserve_server", str(checkpoint), str(port), str(LITSERVE_BATCH)]
    log = context.folder / "litserve.log"
    async with http_server(command, port, log, {}, ready_path="/health"):
        yield Peer(
            name=f"LitServe, batches of up to {LITSERVE_BATCH}",
            form=LITSERVE,
            port=port,
            versions=peer_versions(python, ["litserve"]),
        )


@contextlib.asynccontextmanager
async def vllm(context: Context, checkpoint: Path) -> AsyncIterator[Peer]:
    """vLLM's pooling server. Raises `PeersAbsent` where ``ZHUFU_VLLM_PYTHON`` names no Python that has vLLM."""
    python = os.environ.get(VLLM_VARIABLE)
    if not python:
        raise PeersAbsent(f"{VLLM_VARIABLE} names no Python with vLLM")
    versions = peer_versions(Path(python), ["vllm"])
    port = free_port()
    options = {
        "--runner": "pooling",
        "--dtype": "float32",
        "--port": str(port),
        "--host": "127.0.0.1",
        "--max-model-len": str(VLLM_MAX_TOKENS),
    }
    arguments = [part for option in options.items() for part in option]
    command = [python, "-m", "vllm.entrypoints.cli.main", "serve", str(checkpoint), *arguments]
    environment = {
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_NUM_OF_RESERVED_CPU": "0",  # by default it keeps a core free for its HTTP server
        "VLLM_CPU_OMP_THREADS_BIND": f"0-{torch.get_num_threads() - 1}",
        "LD_PRELOAD": str(Path(python).parents[1] / "lib" / "libiomp5.so"),  # its documentation asks for it
    }
    log = context.folder / "vllm.log"
    async with http_server(command, port, log, environment, ready_path="/health", start_seconds=VLLM_START_SECONDS):
        yield Peer(name="vLLM, pooling", form=VLLM, port=port, versions=versions)


STARTS: Final = (openrlhf, litserve, vllm)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """Those that run, and of the others why not."""

    found: Sequence[Peer]
    absent: Sequence[str]

    @property
    def versions(self) -> dict[str, str]:
        """Of all their packages."""
        return {name: version for peer in self.found for name, version in peer.versions.items()}


@contextlib.asynccontextmanager
async def running(context: Context, checkpoint: Path) -> AsyncIterator[Peers]:
    """All of them that can be had, while the context is open."""
    found: list[Peer] = []
    absent: list[str] = []
    async with contextlib.AsyncExitStack() as stack:
        for start in STARTS:
            try:
                found.append(await stack.enter_async_context(start(context, checkpoint)))
            except PeersAbsent as error:
                absent.append(f"{start.__name__} ({error})")
        yield Peers(found=found, absent=absent)
