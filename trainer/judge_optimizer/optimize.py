"""A whole run: the rounds, then one measurement on data that decided nothing."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from pydantic import JsonValue
from rich.console import Console

from shared.llm.client import LlmClient
from shared.llm.limits import LimitSettings, LocalLimiter
from shared.llm.metrics import LlmMetrics
from shared.llm.settings import LlmSettings
from shared.principles import Principles
from trainer.evaluation.intervals import Interval
from trainer.judge_optimizer.answers import FILE_NAME, AnswerStore
from trainer.judge_optimizer.asker import Asker
from trainer.judge_optimizer.budget import Budget, Spent
from trainer.judge_optimizer.errors import CeilingReached, LlmDown
from trainer.judge_optimizer.gate import Gate, Measurement, interval_json, paired_difference
from trainer.judge_optimizer.judging import measure
from trainer.judge_optimizer.log import RoundLog
from trainer.judge_optimizer.pools import Pools
from trainer.judge_optimizer.roles import Cast, Prompts
from trainer.judge_optimizer.rounds import Best, Rounds
from trainer.judge_optimizer.strategy import Strategies
from trainer.progress_bar import progress_bar
from trainer.run_folder import RunFolderError, write_json

TEST = "test.json"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerJob:
    """What a run is to do; its folder is ready.

    Attributes:
        output: The folder.
        llm: Who plays all roles.
        prompts: What the roles are told.
        pools: The data.
        start: The strategies to begin with.
        parent: The file that S_D is from.
        seed: Of all that is drawn.
        batch: Size of each phase.
        max_failed_share: See `trainer.judge_optimizer.gate.Gate`.
        rounds: To be played.
        max_calls: Ceiling on paid calls of the run, all its processes together; None: none.
        max_tokens: Likewise on tokens.
        answers: Kept answers of another run, that are not asked again.
    """

    output: Path
    llm: LlmSettings
    prompts: Prompts
    pools: Pools
    start: Strategies
    parent: Principles
    seed: int
    batch: int
    max_failed_share: float
    rounds: int
    max_calls: int | None = None
    max_tokens: int | None = None
    answers: Path | None = None

    def settings(self) -> dict[str, Any]:
        """Everything that decides what comes out; ceilings and rounds may grow when a run is resumed."""
        return {
            "data": self.pools.describe(),
            "start": self.start.to_json(),
            "parent": self.parent.id,
            "seed": self.seed,
            "batch": self.batch,
            "max_failed_share": self.max_failed_share,
            "prompts": self.prompts.versions(),
            "model": self.llm.llm_model,
            "api": self.llm.llm_api,
            "extra_body": self.llm.llm_extra_body,
        }


@dataclasses.dataclass(frozen=True, slots=True)
class TestResult:
    """The start and the best on data that decided nothing."""

    before: Measurement
    after: Measurement

    @property
    def difference(self) -> Interval | None:
        """After minus before."""
        return paired_difference(self.before, self.after)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Optimized:
    """How far a run came.

    Attributes:
        records: The lines of its log.
        start: The starting principles on the validation set; None where it did not even come to that.
        best: The best so far.
        played: Whole rounds.
        judged: Attacks that had a verdict.
        fooled: Those of them that passed for good.
        test: None where the run stopped before its end.
        spent: Paid by this run, over all its processes.
        stopped: Why it did not come to its end.
    """

    records: list[dict[str, Any]]
    start: Measurement | None
    best: Best | None
    played: int
    judged: int
    fooled: int
    test: TestResult | None
    spent: Spent
    stopped: CeilingReached | LlmDown | None

    @property
    def fooling_rate(self) -> float | None:
        """Share of judged attacks that passed for good, over all rounds."""
        return self.fooled / self.judged if self.judged else None


async def optimize(job: OptimizerJob, console: Console) -> Optimized:
    """Play all rounds and measure the best; what an earlier process of the run did is taken from its answers.

    Raises:
        GateUnusable, RunDiverged, AnswersUnusable: See there. A ceiling, or an LLM that is gone, is told in the result.
        RunFolderError: The run has played more rounds already.
    """
    log = RoundLog(job.output)
    if log.finished - 1 > job.rounds:
        raise RunFolderError(
            f"{job.output} has played {log.finished - 1} rounds already, which are more than asked for"
        )
    with AnswerStore(job.output / FILE_NAME, given=job.answers) as store, progress_bar(console) as progress:
        store.settle(rounds=log.finished)
        store.forget_unsettled()
        limits = LimitSettings(max_in_flight=job.llm.llm_max_in_flight)
        client = LlmClient(job.llm, limiter=LocalLimiter(limits), metrics=LlmMetrics(CollectorRegistry()))
        budget = Budget(store.spent, max_calls=job.max_calls, max_tokens=job.max_tokens)
        task = progress.add_task("rounds", total=job.rounds, figures="")
        asker = Asker(
            client,
            job.llm.llm_api,
            store,
            budget,
            max_in_flight=job.llm.llm_max_in_flight,
            heard=lambda: progress.update(task, figures=_figures(rounds, budget.spent)),
        )
        cast = Cast(job.prompts)
        gate = Gate(job.max_failed_share)
        rounds = Rounds(asker, cast, job.pools, gate, log, job.start, seed=job.seed, batch=job.batch)
        test: TestResult | None = None
        stopped: CeilingReached | LlmDown | None = None
        try:
            await rounds.play(job.rounds, lambda number: progress.update(task, completed=number))
            test = await _measure_test(job, rounds, asker, cast)
        except (CeilingReached, LlmDown) as error:
            stopped = error
        finally:
            await client.close()
        return Optimized(
            records=log.records,
            start=rounds.start,
            best=rounds.best,
            played=rounds.played,
            judged=rounds.judged,
            fooled=rounds.fooled,
            test=test,
            spent=store.spent,
            stopped=stopped,
        )


async def _measure_test(job: OptimizerJob, rounds: Rounds, asker: Asker, cast: Cast) -> TestResult:
    """Once, when all is decided."""
    asker.begin_round(job.rounds + 1)
    best = job.start.detector if rounds.best is None else rounds.best.strategy
    before = await measure(asker, cast, job.start.detector, job.pools.test)
    after = before if best == job.start.detector else await measure(asker, cast, best, job.pools.test)
    result = TestResult(before.measurement, after.measurement)
    record: dict[str, JsonValue] = {
        "before": before.to_json(),
        "after": after.to_json(),
        "difference": interval_json(result.difference),
    }
    write_json(job.output / TEST, record)
    asker.end_round()
    return result


def _figures(rounds: Rounds, spent: Spent) -> str:
    parts = [f"{spent.calls:,} calls", f"{spent.tokens:,} tokens"]
    if rounds.best is not None and (agreement := rounds.best.measurement.agreement) is not None:
        parts.append(f"best {agreement.mean:.3f} (round {rounds.best.round_number})")
    return "  ".join(parts)
