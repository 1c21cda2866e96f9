"""The whole stack on one machine: Redis and every service as child processes, ended whatever happens.

    with Stack(reward_checkpoint="runs/reward", console=Console()) as stack:
        stack.run_until_interrupted()

- `stack`: starts, watches and ends them all
- `services`: the table of services; a new one is one entry
- `retrieval`: the index of examples for the agents, made once
- `llm`: what judge and agents ask, given by a URL or started here (`trainer.local_llm`)
- `redis_server`: finds a Redis server to start, or checks the one that a URL names
- `process`: one child process and its log; `leash`: the small program that ends it when its starter is killed
- `readiness`, `logs`, `signals`, `summary`: what their names say
- `errors`: what can go wrong
"""

from trainer.ports import PortUnavailable
from trainer.stack.errors import LlmUnusable, RedisMissing, RedisUnusable, ServiceDied, StartFailed
from trainer.stack.llm import GivenLlm, LocalLlm, choose_llm
from trainer.stack.services import ServiceSpec
from trainer.stack.stack import Stack

__all__ = [
    "GivenLlm",
    "LlmUnusable",
    "LocalLlm",
    "PortUnavailable",
    "RedisMissing",
    "RedisUnusable",
    "ServiceDied",
    "ServiceSpec",
    "Stack",
    "StartFailed",
    "choose_llm",
]
