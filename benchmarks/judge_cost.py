"""What a verdict costs, by way of judging: prompt tokens really computed, tokens written, and time.

python -m benchmarks.judge_cost

Groups of eight rollouts of one prompt are judged on one LLM server in one run: by one token's log-probabilities, by a
verdict in JSON, and by the reference way: as in the paper's code, a call for each rollout that holds the text before
the rules, so that no two prompts begin alike, and nothing is kept. Then the service is asked about the same rollouts
again: it must not ask the LLM, else the status is 1.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from rich.console import Console

from benchmarks.judge_setup import (
    ANSWER_SECONDS,
    FIRST_LOOK,
    Judge,
    add_judge_arguments,
    bare_instructions,
    check_judge_arguments,
    for_each,
    plain_client,
    positive,
    read_samples,
    run_judged,
    samples,
    section_json,
    write_json,
)
from benchmarks.processes import BenchmarkFailed
from benchmarks.tables import Section, percentile
from services.judge.examples import find_examples
from services.judge.modes import REASON_TOKENS, VerdictMode
from services.judge.principles import find_principles
from services.judge.prompts import JSON_CUE, VERDICT_TASK
from shared.client import RewardClient
from shared.llm.chat import ChatRequest, Message
from shared.llm.client import LlmClient
from shared.llm.errors import LlmFailed
from shared.principles import Principles
from shared.schemas import GROUP_SIZE, Rollout
from trainer.data.records import StarterPair
from trainer.data.starter import load_starter

GROUP = 8
WARM_SECONDS: Final = 0.5
"""What one warm verdict by log-probabilities may take on two cores."""
REFERENCE = "JSON, text before the rules"
LOGPROB = "log-probabilities"
VERDICT = "JSON verdict"
MODES: Final = {LOGPROB: "logprob", VERDICT: "verdict"}

Verdicts = Mapping[str, str | None]
"""Of each rollout by id: None where it was scored, else the code of its failure."""
Ask = Callable[[Sequence[Rollout]], Awaitable[Verdicts]]
Meter = Callable[[], Awaitable["Counts"]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What the LLM was asked and what that cost, by its own count."""

    requests: int
    prompt_tokens: int
    cached_prompt_tokens: int
    completion_tokens: int

    @property
    def computed_tokens(self) -> int:
        """Of the prompts, without those that the server had from before."""
        return self.prompt_tokens - self.cached_prompt_tokens

    def __add__(self, other: Counts) -> Counts:
        fields = (field.name for field in dataclasses.fields(self))
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in fields})

    def __sub__(self, before: Counts) -> Counts:
        fields = (field.name for field in dataclasses.fields(self))
        return Counts(**{name: getattr(self, name) - getattr(before, name) for name in fields})


NO_COUNTS: Final = Counts(requests=0, prompt_tokens=0, cached_prompt_tokens=0, completion_tokens=0)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one way of judging took.

    Attributes:
        name: Of the way.
        verdicts: Rollouts in groups.
        groups: Of each group, in order; the first pays for the beginning of the prompts.
        group_seconds: Of each group, from asking to its last score.
        single_seconds: Of each rollout that was sent by itself, after the groups.
        failures: Rollouts that were not scored, singles included, by code.
        again: What the second pass over those scored cost, and its seconds; None where nothing is kept.
        again_seconds: See ``again``.
    """

    name: str
    verdicts: int
    groups: tuple[Counts, ...]
    group_seconds: tuple[float, ...]
    single_seconds: tuple[float, ...]
    failures: Mapping[str, int]
    again: Counts | None
    again_seconds: float | None

    @property
    def total(self) -> Counts:
        """Of all groups."""
        return sum(self.groups, NO_COUNTS)

    @property
    def seconds_per_verdict(self) -> float:
        """In groups."""
        return sum(self.group_seconds) / self.verdicts

    @property
    def computed_per_verdict(self) -> float:
        """Prompt tokens, the first group's beginning included."""
        return self.total.computed_tokens / self.verdicts

    @property
    def warm_computed_per_verdict(self) -> float | None:
        """The same without the first group; None where there is only one."""
        rest = self.groups[1:]
        each_group = self.verdicts // len(self.groups)
        return sum(counts.computed_tokens for counts in rest) / (each_group * len(rest)) if rest else None

    @property
    def single_median_seconds(self) -> float:
        """Of a rollout sent by itself."""
        return percentile(self.single_seconds, 0.5)

    def column(self) -> list[str]:
        """Of the table; see `MEASURES`."""
        warm = self.warm_computed_per_verdict
        return [
            f"{self.total.prompt_tokens:,}",
            f"{self.computed_per_verdict:,.1f}",
            "" if warm is None else f"{warm:,.1f}",
            f"{self.total.completion_tokens / self.verdicts:.1f}",
            f"{self.seconds_per_verdict:.2f}",
            f"{self.single_median_seconds:.2f}",
            "" if self.again is None else str(self.again.requests),
            "" if self.again_seconds is None else f"{self.again_seconds / self.verdicts:.4f}",
            str(sum(self.failures.values())),
        ]


