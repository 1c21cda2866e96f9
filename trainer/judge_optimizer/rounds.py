"""Rounds: the adversarial phase, the reflection phase, and the gate after each change of S_D."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from typing import Any

from trainer.judge_optimizer.adversarial import attack_all
from trainer.judge_optimizer.asker import Asker
from trainer.judge_optimizer.gate import Gate, Measurement
from trainer.judge_optimizer.judging import Sitting, measure
from trainer.judge_optimizer.log import RoundLog
from trainer.judge_optimizer.pools import Deal, Pools
from trainer.judge_optimizer.reflection import reflect_all
from trainer.judge_optimizer.roles import Cast
from trainer.judge_optimizer.strategy import Strategies, Strategy
from trainer.judge_optimizer.update import Update, improve


@dataclasses.dataclass(frozen=True, slots=True)
class Best:
    """The best S_D so far, what it was measured to be, and the round that it is from; 0 is the start."""

    measurement: Measurement
    round_number: int

    @property
    def strategy(self) -> Strategy:
        """Its rules."""
        return self.measurement.strategy


class Rounds:
    """Plays rounds, one after another, and logs each."""

    def __init__(
        self,
        asker: Asker,
        cast: Cast,
        pools: Pools,
        gate: Gate,
        log: RoundLog,
        start: Strategies,
        *,
        seed: int,
        batch: int,
    ) -> None:
        """``batch``: requests of an adversarial phase, and labelled greetings of a reflection phase."""
        self.start: Measurement | None = None
        self.best: Best | None = None
        self.judged = 0
        self.fooled = 0
        self.played = 0
        self._asker = asker
        self._cast = cast
        self._pools = pools
        self._gate = gate
        self._log = log
        self._strategies = start
        self._seed = seed
        self._batch = batch
        self._deal = Deal(seed)

    async def play(self, rounds: int, ended: Callable[[int], None]) -> None:
        """Measure the start, then play so many rounds; ``ended`` is called after each, also after the start (0).

        Raises:
            GateUnusable: The starting principles cannot be measured.
            CeilingReached, LlmDown: The run cannot go on; what is logged is whole rounds.
        """
        best = await self._measure_start()
        ended(0)
        for number in range(1, rounds + 1):
            best = await self._play(number, best)
            ended(number)

    async def _measure_start(self) -> Best:
        self._begin(0)
        sitting = await measure(self._asker, self._cast, self._strategies.detector, self._pools.validation)
        self._gate.check_start(sitting.measurement)
        self.start = sitting.measurement
        self.best = best = Best(sitting.measurement, 0)
        self._end(0, {"strategies": self._strategies.to_json(), "validation": sitting.to_json()}, [self._strategies])
        return best

    async def _play(self, number: int, best: Best) -> Best:
        self._begin(number)
        asker, cast, before = self._asker, self._cast, self._strategies
        seen = [before]

        requests = self._deal.requests(self._pools, number, self._batch)
        seeds = [_seed_of(self._seed, number, place) for place in range(len(requests))]
        attacks = await attack_all(asker, cast, before, requests, seeds)
        seed = _seed_of(self._seed, number, len(requests))
        generator_update = await improve(asker, cast.generator_rules, before.generator, attacks.for_generator, seed)
        detector_update = await improve(asker, cast.detector_rules, before.detector, attacks.for_detector, seed)
        detector, best, first_gate = await self._passed(detector_update, before.detector, best, number, seen)
        between = Strategies(generator_update.strategy, detector)

        examples = await reflect_all(asker, cast, detector, self._deal.labelled(self._pools, number, self._batch))
        reflection_update = await improve(asker, cast.detector_rules, detector, examples.for_detector, seed)
        detector, best, second_gate = await self._passed(reflection_update, detector, best, number, seen)
        after = Strategies(between.generator, detector)

        self._strategies, self.best = after, best
        self.judged += attacks.judged
        self.fooled += attacks.fooled
        self.played = number
        record = {
            "before": before.to_json(),
            "adversarial": {
                "judged": attacks.judged,
                "fooled": attacks.fooled,
                "attacks": [attack.to_json() for attack in attacks.attacks],
                "generator_update": {**generator_update.to_json(), "decision": _decision(generator_update, None)},
                "detector_update": first_gate,
            },
            "reflection": {
                "wrong": examples.wrong,
                "examples": [example.to_json() for example in examples.examples],
                "detector_update": second_gate,
            },
            "after": after.to_json(),
            "best": {"round": best.round_number, **best.measurement.to_json()},
        }
        self._end(number, record, seen)
        return best

    async def _passed(
        self, update: Update, before: Strategy, best: Best, number: int, seen: list[Strategies]
    ) -> tuple[Strategy, Best, dict[str, Any]]:
        """What is in force after a proposed change, the best, and the record of how it was decided."""
        if update.outcome != "proposed":
            return before, best, {**update.to_json(), "decision": _decision(update, None), "gate": None}
        candidate = update.strategy
        seen.append(Strategies(seen[0].generator, candidate))
        sitting: Sitting = await measure(self._asker, self._cast, candidate, self._pools.validation)
        decision = self._gate.decide(sitting.measurement, best.measurement)
        record = {
            **update.to_json(),
            "decision": _decision(update, decision.kept),
            "gate": {**decision.to_json(), "against_round": best.round_number, "validation": sitting.to_json()},
        }
        if decision.is_best:
            best = Best(sitting.measurement, number)
        return candidate if decision.kept else before, best, record

    def _begin(self, number: int) -> None:
        self._asker.begin_round(number)

    def _end(self, number: int, record: dict[str, Any], seen: list[Strategies]) -> None:
        tally = self._asker.tally
        prompts = self._cast.shown(seen)
        whole = {
            "round": number,
            **record,
            "calls": tally.calls,
            "failures": dict(sorted(tally.failures.items())),
            "tokens": {"prompt": tally.prompt_tokens, "completion": tally.completion_tokens},
            "prompts": {version: prompt.model_dump(mode="json") for version, prompt in prompts.items()},
        }
        self._log.add(whole, paid_calls=tally.paid_calls, paid_tokens=tally.paid_tokens)
        self._asker.end_round()


def _decision(update: Update, kept: bool | None) -> str:
    """In a word. Rules of S_G stay without a gate: whether they fool the Detector, only the next rounds tell."""
    if update.outcome != "proposed":
        return update.outcome
    return "kept" if kept is None or kept else "rolled_back"


def _seed_of(seed: int, round_number: int, place: int) -> int:
    digest = hashlib.sha256(f"{seed}:{round_number}:{place}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
