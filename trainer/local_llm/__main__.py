"""``python -m trainer.local_llm``: reads the options and says in one event what went wrong.

Exit status: 0 ended by a signal, 2 wrong options, 3 the port is taken, 4 the model cannot be used, 5 something is not
installed, 6 the folder of the weights cannot be used.

ZHUFU_LOCAL_LLM_API_KEY is the key that requests must carry; without one it listens on a loopback address only.
ZHUFU_LOCAL_LLM_MODEL is the model where --model gives none.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog

from shared.errors import ZhufuError
from shared.logging import configure_logging
from shared.settings import MIN_KEY_CHARACTERS, is_loopback
from trainer.local_llm.errors import CacheUnusable, LocalLlmMissing, ModelUnusable
from trainer.local_llm.options import API_KEY_VARIABLE, GEMMA_ALIAS, MODEL_VARIABLE, LocalLlmOptions
from trainer.local_llm.server import serve
from trainer.ports import HOST, PortUnavailable

STATUS: dict[type[ZhufuError], int] = {PortUnavailable: 3, ModelUnusable: 4, LocalLlmMissing: 5, CacheUnusable: 6}

log = structlog.get_logger(__name__)


def options_of(arguments: Sequence[str]) -> LocalLlmOptions:
    """Read the command line; ends the process with status 2 where it cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m trainer.local_llm", description="Serve a GGUF model on this machine, as OpenAI does."
    )
    parser.add_argument("--port", type=_count, required=True, help="of the address")
    parser.add_argument("--host", default=HOST, help=f"address; another than loopback needs {API_KEY_VARIABLE}")
    parser.add_argument(
        "--model",
        type=Path,
        default=os.environ.get(MODEL_VARIABLE) or None,
        help=f"a GGUF file; that of {MODEL_VARIABLE} or the Gemma 3 270M of its package unless given",
    )
    parser.add_argument("--alias", help="the model's name in requests; the file's unless given")
    parser.add_argument("--context", type=_count, help="tokens of a prompt and its answer")
    parser.add_argument("--threads", type=_count, help="as many as there are cores unless given; 1 on a busy machine")
    parser.add_argument("--slots", type=_count, help="requests computed at a time")
    given = parser.parse_args(arguments)
    api_key = os.environ.get(API_KEY_VARIABLE) or None
    if api_key is None and not is_loopback(given.host):
        parser.error(f"refusing to listen on {given.host} without an API key: set {API_KEY_VARIABLE}")
    if api_key is not None and len(api_key) < MIN_KEY_CHARACTERS:
        parser.error(f"{API_KEY_VARIABLE} has fewer than {MIN_KEY_CHARACTERS} characters")
    names = {"context": "context_tokens", "threads": "threads", "slots": "slots"}
    numbers = {field: getattr(given, name) for name, field in names.items() if getattr(given, name) is not None}
    return LocalLlmOptions(
        port=given.port,
        host=given.host,
        api_key=api_key,
        model=given.model,
        alias=given.alias or alias_of(given.model),
        **numbers,
    )


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
