"""The demo's last stage: the agents write a few greetings for one request, weigh them, and choose a preference pair."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from pydantic import JsonValue
from rich.console import Console

from shared.client import RewardClient
from shared.errors import ZhufuError
from shared.schemas import Rollout
from trainer.report.page import DebateStep
from trainer.report.tables import text_table
from trainer.sampling.request import SampleRequest

TIMEOUT_SECONDS = 300.0
SHOWN_CHARACTERS = 400
STAND_IN = (
    "The LLM behind them is the stand-in, which mostly repeats the examples of its prompt: this shows how a pair comes "
    "about, not how good one is."
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AgentsFound:
    """What the agents found.

    Attributes:
        prompt: The request of the pair, or the last one that was tried.
        chosen: None, as is ``rejected``, where no request gave a pair.
        why: Why each request before gave none.
        debate: How the chosen greeting was weighed; that of the last candidate where there is no pair.
        tokens: Paid for all of it.
    """

    prompt: str
    chosen: str | None
    rejected: str | None
    why: Sequence[str]
    debate: Sequence[DebateStep]
    tokens: int


async def first_pair(url: str, prompts: Sequence[str], candidates: int, console: Console) -> AgentsFound:
    """Ask for samples of one prompt after another until one gives a pair; failures are told, not raised."""
    request = SampleRequest(candidates=candidates, pair_by="quality")
    why: list[str] = []
    debate: list[DebateStep] = []
    tokens = 0
    async with RewardClient.from_url(url, timeout_seconds=TIMEOUT_SECONDS) as client:
        for prompt in prompts:
            try:
                with console.status(f"{prompt}: {candidates} candidates, each weighed by four agents"):
                    (score,) = await client.score([Rollout(id="1", prompt=prompt, completion="")], request.options())
            except ZhufuError as error:
                why.append(f"{prompt}: {error.detail}")
                continue
            if score.usage is not None:
                tokens += score.usage.prompt_tokens + score.usage.completion_tokens
            if score.error is not None or score.details is None:
                why.append(f"{prompt}: {score.error.detail if score.error else 'no sample in the answer'}")
                continue
            sample = _object(score.details["sample"])
            pair = sample["pair"]
            tried = [_object(each) for each in _list(sample["candidates"])]
            if pair is None:
                debate = debate_of(tried[-1])
                why.append(f"{prompt}: {sample['no_pair']}")
                continue
            chosen = _object(pair)
            index = chosen["chosen_index"]
            return AgentsFound(
                prompt=prompt,
                chosen=str(chosen["chosen"]),
                rejected=str(chosen["rejected"]),
                why=why,
                debate=debate_of(next(each for each in tried if each["index"] == index)),
                tokens=tokens,
            )
    return AgentsFound(prompt=prompts[-1], chosen=None, rejected=None, why=why, debate=debate, tokens=tokens)


def debate_of(candidate: dict[str, JsonValue]) -> list[DebateStep]:
    """The steps of one candidate's transcript, for people."""
    steps = [_object(step) for step in _list(candidate["transcript"])]
    return [
        DebateStep(agent=str(step["step"]), round=_number(step["round"]), said=_said(step["answer"], step.get("note")))
        for step in steps
    ]


def show(found: AgentsFound, console: Console, *, is_stand_in: bool) -> None:
    """Print the pair and how it came about."""
    for line in found.why:
        console.print(f"no pair: {line}", markup=False, soft_wrap=True)
    if found.chosen is not None and found.rejected is not None:
        pair = text_table("chosen", "rejected", title=found.prompt)
        pair.add_row(found.chosen, found.rejected)
        console.print(pair)
    else:
        console.print(f"None of {len(found.why)} requests gave a pair.")
    debate = text_table("agent", "round", "what it said", title="Transcript")
    for step in found.debate:
        debate.add_row(step.agent, str(step.round), step.said)
    console.print(debate)
    console.print(f"{found.tokens:,} tokens")
    if is_stand_in:
        console.print(STAND_IN)


def _said(answer: JsonValue, note: JsonValue) -> str:
    """An answer in a line or some: points and reasons as they are, what else there is by its name."""
    text = "\n".join(_lines(answer)) or "nothing"
    return f"{text[:SHOWN_CHARACTERS]}{f' ({note})' if note else ''}"


def _lines(value: JsonValue, name: str = "") -> list[str]:
    if isinstance(value, dict):
        if set(value) == {"aspect", "why"}:
            return [f"{value['aspect']}: {value['why']}"]
        if "completion" in value:
            return [f"{value.get('prompt')} → {value['completion']}"]
        return [line for key, each in value.items() for line in _lines(each, key)]
    if isinstance(value, list):
        return [line for each in value for line in _lines(each)] or [f"no {name}"]
    return [] if value is None else [f"{name}: {value}" if name and name != "reason" else str(value)]


def _object(value: JsonValue) -> dict[str, JsonValue]:
    assert isinstance(value, dict), "the service breaks its contract"
    return value


def _list(value: JsonValue) -> list[JsonValue]:
    assert isinstance(value, list), "the service breaks its contract"
    return value


def _number(value: JsonValue) -> int:
    assert isinstance(value, int), "the service breaks its contract"
    return value
