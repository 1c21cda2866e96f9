"""How the work is shared out on a CPU: several small batches side by side, with one thread each, not one with all.

A pass of a small model is many short operations. Split over threads they wait for each other at each of them, and
for the Python between them; side by side, one batch computes while another is in Python. And as a batch costs little
beside its tokens on a CPU, padding is dearer than a further batch.
"""

from __future__ import annotations

from typing import Any, Final

from services.reward_model.settings import RewardModelSettings

MOST_BATCHES: Final = 4
"""Side by side, unless the settings say more: further threads are shared out among these."""
PADDING_SHARE: Final = 0.05


def for_cpu(settings: RewardModelSettings, threads: int) -> RewardModelSettings:
    """The settings with what they leave open decided for a CPU; what they say stays.

    Args:
        settings: As given.
        threads: That torch would take: one for each core, or what ``OMP_NUM_THREADS`` says.
    """
    given = settings.model_fields_set
    chosen: dict[str, Any] = {}
    if settings.threads is None:
        chosen["threads"] = threads
    if "max_concurrent_batches" not in given:
        chosen["max_concurrent_batches"] = min(MOST_BATCHES, settings.threads or threads)
    if "max_padding_share" not in given:
        chosen["max_padding_share"] = PADDING_SHARE
    return settings.model_copy(update=chosen)
