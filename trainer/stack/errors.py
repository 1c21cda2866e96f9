"""What can go wrong with a stack on this machine; all are `shared.errors.ZhufuError`.

ZhufuError
├── RedisMissing     no Redis server that could be started was found
├── RedisUnusable    the Redis that a URL names does not answer, or is too old
├── LlmUnusable      the LLM that the environment names for judge and agents is not named in full, or not by a URL
├── StartFailed      a process ended, or was not ready in time, while the stack was starting
└── ServiceDied      a process ended by itself while the stack was running

Those of the local LLM are in `trainer.local_llm.errors`, that of a port in `trainer.ports`.
"""

from __future__ import annotations

from shared.errors import ZhufuError


class RedisMissing(ZhufuError):
    """There is no Redis server on this machine; the detail says what to install."""

    code = "redis_missing"


class RedisUnusable(ZhufuError):
    """The Redis that was asked for does not answer, refuses the credentials, or is older than 6.2."""

    code = "redis_unusable"


class LlmUnusable(ZhufuError):
    """The environment names an LLM for the judge, but no model, or not by a URL of HTTP."""

    code = "llm_unusable"


class StartFailed(ZhufuError):
    """A process of the stack did not become ready; the detail ends with the last lines of its log."""

    code = "start_failed"


class ServiceDied(ZhufuError):
    """A process of the stack ended by itself; the detail ends with the last lines of its log."""

    code = "service_died"
