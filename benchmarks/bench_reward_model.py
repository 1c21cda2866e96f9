"""The reward model as a service, as a share of the speed of the same model run offline."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import torch
from rich.console import Console

from benchmarks import reward_peers
from benchmarks.checkpoints import BASE, SMALL, Size, make_checkpoint
from benchmarks.context import Context
from benchmarks.processes import BenchmarkFailed, Worker, cpu_seconds, metrics, redis_server, service, worker
from benchmarks.report import installed
from benchmarks.reward_peers import Peers
from benchmarks.tables import Section, percentile, spread

SHORTEST_TOKENS, LONGEST_TOKENS = 16, 256
AT_ONCE = 32
NAME = "reward_model"
MAX_BATCH_TOKENS = 4_096
"""The service's limit; the baseline keeps it too."""
NAIVE_BATCH = 32
TOLERANCE = 1e-3
"""How far a reward may be from the baseline's: batches of other shapes round differently."""

PROFILES = {
    SMALL.name: (
        "Where the time goes (`python -m benchmarks.reward_profile`, one thread, batches of four): 69 % matrix "
        "multiplication, 13 % attention, the rest passes over memory. Texts one by one take 1.4 times as much of the "
        "CPU as in batches of four to eight. vLLM, which pads nothing, spends its time on the same multiplications: to "
        "be faster than both, one would have to compute less, in fewer bits."
    ),
    BASE.name: (
        "Where the time goes (`python -m benchmarks.reward_profile --size base`, one thread, batches of four): 88 % "
        "matrix multiplication and 6 % attention. Batches save a tenth of it against texts one by one, so that servers "
        "of the same model in float32, vLLM's too, can hardly differ by more than what they pad."
    ),
}
OFFLINE = "offline, sorted by length"
NAIVE = "offline, as they come (naive padding)"
ONE_EACH = f"HTTP, 1 rollout a request, {AT_ONCE} at once"
MANY_EACH = f"HTTP, {AT_ONCE} rollouts a request, 4 at once"
QUEUE = "queue, 64 rollouts a call, 2 at once"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured of one size of model."""

    size: Size
    rollouts: int
    rounds: int
    side_rounds: int
    """Rounds of all but those that are compared in the first place: the baseline, ours, and the servers of others."""
    probe_every: int
    batch_sizes: tuple[int, ...]
    """Sizes of batches that the baseline tries; it runs with its best one."""


SMALL_PLAN = Plan(size=SMALL, rollouts=256, rounds=3, side_rounds=1, probe_every=4, batch_sizes=(1, 2, 4, 8, 16))
BASE_PLAN = Plan(size=BASE, rollouts=64, rounds=3, side_rounds=1, probe_every=4, batch_sizes=(1, 2, 4, 8))
QUICK_ROLLOUTS, QUICK_BATCH_SIZES = 16, (4,)


async def run_small(context: Context) -> Section:
    """With a model of the demo's size."""
    return await run(context, SMALL_PLAN)


async def run_base(context: Context) -> Section:
    """With a model of the size of BERT base."""
    return await run(context, BASE_PLAN)


async def run(context: Context, plan: Plan) -> Section:
    """Measure; `BenchmarkFailed` unless every rollout was scored as the baseline scores it."""
    if context.quick:
        plan = dataclasses.replace(
            plan, rollouts=QUICK_ROLLOUTS, rounds=1, side_rounds=1, probe_every=1, batch_sizes=QUICK_BATCH_SIZES
        )
    folder = context.folder
    checkpoint = folder / plan.size.name
    parameters = make_checkpoint(plan.size, checkpoint)
    settings = {"reward_model_checkpoint": checkpoint}
    async with (
        redis_server(folder) as redis_url,
        service("services.reward_model.app", folder / "service.log", {**settings, "redis_url": redis_url}) as url,
        worker("benchmarks.offline", folder / "offline.log", str(checkpoint)) as offline,
        worker("benchmarks.http_load", folder / "http_load.log") as http,
        worker("benchmarks.queue_load", folder / "queue_load.log") as queue,
        reward_peers.running(context, checkpoint) as peers,
    ):
        runs = Runs(plan, context.console, url, redis_url, offline, http, queue, peers)
        await runs.measure()
    return runs.section(parameters)


