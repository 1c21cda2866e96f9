"""Bad completions made from good ones: what a policy in reinforcement learning finds when a reward lets it.

A reward model trained on people's pairs alone has never seen garbled, repeated, cut off or padded text, and a policy
that climbs it ends there. Each maker here breaks one thing; all of them keep to the characters of real greetings, so
that no single character gives the answer away. Made-up negatives are for training only, never for evaluation.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from trainer.data.records import PreferencePair

CLAUSE_END = re.compile(r"(?<=[，。！？；…～])")


class NegativeMaker:
    """Makes bad completions for the pairs of one training set.

    Args:
        pairs: Where prompts and good completions come from.
        samples: Completions that a policy wrote, by prompt; the hardest negatives where there are some.
        seed: Same seed, same negatives.
    """

    def __init__(self, pairs: Sequence[PreferencePair], *, seed: int, samples: Sequence[tuple[str, str]] = ()) -> None:
        self._pairs = list(pairs)
        self._random = random.Random(seed)
        self._samples: dict[str, list[str]] = {}
        for prompt, completion in samples:
            self._samples.setdefault(prompt, []).append(completion)
        self._kinds: dict[str, Callable[[PreferencePair], str]] = {
            "other_prompt": self._other_prompt,
            "spliced": self._spliced,
            "cut_off": self._cut_off,
            "repeated": self._repeated,
            "padded": self._padded,
            "shuffled_clauses": self._shuffled_clauses,
            "scrambled": self._scrambled,
        }

    def make(self, count: int) -> list[tuple[str, PreferencePair]]:
        """``count`` negatives for each pair, as (kind, pair) with the same chosen completion.

        The kinds take turns, so that all are about equally frequent; policy samples, where there are some for a prompt,
        make up a third. A maker that cannot break a text (too short) is passed over.
        """
        made: list[tuple[str, PreferencePair]] = []
        names = list(self._kinds)
        for pair in self._pairs:
            samples = self._samples.get(pair.prompt, [])
            from_policy = self._random.sample(samples, min(len(samples), (count + 2) // 3))
            found = [("policy_sample", text) for text in from_policy if text and text != pair.chosen]
            self._random.shuffle(names)
            turn = 0
            while len(found) < count and turn < 4 * count:
                kind = names[turn % len(names)]
                turn += 1
                text = self._kinds[kind](pair)
                if text and text != pair.chosen:
                    found.append((kind, text))
            made += [(kind, PreferencePair(pair.prompt, pair.chosen, text)) for kind, text in found]
        return made

    def _other_prompt(self, pair: PreferencePair) -> str:
        """A good greeting for somebody else; another one for the same prompt would not be wrong."""
        other = self._random.choice(self._pairs)
        return "" if other.prompt == pair.prompt else other.chosen

    def _spliced(self, pair: PreferencePair) -> str:
        """The beginning of this greeting and the end of another, joined in mid-sentence; as long as this one."""
        other = self._random.choice(self._pairs).chosen
        middle = self._random.randint(len(pair.chosen) // 4, max(len(pair.chosen) // 4, 3 * len(pair.chosen) // 4))
        rest = len(pair.chosen) - middle
        return pair.chosen[:middle] + other[max(0, len(other) - rest) :]

    def _cut_off(self, pair: PreferencePair) -> str:
        """Breaks off inside a clause."""
        if len(pair.chosen) < 8:
            return ""
        end = self._random.randint(len(pair.chosen) // 3, len(pair.chosen) - 2)
        return pair.chosen[:end].rstrip("，。！？；…～、")

    def _repeated(self, pair: PreferencePair) -> str:
        """One clause said two to four times."""
        clauses = _clauses(pair.chosen)
        index = self._random.randrange(len(clauses))
        return "".join(
            clause * self._random.randint(2, 4) if place == index else clause for place, clause in enumerate(clauses)
        )

    def _padded(self, pair: PreferencePair) -> str:
        """The greeting, and then clauses of others that have nothing to do with it."""
        filler = [clause for _ in range(3) for clause in _clauses(self._random.choice(self._pairs).chosen)]
        self._random.shuffle(filler)
        return pair.chosen + "".join(filler[: self._random.randint(1, 3)])

    def _shuffled_clauses(self, pair: PreferencePair) -> str:
        """All clauses, in an order that makes no sense."""
        clauses = _clauses(pair.chosen)
        if len(clauses) < 3:
            return ""
        self._random.shuffle(clauses)
        return "".join(clauses)

    def _scrambled(self, pair: PreferencePair) -> str:
        """A tenth to a third of the characters are replaced by, or exchanged with, others."""
        characters = list(pair.chosen)
        donors = self._random.choice(self._pairs).chosen
        for _ in range(max(2, round(len(characters) * self._random.uniform(0.1, 0.35)))):
            place = self._random.randrange(len(characters))
            if self._random.random() < 0.5:
                characters[place] = self._random.choice(donors)
            else:
                other = self._random.randrange(len(characters))
                characters[place], characters[other] = characters[other], characters[place]
        return "".join(characters)


def _clauses(text: str) -> list[str]:
    """A text cut behind its punctuation; never empty for a text that is not."""
    return [clause for clause in CLAUSE_END.split(text) if clause]
