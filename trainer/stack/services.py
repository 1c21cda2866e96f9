"""The table of services that a stack runs. The trainer knows them by module name only; it imports none of them."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import trainer
from trainer.ports import HOST

JUDGE, REWARD_MODEL, AGENTS = "judge", "reward_model", "multi_agent"
ROOT = Path(trainer.__file__).resolve().parents[1]
"""Where ``services`` and ``shared`` lie beside ``trainer``: the project's folder, or site-packages."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSpec:
    """How one service is run.

    Attributes:
        name: Of the service, of its reward and of its log; its settings begin with ``ZHUFU_<NAME>_``.
        module: What ``python -m`` runs.
        port_offset: Its port less the base port.
        settings: What this service is told besides what all are, by setting name in upper case.
    """

    name: str
    module: str
    port_offset: int
    settings: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def prefix(self) -> str:
        """Of the variables that are this service's own."""
        return f"ZHUFU_{self.name.upper()}_"

    def command(self) -> list[str]:
        """The command; ``-P`` so that a folder ``services`` where the user happens to be is not taken for ours."""
        return [sys.executable, "-P", "-m", self.module]

    def environment(self, port: int, redis_url: str, rewards: Mapping[str, str]) -> dict[str, str]:
        """This process's environment with the service's settings.

        They are given under the service's own prefix, which wins over the common one: what is printed about the stack
        holds whatever ``ZHUFU_…`` variables the user has set. All others (keys, device, threads) pass through.

        Args:
            port: Where it listens.
            redis_url: Of its queue.
            rewards: The URLs of all services of the stack by name; its page may ask them.
        """
        settings = {
            "HOST": HOST,
            "PORT": str(port),
            "NAME": self.name,
            "REDIS_URL": redis_url,
            "LOG_FORMAT": "json",
            "PLAYGROUND_REWARDS": ",".join(f"{name}={url}" for name, url in rewards.items()),
            **self.settings,
        }
        return {
            **project_environment(),
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",  # they would stand in a log of JSON lines
            **{f"{self.prefix}{name}": value for name, value in settings.items()},
        }


def project_environment() -> dict[str, str]:
    """This process's environment, in which Python finds the project wherever it is started."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path}


def all_services(
    reward_checkpoint: str,
    judge_settings: Mapping[str, str] | None = None,
    agents_settings: Mapping[str, str] | None = None,
) -> tuple[ServiceSpec, ...]:
    """Every service that exists. Offsets: 0 Redis, 1 judge, 2 reward model, 3 multi-agent, 4 local LLM.

    Args:
        reward_checkpoint: What the reward model serves.
        judge_settings: What the judge is told of its LLM; None where there is no LLM, and so no judge.
        agents_settings: What the multi-agent service is told of its LLM and its examples; None: it is not run.
    """
    services: list[ServiceSpec] = []
    if judge_settings is not None:
        services.append(ServiceSpec(name=JUDGE, module="services.judge.app", port_offset=1, settings=judge_settings))
    services.append(
        ServiceSpec(
            name=REWARD_MODEL,
            module="services.reward_model.app",
            port_offset=2,
            settings={"CHECKPOINT": reward_checkpoint},
        )
    )
    if agents_settings is not None:
        services.append(
            ServiceSpec(name=AGENTS, module="services.multi_agent.app", port_offset=3, settings=agents_settings)
        )
    return tuple(services)
