"""The process of the local LLM: llama.cpp's server inside it, and an end that does not wait."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any, NoReturn

import structlog

from trainer.local_llm.errors import LocalLlmMissing, ModelUnusable
from trainer.local_llm.options import LocalLlmOptions
from trainer.local_llm.weights import check_gguf, gemma_path
from trainer.ports import check_ports

ENDING = (signal.SIGTERM, signal.SIGINT)
LOOK_SECONDS = 0.5
ERRORS_ONLY = 1
"""Of llama.cpp's verbosities: from warnings on, it quotes requests that it cannot parse."""
SAME_PROMPT_SHARE = 0.5
"""A slot is taken again by a prompt that begins with this share of what it holds, rather than by the first to come."""

log = structlog.get_logger(__name__)


def serve(options: LocalLlmOptions) -> NoReturn:
    """Serve until SIGTERM or SIGINT, then end this process with status 0.

    While llama.cpp loads a model it lets no Python run, so that a signal ends the process by itself then. What is being
    answered at the end is dropped: llama.cpp would wait for it, however long, and who asked asks another server.

    Raises:
        trainer.ports.PortUnavailable: The port is taken.
        LocalLlmMissing: llama.cpp, or the Gemma weights, are not installed.
        ModelUnusable: There is no such file, or llama.cpp cannot load it.
        CacheUnusable: The Gemma weights cannot be kept.
    """
    for number in ENDING:
        signal.signal(number, signal.SIG_DFL)
    check_ports({"the local LLM": options.port})
    llama = _llama()
    model = gemma_path() if options.model is None else options.model
    check_gguf(model)
    log.info("loading", model=str(model), threads=options.threads, slots=options.slots)
    try:
        server = llama.Server(_parameters(llama, options, str(model)))
    except RuntimeError as error:  # it says no more than that; its log does
        check_ports({"the local LLM": options.port})  # somebody may have been quicker
        raise ModelUnusable(f"llama.cpp cannot load {model}; its log says why") from error
    ended = threading.Event()
    for number in ENDING:
        signal.signal(number, lambda *_: ended.set())
    log.info("ready", url=f"{server.listening_address}/v1", model=options.alias)
    while not ended.wait(LOOK_SECONDS):  # a signal that another thread was given is seen at the next look
        pass
    log.info("stopped")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _llama() -> Any:
    """llama.cpp, whose threads sleep while they wait for each other.

    By default they spin, which on cores that others use, too, keeps away the very thread that is waited for: with two
    threads on one busy core a verdict took 2.3 s, and a further token as long; asleep 0.6 s and 0.02 s.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when the library is loaded
    try:
        import xllamacpp
    except ImportError as error:
        raise LocalLlmMissing(f"xllamacpp, which cannot be imported ({error})") from error
    return xllamacpp


def _parameters(llama: Any, options: LocalLlmOptions, model: str) -> Any:
    """llama.cpp's own, named as its command line names them."""
    parameters = llama.CommonParams()
    parameters.model.path = model
    parameters.model_alias = {options.alias}
    parameters.hostnames = [options.host]
    parameters.api_keys = [] if options.api_key is None else [options.api_key]
    parameters.port = options.port
    parameters.n_ctx = options.context_tokens * options.slots
    parameters.n_parallel = options.slots
    parameters.kv_unified = True  # a slot may use what others do not
    for threads in (parameters.cpuparams, parameters.cpuparams_batch):
        threads.n_threads = options.threads
        threads.poll = 0  # as `_llama`, where llama.cpp has threads of its own (macOS)
    parameters.cache_prompt = True
    parameters.swa_full = True  # else sliding-window layers keep only the end, and no beginning could be used again
    parameters.cache_ram_mib = options.prompt_cache_mib
    parameters.slot_prompt_similarity = SAME_PROMPT_SHARE
    parameters.verbosity = ERRORS_ONLY
    parameters.ui = False
    parameters.endpoint_slots = False  # it would show prompts
    parameters.cors_origins = ""  # no page in a browser may ask
    parameters.cors_origins_explicit = True
    return parameters
