"""Writes docs/configuration.md from the settings classes: ``make configuration``."""

from __future__ import annotations

import json
import sys
import typing
from collections.abc import Iterator
from typing import Any

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from services.judge.settings import JudgeSettings
from services.multi_agent.settings import MultiAgentSettings
from services.reward_model.settings import RewardModelSettings
from shared.llm.service_settings import LlmServiceSettings
from shared.settings import ServiceSettings

SERVICES: dict[str, type[ServiceSettings]] = {
    "judge": JudgeSettings,
    "reward_model": RewardModelSettings,
    "multi_agent": MultiAgentSettings,
}
HEAD = """# Configuration

<!-- Made by `make configuration` from the settings classes; a test compares them. -->

Services are configured by environment variables, and by nothing else. A variable can be given for one service \
(`ZHUFU_JUDGE_REDIS_URL`) or for all of them (`ZHUFU_REDIS_URL`); the narrower one wins. A value that is wrong ends \
the service at its start, and the message names it. Secrets have no defaults, are never logged, and stand nowhere \
but in the environment. Lists are separated by commas, unless they are JSON.

In the tables a setting has its name without prefix: `port` of the judge is `ZHUFU_JUDGE_PORT`.

The trainer takes options: `zhufu --help`. The local LLM's are in `python -m trainer.local_llm --help`.
"""
LIMITS = {Ge: ("ge", "≥"), Gt: ("gt", ">"), Le: ("le", "≤"), Lt: ("lt", "<")}


def page() -> str:
    """The page."""
    common = dict(ServiceSettings.model_fields)
    asking = {name: field for name, field in LlmServiceSettings.model_fields.items() if name not in common}
    parts = [
        HEAD,
        section("All services", "`ZHUFU_<NAME>`, or with the prefix of one service.", rows(common)),
        section(
            "Services that ask a language model",
            "The judge and the agents. Fields of the model and its limits begin with `llm_`.",
            rows(asking),
        ),
    ]
    for service, settings in SERVICES.items():
        known = {**common, **(asking if issubclass(settings, LlmServiceSettings) else {})}
        own = {
            name: field
            for name, field in settings.model_fields.items()
            if name not in known or (field.default, field.description) != (known[name].default, known[name].description)
        }
        text = f"`ZHUFU_{service.upper()}_<NAME>`. Besides those above; what stands there too is not the same here."
        parts.append(section(service.replace("_", " ").capitalize(), text, rows(own)))
    return "\n".join(parts)


def section(title: str, text: str, lines: Iterator[str]) -> str:
    """A heading, a sentence and a table."""
    return "\n".join(
        [f"## {title}", "", text, "", "| setting | default | values | what |", "|---|---|---|---|", *lines, ""]
    )


def rows(fields: dict[str, FieldInfo]) -> Iterator[str]:
    """One row for each setting."""
    for name, field in fields.items():
        cells = (f"`{name}`", default_of(field), values_of(field), field.description or "")
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def default_of(field: FieldInfo) -> str:
    """The default as one would type it."""
    value = field.get_default(call_default_factory=True) if not field.is_required() else PydanticUndefined
    if value is PydanticUndefined:
        return "**required**"
    if value is None or value == "" or value in ((), {}):
        return ""
    if isinstance(value, tuple):
        return f"`{','.join(map(str, value))}`"
    return f"`{json.dumps(value) if isinstance(value, bool) else value}`"


def values_of(field: FieldInfo) -> str:
    """Type and limits, for people."""
    kind = kind_of(field.annotation)
    limits = []
    for each in field.metadata:
        for limit, (attribute, sign) in LIMITS.items():
            if isinstance(each, limit):
                limits.append(f"{sign} {getattr(each, attribute):,}".replace(",", " "))
        if isinstance(each, MinLen | MaxLen):
            limits.append(
                f"at least {each.min_length} long" if isinstance(each, MinLen) else f"at most {each.max_length} long"
            )
    return ", ".join([kind, *limits])


def kind_of(annotation: Any) -> str:
    """What a type is called."""
    arguments = [each for each in typing.get_args(annotation) if each is not type(None)]
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (tuple, dict, list):
        return "list" if origin is not dict else "JSON"
    if arguments:  # optional, or annotated
        return kind_of(arguments[0])
    names = {int: "integer", float: "number", bool: "`true` or `false`", str: "text", SecretStr: "secret"}
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)).lower())


if __name__ == "__main__":
    sys.stdout.write(page())
