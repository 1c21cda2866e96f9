"""Examples for a policy that has to learn its language from the starter set alone, before reinforcement learning.

With each greeting under its own prompt only, a small model learns the pairs by heart: on any other prompt it writes
nonsense, and on these it has nothing left to explore. So each greeting also stands under other prompts of its occasion,
under none, and now and then under any. What belongs to which request is left for the reward to teach.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from trainer.data.records import Example, StarterPair

OWN_PROMPT = 4
SAME_OCCASION = 3
NO_PROMPT = 2
ANY_PROMPT = 1
COPIES = OWN_PROMPT + SAME_OCCASION + NO_PROMPT + ANY_PROMPT
"""So many examples are made of each good greeting."""


def warm_up_examples(pairs: Sequence[StarterPair], *, seed: int) -> list[Example]:
    """`COPIES` examples of each pair's good greeting, under different prompts. Same seed, same examples."""
    source = random.Random(seed)
    by_occasion: defaultdict[str, list[str]] = defaultdict(list)
    for pair in pairs:
        by_occasion[pair.occasion].append(pair.prompt)
    everywhere = [pair.prompt for pair in pairs]
    examples = []
    for pair in pairs:
        prompts = [
            *[pair.prompt] * OWN_PROMPT,
            *source.choices(by_occasion[pair.occasion], k=SAME_OCCASION),
            *[""] * NO_PROMPT,
            *source.choices(everywhere, k=ANY_PROMPT),
        ]
        examples += [Example(prompt, pair.chosen) for prompt in prompts]
    return examples