MEASURES: Final = (
    "LLM prompt tokens in all",
    "prompt tokens computed, a verdict",
    "the same without the first group",
    "tokens written, a verdict",
    "seconds a verdict, in groups",
    "seconds, one verdict by itself",
    "second pass: requests to the LLM",
    "second pass: seconds a verdict",
    "rollouts not scored",
)


def make_groups(pairs: Sequence[StarterPair], count: int, size: int = GROUP) -> list[list[Rollout]]:
    """Groups of rollouts of one prompt: its own two texts, then those of the pairs behind it.

    Raises:
        BenchmarkFailed: There are too few pairs for so many groups of different texts.
    """
    each_group = -(-size // 2)
    if count * each_group > len(pairs):
        raise BenchmarkFailed(f"{len(pairs)} pairs make {len(pairs) // each_group} groups, not {count}")
    groups = []
    for number in range(count):
        own = pairs[number * each_group : (number + 1) * each_group]
        texts = [text for pair in own for text in (pair.chosen, pair.rejected)][:size]
        groups.append(
            [
                Rollout(
                    id=f"g{number}-{place}",
                    prompt=own[0].prompt,
                    completion=text,
                    group=f"g{number}",
                    metadata={GROUP_SIZE: len(texts)},
                )
                for place, text in enumerate(texts)
            ]
        )
    return groups


def make_singles(pairs: Sequence[StarterPair], count: int) -> list[Rollout]:
    """Good and flawed texts in turn, each for its own prompt. Raises `BenchmarkFailed` where there are not so many."""
    if count > len(pairs):
        raise BenchmarkFailed(f"there are {len(pairs)} rollouts to be sent by themselves, not {count}")
    return [
        Rollout(id=f"s{number}", prompt=pair.prompt, completion=pair.rejected if number % 2 else pair.chosen)
        for number, pair in enumerate(pairs[:count])
    ]


def reference_request(principles: Principles, rollout: Rollout) -> ChatRequest:
    """A question as the paper's code asks it: what is judged stands first, as it came."""
    text = (
        f"请求：{rollout.prompt}\n祝福语：{rollout.completion}\n\n"
        f"{bare_instructions(principles)}\n\n{VERDICT_TASK}\n{JSON_CUE}"
    )
    return ChatRequest(
        messages=(Message(role="user", content=text),),
        max_tokens=REASON_TOKENS,
        json_schema=VerdictMode.schema,
        schema_name=VerdictMode.name,
    )


def counts_of(found: Mapping[tuple[str, str], float]) -> Counts:
    """From samples of `shared.llm.metrics`."""

    def tokens(kind: str) -> int:
        return round(found.get(("zhufu_llm_tokens_total", kind), 0))

    return Counts(
        requests=round(sum(value for (name, _), value in found.items() if name == "zhufu_llm_requests_total")),
        prompt_tokens=tokens("prompt"),
        cached_prompt_tokens=tokens("cached_prompt"),
        completion_tokens=tokens("completion"),
    )


async def cost_of(
    name: str,
    ask: Ask,
    meter: Meter,
    groups: Sequence[Sequence[Rollout]],
    singles: Sequence[Rollout],
    *,
    console: Console,
    keeps: bool,
) -> Cost:
    """Ask group by group, then one by one, then about all groups again where ``keeps``.

    Raises:
        BenchmarkFailed: None of the first rollouts was scored.
    """
    outcomes: dict[str, str | None] = {}

    async def timed(rollouts: Sequence[Rollout]) -> tuple[Counts, float]:
        before = await meter()
        begun = time.perf_counter()
        outcomes.update(await ask(rollouts))
        seconds = time.perf_counter() - begun
        if len(outcomes) >= FIRST_LOOK and all(outcomes.values()):
            raise BenchmarkFailed(f"{name}: none of the first rollouts was scored: {_listed(_codes(outcomes))}")
        return await meter() - before, seconds

    done = await for_each(groups, timed, console=console, title=f"{name}: groups")
    alone = await for_each([[rollout] for rollout in singles], timed, console=console, title=f"{name}: one by one")
    failures = _codes(outcomes)
    again = again_seconds = None
    if keeps:
        scored = [[rollout for rollout in group if outcomes[rollout.id] is None] for group in groups]
        known = [group for group in scored if group]
        repeated = await for_each(known, timed, console=console, title=f"{name}: once more")
        again = sum((counts for counts, _ in repeated), NO_COUNTS)
        again_seconds = sum(seconds for _, seconds in repeated)
    return Cost(
        name=name,
        verdicts=sum(map(len, groups)),
        groups=tuple(counts for counts, _ in done),
        group_seconds=tuple(seconds for _, seconds in done),
        single_seconds=tuple(seconds for _, seconds in alone),
        failures=failures,
        again=again,
        again_seconds=again_seconds,
    )


def _codes(outcomes: Verdicts) -> dict[str, int]:
    found: dict[str, int] = {}
    for code in outcomes.values():
        if code is not None:
            found[code] = found.get(code, 0) + 1
    return found


def _listed(codes: Mapping[str, int]) -> str:
    return ", ".join(f"{count} x {code}" for code, count in codes.items())


def through_service(reward: RewardClient, mode: str) -> Ask:
    """Rollouts in one request to the judge service."""

    async def ask(rollouts: Sequence[Rollout]) -> Verdicts:
        scores = await reward.score(rollouts, {"mode": mode})
        return {score.id: score.error.code if score.error else None for score in scores}

    return ask


def as_reference(client: LlmClient, judge: Judge, principles: Principles) -> Ask:
    """Rollouts each in a call to the LLM."""
    reader = VerdictMode(principles, find_examples("none"), judge.mode_settings)

    async def one(rollout: Rollout) -> str | None:
        try:
            reader.read(await client.ask(reference_request(principles, rollout)))
        except LlmFailed as error:
            return error.failure_code
        return None

    async def ask(rollouts: Sequence[Rollout]) -> Verdicts:
        codes = await asyncio.gather(*map(one, rollouts))
        return {rollout.id: code for rollout, code in zip(rollouts, codes, strict=True)}

    return ask


async def measure(given: argparse.Namespace, judge: Judge, console: Console) -> int:
    """All ways on one server, the table; the status."""
    groups = make_groups(load_starter("test"), given.groups)
    singles = make_singles(load_starter("validation"), given.singles)
    principles = find_principles(judge.settings.principles)
    costs: list[Cost] = []

    async def service_counts() -> Counts:
        return counts_of(await samples(judge.url))

    async with RewardClient.from_url(judge.url, timeout_seconds=ANSWER_SECONDS) as reward:
        for name, mode in MODES.items():
            ask = through_service(reward, mode)
            costs.append(await cost_of(name, ask, service_counts, groups, singles, console=console, keeps=True))
    if not given.no_reference:
        registry = CollectorRegistry()

        async def own_counts() -> Counts:
            return counts_of(read_samples(generate_latest(registry).decode()))

        async with plain_client(judge.settings, registry) as client:
            ask = as_reference(client, judge, principles)
            costs.append(await cost_of(REFERENCE, ask, own_counts, groups, singles, console=console, keeps=False))
    table = section(costs, given.groups, given.singles)
    console.print(table.table())
    figures = {
        "settings": given.set,
        "ways": [
            {
                **dataclasses.asdict(cost),
                "total": dataclasses.asdict(cost.total),
                "computed_per_verdict": cost.computed_per_verdict,
                "warm_computed_per_verdict": cost.warm_computed_per_verdict,
                "seconds_per_verdict": cost.seconds_per_verdict,
                "single_median_seconds": cost.single_median_seconds,
            }
            for cost in costs
        ],
        "table": section_json(table),
    }
    write_json(given.output, figures, console)
    paid = [cost for cost in costs if cost.again is not None and cost.again.requests]
    for cost in paid:
        assert cost.again is not None
        console.print(f"BROKEN  {cost.name}: the second pass asked the LLM {cost.again.requests} times", style="red")
    return 1 if paid else 0


def section(costs: Sequence[Cost], groups: int, singles: int) -> Section:
    """The table."""
    first = costs[0]
    warm = first.single_median_seconds
    text = [
        f"{groups} groups of {GROUP} rollouts of one prompt, each group in one request, one group after the other; "
        f"then {singles} rollouts by themselves (median). All on one LLM server; tokens by its own count.",
        "Computed: prompt tokens that it did not have from before. Second pass: over the same groups, those rollouts "
        "that were scored.",
        f"A warm verdict by log-probabilities: {warm:.2f} s ({'within' if warm <= WARM_SECONDS else 'MORE THAN'} "
        f"{WARM_SECONDS:g} s).",
        *(
            f"Against '{cost.name}': {first.computed_per_verdict / cost.computed_per_verdict:.2f} of the computed "
            f"tokens, {first.seconds_per_verdict / cost.seconds_per_verdict:.2f} of the time."
            for cost in costs[1:]
            if cost.computed_per_verdict
        ),
    ]
    if not any(cost.total.cached_prompt_tokens for cost in costs):
        text.append("The server told of no tokens that it had from before: either it keeps none or does not tell.")
    text += [f"Not scored by '{cost.name}': {_listed(cost.failures)}." for cost in costs if cost.failures]
    measured = zip(*(cost.column() for cost in costs), strict=True)
    return Section(
        title="What a verdict costs",
        text=" ".join(text),
        columns=("", *(cost.name for cost in costs)),
        rows=[[name, *values] for name, values in zip(MEASURES, measured, strict=True)],
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.judge_cost", description=__doc__)
    parser.add_argument("--groups", type=positive, default=4, help=f"groups of {GROUP} rollouts of one prompt")
    parser.add_argument("--singles", type=positive, default=20, help="rollouts sent by themselves")
    parser.add_argument("--no-reference", action="store_true", help="leave the reference way out")
    add_judge_arguments(parser)
    given = parser.parse_args()
    check_judge_arguments(parser, given)
    run_judged(given, measure)


if __name__ == "__main__":
    main()
