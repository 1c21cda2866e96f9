"""What judge and agents of a stack ask: an LLM that a URL names, or one that the stack starts on this machine."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from trainer.local_llm.errors import LocalLlmMissing
from trainer.local_llm.options import GEMMA_ALIAS
from trainer.local_llm.weights import DISTRIBUTION, LICENCE_NOTE, check_gguf, gemma_is_installed, gemma_terms
from trainer.ports import HOST
from trainer.stack.errors import LlmUnusable
from trainer.stack.services import AGENTS, JUDGE, project_environment

LlmApi = Literal["chat", "completions"]

LLM = "llm"
PORT_OFFSET = 4
URL_VARIABLE = "ZHUFU_LLM_URL"
URL_VARIABLES = ("ZHUFU_JUDGE_LLM_URL", URL_VARIABLE)
"""As the judge reads them: the narrower one wins."""
ASKING = (JUDGE, AGENTS)
"""The services that ask an LLM."""
IN_FLIGHT = 4
"""Questions that are under way at a time. The local LLM computes one; the others wait there for milliseconds rather
than in a service, and none so long that its time is up."""
TIMEOUT_SECONDS = 120.0
"""For one of them on a machine whose cores are busy with training."""
LONGEST_RUN = 32
_AGENTS_BODY = {
    "repeat_penalty": 1.1,
    "logit_bias": [[mark * count, False] for mark in "\n \t" for count in range(1, LONGEST_RUN) if mark * count != " "],
}
"""llama.cpp's parameters for a model that has to write JSON and hardly can. JSON may have white space between its
parts, and such a model, once it has begun with that, goes on to the limit: about every third answer of Gemma 3 270M
did. Its vocabulary has tokens for runs of up to 31; none but the single space is let through."""
AGENTS_SETTINGS = {
    "LLM_EXTRA_BODY": json.dumps(_AGENTS_BODY),
    "MAX_CONCURRENT_BATCHES": "1",  # a sample of four candidates asks up to eight questions at a time, seconds each
    "LLM_LIMIT_WAIT_SECONDS": "200",
    "LLM_TOTAL_TIMEOUT_SECONDS": "220",
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GivenLlm:
    """An LLM that runs already; services read its model and key from the environment, as a service elsewhere does.

    Attributes:
        url: As the user has set it.
        api: Which of the two APIs of the server is asked; None where the environment says, or the judge's default is.
    """

    url: str
    api: LlmApi | None = None

    @property
    def alias(self) -> str:
        """The model's name in requests, as the environment has it; empty where it has none."""
        return _of_environment(JUDGE, "MODEL") or ""

    def check(self) -> None:
        """Raise `LlmUnusable` where it can be seen that the judge could not use it."""
        if _of_environment(JUDGE, "MODEL") is None:
            raise LlmUnusable(f"{URL_VARIABLE} is set, ZHUFU_LLM_MODEL is not: name the model that is to judge")
        self.shown_url(0)

    def shown_url(self, base_port: int) -> str:
        """The URL without user, password and query.

        Raises:
            LlmUnusable: It cannot be read, or is not one of HTTP.
        """
        try:
            parts = urllib.parse.urlsplit(self.url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if not host or parts.scheme not in {"http", "https"}:
            raise LlmUnusable(f"{URL_VARIABLE} is not the URL of an LLM: http://host:port/v1, or https")
        where = f"[{host}]" if ":" in host else host
        return f"{parts.scheme}://{where}{'' if port is None else f':{port}'}{parts.path}"

    def settings_for(self, service: str, base_port: int) -> dict[str, str] | None:
        """What a service is told besides what it reads from the environment; None where that names no LLM for it."""
        if _of_environment(service, "URL") is None or _of_environment(service, "MODEL") is None:
            return None
        return {} if self.api is None else {"LLM_API": self.api}

    def notes(self) -> Iterator[str]:
        """Nothing: it is what a real run has."""
        yield from ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LocalLlm:
    """An LLM that the stack starts, four ports above its base.

    Attributes:
        model: A GGUF file; None for the Gemma 3 270M of its package.
        api: Which API is asked: ``completions`` suits every model, ``chat`` one that was taught to chat.
    """

    model: Path | None = None
    api: LlmApi = "completions"

    @property
    def alias(self) -> str:
        """The model's name in requests."""
        return GEMMA_ALIAS if self.model is None else self.model.stem

    def check(self) -> None:
        """Look whether it can be started, without starting or loading anything.

        Raises:
            LocalLlmMissing: llama.cpp or the Gemma weights are not installed.
            ModelUnusable: The file is missing, or no GGUF.
        """
        if importlib.util.find_spec("xllamacpp") is None:
            raise LocalLlmMissing("the package xllamacpp, which is not installed")
        if self.model is not None:
            check_gguf(self.model)
        elif not gemma_is_installed():
            raise LocalLlmMissing(f"the package {DISTRIBUTION}, which is not installed")

    def shown_url(self, base_port: int) -> str:
        """Where OpenAI's API is."""
        return f"{self.origin(base_port)}/v1"

    def origin(self, base_port: int) -> str:
        """Where its server is."""
        return f"http://{HOST}:{base_port + PORT_OFFSET}"

    def ready_url(self, base_port: int) -> str:
        """What answers 200 as soon as the model is loaded."""
        return f"{self.origin(base_port)}/health"

    def command(self, base_port: int) -> list[str]:
        """The command; ``-P`` as for services."""
        port = ["--port", str(base_port + PORT_OFFSET), "--alias", self.alias]
        model = [] if self.model is None else ["--model", str(self.model)]
        return [sys.executable, "-P", "-m", "trainer.local_llm", *port, *model]

    def environment(self) -> dict[str, str]:
        """This process's environment, with the project to be found in it."""
        return project_environment()

    def settings_for(self, service: str, base_port: int) -> dict[str, str]:
        """All that a service has to know, so that what the user has set for an LLM elsewhere does not matter."""
        return {
            **(AGENTS_SETTINGS if service == AGENTS else {}),
            "LLM_URL": self.shown_url(base_port),
            "LLM_MODEL": self.alias,
            "LLM_API": self.api,
            "LLM_API_KEY": "",
            "LLM_MAX_IN_FLIGHT": str(IN_FLIGHT),
            "LLM_TIMEOUT_SECONDS": f"{TIMEOUT_SECONDS:g}",
            "LLM_LIMIT_NAME": "local_llm",  # a Redis that is given may hold the limits of an LLM elsewhere
        }

    def notes(self) -> Iterator[str]:
        """What who uses it should know: that it is a stand-in, and under which terms the weights are."""
        yield (
            f"The local LLM ({self.alias}, by llama.cpp) is a stand-in for trying things out. "
            f"{URL_VARIABLE} and ZHUFU_LLM_MODEL name a real one."
        )
        if self.model is None:
            terms = gemma_terms()
            yield f"{LICENCE_NOTE} {terms}, with {terms.with_name('NOTICE.md').name} beside it."


Llm = GivenLlm | LocalLlm


def _of_environment(service: str, name: str) -> str | None:
    """A setting of the LLM as a service reads it: the narrower variable wins."""
    return os.environ.get(f"ZHUFU_{service.upper()}_LLM_{name}") or os.environ.get(f"ZHUFU_LLM_{name}") or None


def choose_llm(model: Path | None = None, api: LlmApi | None = None) -> Llm:
    """A model file where one is given; else the LLM of ``ZHUFU_LLM_URL``; else Gemma 3 270M. Nothing is looked at."""
    given = next(filter(None, map(os.environ.get, URL_VARIABLES)), None)
    if model is None and given is not None:
        return GivenLlm(url=given, api=api)
    return LocalLlm(model=None if model is None else model.resolve(), api=api or "completions")
