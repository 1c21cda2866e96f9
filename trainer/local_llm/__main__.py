"""``python -m trainer.local_llm``: reads the options and says in one event what went wrong.

Exit status: 0 ended by a signal, 2 wrong options, 3 the port is taken, 4 the model cannot be used, 5 something is not
installed, 6 the folder of the weights cannot be used.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog

from shared.errors import ZhufuError
from shared.logging import configure_logging
from trainer.local_llm.errors import CacheUnusable, LocalLlmMissing, ModelUnusable
from trainer.local_llm.options import GEMMA_ALIAS, LocalLlmOptions
from trainer.local_llm.server import serve
from trainer.stack.errors import PortUnavailable

STATUS: dict[type[ZhufuError], int] = {PortUnavailable: 3, ModelUnusable: 4, LocalLlmMissing: 5, CacheUnusable: 6}

log = structlog.get_logger(__name__)


def options_of(arguments: Sequence[str]) -> LocalLlmOptions:
    """Read the command line; ends the process with status 2 where it cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m trainer.local_llm", description="Serve a GGUF model on this machine, as OpenAI does."
    )
    parser.add_argument("--port", type=_count, required=True, help="of the loopback address")
    parser.add_argument("--model", type=Path, help="a GGUF file; the Gemma 3 270M of its package unless given")
    parser.add_argument("--alias", help="the model's name in requests; the file's unless given")
    parser.add_argument("--context", type=_count, help="tokens of a prompt and its answer")
    parser.add_argument("--threads", type=_count, help="as many as there are cores unless given; 1 on a busy machine")
    parser.add_argument("--slots", type=_count, help="requests computed at a time")
    given = parser.parse_args(arguments)
    names = {"context": "context_tokens", "threads": "threads", "slots": "slots"}
    numbers = {field: getattr(given, name) for name, field in names.items() if getattr(given, name) is not None}
    return LocalLlmOptions(port=given.port, model=given.model, alias=given.alias or alias_of(given.model), **numbers)


def alias_of(model: Path | None) -> str:
    """The name of a model in requests, where none is given."""
    return GEMMA_ALIAS if model is None else model.stem


def main() -> None:
    """Serve; an error that is ours is one event and the exit status of its kind."""
    options = options_of(sys.argv[1:])
    configure_logging()
    try:
        serve(options)
    except ZhufuError as error:
        log.error("cannot serve", code=error.code, detail=error.detail)
        sys.exit(STATUS[type(error)])


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


if __name__ == "__main__":
    main()
