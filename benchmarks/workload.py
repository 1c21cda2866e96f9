"""The rollouts that benchmarks score: random characters, of lengths spread evenly and shuffled."""

from __future__ import annotations

import random

from shared.schemas import Rollout

FIRST_CHARACTER = 0x4E00
CHARACTERS = 3_000
TEMPLATE_TOKENS = 3
"""What the chat template of `trainer.tiny` adds: both roles and the end."""
LONGEST_PROMPT_TOKENS = 16


def characters() -> list[str]:
    """The alphabet; each character is one token of `trainer.tiny`."""
    return [chr(FIRST_CHARACTER + number) for number in range(CHARACTERS)]


def rollouts(count: int, shortest: int, longest: int, seed: int) -> list[Rollout]:
    """Rollouts of ``shortest`` to ``longest`` tokens, every length equally often, in random order."""
    source = random.Random(seed)
    alphabet = characters()
    lengths = [round(shortest + (longest - shortest) * number / max(1, count - 1)) for number in range(count)]
    source.shuffle(lengths)
    made = []
    for number, length in enumerate(lengths):
        left = length - TEMPLATE_TOKENS
        prompt_tokens = max(1, min(LONGEST_PROMPT_TOKENS, left // 2))
        text = "".join(source.choices(alphabet, k=left))
        made.append(Rollout(id=f"r{number}", prompt=text[:prompt_tokens], completion=text[prompt_tokens:]))
    return made
