"""Bad completions made from good ones: what a policy in reinforcement learning finds when a reward lets it.

A reward model trained on people's pairs alone has never seen garbled, repeated, cut off or padded text, and a policy
that climbs it ends there. Each maker here breaks one thing; all of them keep to the characters of real greetings, so
that no single character gives the answer away. Made-up negatives are for training only, never for evaluation.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence

from trainer.data.records import PreferencePair

CLAUSE_END = re.compile(r"(?<=[，。！？；…～])")
FLAWED_SHARE = 0.3
"""Of the texts for other prompts: so many are the rejected ones of theirs."""
FLAWED_EVERY = 4
TRIES = 4
"""For each negative asked for; short or repetitive texts cannot be broken in every way."""


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
        self._kinds: dict[str, Callable[[str], str]] = {
            "spliced": self._spliced,
            "cut_off": self._cut_off,
            "repeated": self._repeated,
            "padded": self._padded,
            "shuffled_clauses": self._shuffled_clauses,
            "scrambled": self._scrambled,
        }

    @property
    def kinds(self) -> Mapping[str, Callable[[str], str]]:
        """What breaks a text, by name; each gives an empty string for a text that it cannot break."""
        return self._kinds

    def make(self, count: int) -> list[tuple[str, PreferencePair]]:
        """``count`` negatives for each pair, as (kind, pair).

        About a quarter each are texts for other prompts, and the pair's own greeting under other prompts: no text
        shall be good by itself. Where there are policy samples for a prompt, they make up a fifth. The rest are broken
        texts, the kinds in turns; one in `FLAWED_EVERY` of those breaks the pair's rejected completion, which is then
        the better of the two: whole sentences are better than broken ones in flawed greetings too. A maker that cannot
        break a text (too short) is passed over.
        """
        made: list[tuple[str, PreferencePair]] = []
        for place, pair in enumerate(self._pairs):
            prompt, chosen = pair.prompt, pair.chosen
            samples = self._drawn_samples(pair, (count + 2) // 5)
            others = self._texts_for_others(pair, (count + 2 * (place % 2)) // 4)
            requests = self._requests_of_others(pair, (count + 1) // 4)
            found = [
                *(("policy_sample", PreferencePair(prompt, chosen, text)) for text in samples),
                *(("other_prompt", PreferencePair(prompt, chosen, text)) for text in others),
                *(("other_request", PreferencePair(prompt, chosen, chosen, request)) for request in requests),
            ][:count]
            made += found + self._broken(pair, count - len(found))
        return made

    def _drawn_samples(self, pair: PreferencePair, count: int) -> list[str]:
        samples = [text for text in self._samples.get(pair.prompt, []) if text and text != pair.chosen]
        return self._random.sample(samples, min(len(samples), count))

    def _texts_for_others(self, pair: PreferencePair, count: int) -> list[str]:
        """Good greetings for somebody else, and some that are flawed there too.

        What stands under the same prompt elsewhere in the set would not be wrong.
        """
        texts: list[str] = []
        for _ in range(TRIES * count):
            other = self._random.choice(self._pairs)
            text = other.rejected if self._random.random() < FLAWED_SHARE else other.chosen
            if len(texts) < count and other.prompt != pair.prompt and text not in (pair.chosen, *texts):
                texts.append(text)
        return texts

    def _requests_of_others(self, pair: PreferencePair, count: int) -> list[str]:
        """Prompts under which the pair's good greeting does not stand in the set."""
        drawn = self._random.choices(self._pairs, k=TRIES * count)
        fit = [other.prompt for other in drawn if other.prompt != pair.prompt and other.chosen != pair.chosen]
        return list(dict.fromkeys(fit))[:count]

    def _broken(self, pair: PreferencePair, count: int) -> list[tuple[str, PreferencePair]]:
        """(kind, pair of whole and broken text), each kind about equally often."""
        names = list(self._kinds)
        self._random.shuffle(names)
        found: list[tuple[str, PreferencePair]] = []
        for turn in range(TRIES * count):
            if len(found) == count:
                break
            kind = names[turn % len(names)]
            whole = pair.rejected if len(found) % FLAWED_EVERY == FLAWED_EVERY - 1 else pair.chosen
            broken = self._kinds[kind](whole)
            if broken and broken != whole:
                found.append((kind, PreferencePair(pair.prompt, whole, broken)))
        return found

    def _spliced(self, text: str) -> str:
        """The beginning of this greeting and the end of another, joined in mid-sentence; as long as this one."""
        other = self._random.choice(self._pairs).chosen
        middle = self._random.randint(len(text) // 4, 3 * len(text) // 4)
        rest = len(text) - middle
        return text[:middle] + other[max(0, len(other) - rest) :]

    def _cut_off(self, text: str) -> str:
        """Breaks off inside a clause."""
        if len(text) < 8:
            return ""
        end = self._random.randint(len(text) // 3, len(text) - 2)
        return text[:end].rstrip("，。！？；…～、")

    def _repeated(self, text: str) -> str:
        """One clause said two to four times."""
        clauses = _clauses(text)
        index = self._random.randrange(len(clauses))
        return "".join(
            clause * self._random.randint(2, 4) if place == index else clause for place, clause in enumerate(clauses)
        )

    def _padded(self, text: str) -> str:
        """The greeting, and then clauses of others that have nothing to do with it."""
        filler = [clause for _ in range(3) for clause in _clauses(self._random.choice(self._pairs).chosen)]
        self._random.shuffle(filler)
        return text + "".join(filler[: self._random.randint(1, 3)])

    def _shuffled_clauses(self, text: str) -> str:
        """All clauses, in an order that makes no sense."""
        clauses = _clauses(text)
        if len(clauses) < 3:
            return ""
        self._random.shuffle(clauses)
        return "".join(clauses)

    def _scrambled(self, text: str) -> str:
        """A tenth to a third of the characters are replaced by, or exchanged with, others."""
        characters = list(text)
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
