"""``zhufu reproduce --preset laptop`` with steps of seconds: ``python -m tests.e2e.tiny_reproduce OPTION…``.

The recipe is the real one, and so is every command that it runs; only the sizes are others.
"""

from __future__ import annotations

import dataclasses
import sys

from trainer import cli
from trainer.reproduce import presets

TINY = dataclasses.replace(
    presets.LAPTOP,
    base_training=("--epochs", "0.01"),
    reward_model=("--epochs", "0.02"),
    principles=("--rounds", "1", "--batch", "1", "--validation-rows", "8", "--test-rows", "8"),
    sft=("--epochs", "0.02"),
    grpo=(
        *("--steps", "1", "--group-size", "2", "--prompts-per-step", "2", "--max-completion-tokens", "8"),
        *("--save-steps", "1"),
    ),
    rewards=("--limit", "40", "--probe-cases", "3"),
    policies=("--limit", "6", "--samples", "1", "--max-completion-tokens", "8"),
)


def main() -> None:
    presets.PRESETS = {**presets.PRESETS, "laptop": TINY}
    sys.argv = ["zhufu", "reproduce", *sys.argv[1:]]
    cli.main()


if __name__ == "__main__":
    main()
