"""``zhufu`` that is killed when a step of its training is done.

``python -m tests.integration.trainer.killed_command STEP ARGUMENT…``: all is as in the real command, but for one more
callback that sends SIGKILL; so a training of milliseconds can be killed at a known place.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments, trainer

from trainer import cli


class KillAt(TrainerCallback):
    """Ends the process without a word."""

    step = 0

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if state.global_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    KillAt.step = int(sys.argv.pop(1))
    callbacks: list[type[TrainerCallback]] = trainer.DEFAULT_CALLBACKS  # type: ignore[assignment]
    callbacks.append(KillAt)
    cli.main()


if __name__ == "__main__":
    main()
