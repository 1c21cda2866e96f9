"""What can go wrong with the local LLM; all are `shared.errors.ZhufuError`.

ZhufuError
├── LocalLlmMissing   llama.cpp or the Gemma weights are not installed
├── ModelUnusable     the file is not there, is no GGUF, is damaged, or llama.cpp cannot load it
└── CacheUnusable     the folder for the weights cannot be written, or another process holds it for too long
"""

from __future__ import annotations

from shared.errors import ZhufuError


class LocalLlmMissing(ZhufuError):
    """A package that the local LLM needs is not installed; the detail says what to do."""

    code = "local_llm_missing"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"the local LLM needs {what}. pip install 'zhufu[local]' brings it (xllamacpp has wheels for Linux on "
            "x86-64 and for macOS); or set ZHUFU_LLM_URL to an OpenAI-compatible server (vLLM, llama-server), or start "
            "without a judge: zhufu up --no-judge"
        )


class ModelUnusable(ZhufuError):
    """A model file is missing, is no GGUF, is damaged, or is none that llama.cpp can load."""

    code = "model_unusable"


class CacheUnusable(ZhufuError):
    """The folder where the weights are kept cannot be written, or another process holds it for too long."""

    code = "cache_unusable"
