"""What a machine lacks of what steps need."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Sequence

from shared.errors import ZhufuError
from trainer.steps.errors import NeedsMissing
from trainer.steps.serving import Serving
from trainer.steps.step import Step


def check_needs(steps: Sequence[Step]) -> None:
    """Raise `NeedsMissing`, naming all that steps need and this machine lacks."""
    missing = lacking(steps)
    if missing:
        lines = [f"{what} (for {', '.join(names)})" for what, names in missing.items()]
        raise NeedsMissing(f"this machine lacks: {'; '.join(lines)}")


def lacking(steps: Sequence[Step]) -> dict[str, list[str]]:
    """What is missing, and for which steps."""
    missing: dict[str, list[str]] = {}
    for step in steps:
        found = list(_lacking(step)) or list(_not_served(step.serving))
        for what in dict.fromkeys(found):
            missing.setdefault(what, []).append(step.name)
    return missing


def _lacking(step: Step) -> Iterator[str]:
    for module in step.needs.modules:
        if importlib.util.find_spec(module) is None:
            yield f"the Python package {module}"
    for name in step.needs.environment:
        if not os.environ.get(name):
            yield f"the variable {name}"
    if step.needs.gpus and gpus() < step.needs.gpus:
        yield f"{step.needs.gpus} GPU{'s' if step.needs.gpus > 1 else ''}"


def _not_served(serving: Serving | None) -> Iterator[str]:
    """What keeps the LLM beside a step from being used, as far as that can be seen without starting it."""
    if serving is None or serving.llm is None:
        return
    try:
        serving.llm.check()
    except ZhufuError as error:
        yield f"an LLM that can be asked: {error.detail}"


def gpus() -> int:
    """CUDA devices of this machine."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0