class Runs:
    """All runs with one model, by turns."""

    def __init__(
        self,
        plan: Plan,
        console: Console,
        url: str,
        redis_url: str,
        offline: Worker,
        http: Worker,
        queue: Worker,
        peers: Peers,
    ) -> None:
        self._plan = plan
        self._console = console
        self._url = url
        self._offline = offline
        self._peers = peers
        port = self._port = int(url.rpartition(":")[2])
        self._loads: dict[str, tuple[Worker, dict[str, Any]]] = {
            ONE_EACH: (http, {"port": port, "each": 1, "at_once": AT_ONCE}),
            MANY_EACH: (http, {"port": port, "each": AT_ONCE, "at_once": 4}),
            QUEUE: (queue, {"url": f"{redis_url}?reward={NAME}", "each": 64, "at_once": 2}),
            **{
                peer.name: (http, {"port": peer.port, "form": peer.form, "each": 1, "at_once": AT_ONCE})
                for peer in peers.found
            },
        }
        self._best_batch = 0
        self._seed = 1
        """Of the texts: every round has its own, for a server may remember what it has seen, as vLLM does."""
        self._rewards: dict[str, float] = {}
        self._done: dict[str, list[dict[str, Any]]] = {
            name: [] for name in (OFFLINE, ONE_EACH, *(peer.name for peer in peers.found), MANY_EACH, QUEUE, NAIVE)
        }
        self._ratios: dict[str, list[float]] = {name: [] for name in self._done}

    async def measure(self) -> None:
        """Warm up, find the best batch size for the baseline, then run all by turns."""
        await self._run_offline(count=16, sort=True, max_rollouts=4)
        for load, command in self._loads.values():
            await self._ask(load, count=AT_ONCE, **command)
        speeds: dict[int, float] = {}
        for size in self._plan.batch_sizes:
            probe = await self._run_offline(sort=True, max_rollouts=size, every=self._plan.probe_every)
            speeds[size] = probe["tokens"] / probe["seconds"]
            self._log(f"baseline in batches of up to {size}: {speeds[size]:,.0f} tokens/s")
        self._best_batch = max(speeds, key=lambda size: speeds[size])
        for number in range(self._plan.rounds):
            self._log(f"round {number + 1} of {self._plan.rounds}")
            self._seed, self._rewards = 2 + number, {}
            baseline = await self._run_offline(sort=True, max_rollouts=self._best_batch)
            self._rewards = baseline["rewards"]
            self._take(OFFLINE, baseline, baseline)
            for name in (ONE_EACH, *(peer.name for peer in self._peers.found)):
                self._take(name, await self._run_load(name), baseline)
            if number < self._plan.side_rounds:
                for name in (MANY_EACH, QUEUE):
                    self._take(name, await self._run_load(name), baseline)
                naive = await self._run_offline(sort=False, max_rollouts=NAIVE_BATCH)
                self._take(NAIVE, naive, baseline)

    def section(self, parameters: int) -> Section:
        """The table."""
        first = self._done[OFFLINE][0]
        return Section(
            title=f"The reward model, {self._plan.size.name} ({parameters / 1e6:.1f} M parameters)",
            text=(
                f"{self._plan.rollouts} rollouts of {SHORTEST_TOKENS} to {LONGEST_TOKENS} tokens, every length equally "
                f"often, in random order, other texts in each round. Ratio: rollouts per second over those of the "
                f"baseline in the same round; "
                f"median of {self._plan.rounds} rounds ({self._plan.side_rounds} for the lower three), with least and "
                f"greatest. Ours over it: of the first of our rows over this one, likewise. The servers of others have "
                f"the same checkpoint, in float32, and the same load as the first of ours. Each may use "
                f"{torch.get_num_threads()} threads (`OMP_NUM_THREADS`). The baseline is the model "
                f"alone on all rollouts sorted by length, in batches of up to {self._best_batch}, the best of "
                f"{', '.join(map(str, self._plan.batch_sizes))}; tokenising, which "
                f"every other row but the last includes, would add "
                f"{100 * first['tokenising_seconds'] / first['seconds']:.1f} % to its time. CPU, ms a rollout: of all "
                f"processes of the server; on a busy machine it says more than rates do. CPU of the load: of the "
                f"process that makes it, as a share of the time. Every rollout was scored, each "
                f"within {TOLERANCE:g} of the baseline's reward."
            ),
            columns=(
                "",
                "rollouts / s",
                "ratio",
                "ours over it",
                "CPU, ms a rollout",
                "batch",
                "padding",
                "CPU of the load",
                "latency, ms: median / 95th",
            ),
            rows=[self._row(name) for name in self._done],
            versions={**installed(["torch", "transformers"]), **self._peers.versions},
            notes=" ".join(
                [*(f"Left out: {reason}." for reason in self._peers.absent), PROFILES[self._plan.size.name]]
            ),
        )

    def _row(self, name: str) -> list[str]:
        done = self._done[name]
        rates = [each["asked"] / each["seconds"] for each in done]
        load = latency = ""
        if "cpu_seconds" in done[0]:
            load = spread([100 * each["cpu_seconds"] / each["seconds"] for each in done], 0) + " %"
            all_of_them = [1000 * seconds for each in done for seconds in each["latencies"]]
            latency = f"{percentile(all_of_them, 0.5):,.0f} / {percentile(all_of_them, 0.95):,.0f}"
        ours = [mine / theirs for mine, theirs in zip(self._ratios[ONE_EACH], self._ratios[name], strict=False)]
        has_batches = "batch_size" in done[0]
        return [
            name,
            spread(rates, 1),
            "1" if name == OFFLINE else spread(self._ratios[name], 2),
            "" if name in (ONE_EACH, MANY_EACH, QUEUE) else spread(ours, 2),
            spread([1000 * each["model_cpu_seconds"] / each["asked"] for each in done], 1),
            f"{done[0]['batch_size']:.1f}" if has_batches else "",
            f"{100 * done[0]['padding_share']:.0f} %" if has_batches else "",
            load,
            latency,
        ]

    def _take(self, name: str, done: dict[str, Any], baseline: dict[str, Any]) -> None:
        self._done[name].append(done)
        self._ratios[name].append(baseline["seconds"] / done["seconds"])
        self._log(f"  {name}: {done['asked'] / done['seconds']:.1f} rollouts/s, ratio {self._ratios[name][-1]:.3f}")

    async def _run_offline(self, **command: Any) -> dict[str, Any]:
        return await self._ask(
            self._offline, **{"max_tokens": MAX_BATCH_TOKENS, "count": self._plan.rollouts, **command}
        )

    async def _run_load(self, name: str) -> dict[str, Any]:
        load, command = self._loads[name]
        port = command.get("port", self._port)
        used = cpu_seconds(port)
        before = await metrics(self._url)
        done = await self._ask(load, count=self._plan.rollouts, **command)
        after = await metrics(self._url)
        done["model_cpu_seconds"] = cpu_seconds(port) - used
        if "form" in command:  # a server of others: it does not tell of its batches
            return done
        count, size, padded = (
            after[f"zhufu_{metric}"] - before[f"zhufu_{metric}"]
            for metric in ("batch_size_count", "batch_size_sum", "batch_tokens_sum")
        )
        tokens = self._done[OFFLINE][0]["tokens"]
        return {**done, "batch_size": size / count, "padding_share": max(0.0, 1 - tokens / padded)}

    async def _ask(self, load: Worker, **command: Any) -> dict[str, Any]:
        done = await load.ask(do="score", shortest=SHORTEST_TOKENS, longest=LONGEST_TOKENS, seed=self._seed, **command)
        rewards = done["rewards"]
        if "every" not in command and len(rewards) != done["asked"]:
            why = "; an answer: ".join(["", *done.get("refused", [])])
            raise BenchmarkFailed(f"{done['asked'] - len(rewards)} of {done['asked']} rollouts were not scored{why}")
        if done["asked"] == len(self._rewards):
            wrong = [
                each
                for each, reward in rewards.items()
                if not math.isclose(reward, self._rewards[each], abs_tol=TOLERANCE)
            ]
            if wrong:
                raise BenchmarkFailed(f"{len(wrong)} rewards differ from the baseline's, the first of {wrong[0]}")
        return done

    def _log(self, text: str) -> None:
        self._console.log(f"reward model, {self._plan.size.name}: {text}")
