"""The rollouts that benchmarks score (random characters, of lengths spread evenly and shuffled), and sending them."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from shared.schemas import Rollout

FIRST_CHARACTER = 0x4E00
CHARACTERS = 3_000
TEMPLATE_TOKENS = 3
"""What the chat template of `trainer.tiny` adds: both roles and the end."""
LONGEST_PROMPT_TOKENS = 16
USER, ASSISTANT, EOS = "<user>", "<assistant>", "<eos>"
"""Of that template. A process that makes load imports nothing of Transformers, so they stand here again."""

Part = TypeVar("Part")
Answer = TypeVar("Answer")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sent(Generic[Answer]):
    """What came back, and what it took. ``latencies`` are the seconds from each part to its answer."""

    answers: list[Answer]
    latencies: list[float]
    seconds: float
    cpu_seconds: float

    def report(self, rewards: Mapping[str, float | None], asked: int) -> dict[str, Any]:
        """What a process that makes load prints: ``rewards`` by id, and how many rollouts were asked for."""
        return {
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "latencies": self.latencies,
            "rewards": rewards,
            "asked": asked,
        }


def in_parts(count: int, each: int, shortest: int, longest: int, seed: int, pool: int) -> Iterator[list[Rollout]]:
    """``count`` rollouts, ``each`` to a part, from a pool of so many that are used again and again.

    Ids differ within a part, which is what the contract asks for; a million rollouts need not be held at once.
    """
    made = rollouts(min(count, pool), shortest, longest, seed)
    parts = [made[start : start + each] for start in range(0, len(made), each)]
    left = count
    for part in itertools.cycle(parts):
        if left <= 0:
            return
        yield part[:left]
        left -= len(part)


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


def rendered(rollout: Rollout) -> str:
    """A rollout as the chat template of `trainer.tiny` renders it: what servers of others are sent."""
    return f"{USER}{rollout.prompt}{ASSISTANT}{rollout.completion}{EOS}"


async def send_all(
    parts: Iterable[Part], senders: Sequence[Callable[[Part], Awaitable[Answer]]], *, pause_seconds: float = 0.0
) -> Sent[Answer]:
    """Send all parts, in order, with every sender at work all the time but for a pause behind each answer."""
    waiting = iter(parts)
    answers: list[Answer] = []
    latencies: list[float] = []

    async def keep_sending(send: Callable[[Part], Awaitable[Answer]]) -> None:
        for part in waiting:
            begun = time.perf_counter()
            answers.append(await send(part))
            latencies.append(time.perf_counter() - begun)
            if pause_seconds:
                await asyncio.sleep(pause_seconds)

    used = time.process_time()
    begun = time.perf_counter()
    await asyncio.gather(*map(keep_sending, senders))
    return Sent(
        seconds=time.perf_counter() - begun,
        cpu_seconds=time.process_time() - used,
        answers=answers,
        latencies=latencies,
    )
