"""The paper's comparison as steps: leak-free data, two rewards, six policies, and what all of them are worth.

    audit                    what is wrong with the published files; its bounds are broken, and that is known
    data/…                   what is left of them without leaks: pairs, examples, requests, held-out requests
    reward-model             trained on the pairs
    principles               learned by the judge from an attacker and from labelled pairs
    base, sft                policies; the base is made only where no pretrained model is named
    rm-rl … sft-judge-rl     policies that climbed a reward; each is told what the other reward says as well
    rewards, without-…       rewards on the published evaluation set and test pairs, beside baselines, and probes
    policies                 all six under both rewards, on held-out requests

Nothing that is evaluated on was trained on: pairs and examples share no text and no prompt with the evaluation set and
the test pairs, and held-out requests are none of those that anything was trained on.
"""

from __future__ import annotations

import dataclasses
from collections import ChainMap
from collections.abc import Iterator, Mapping
from pathlib import Path

from trainer.data.formats import WARM_UP
from trainer.data.split.files import RECORD
from trainer.reproduce.paper_files import PaperFiles
from trainer.reproduce.presets import ReproducePreset
from trainer.reproduce.published import ABLATIONS
from trainer.reproduce.rows import BASE, ROWS, SFT, Row
from trainer.stack.llm import LLM, Llm, LocalLlm
from trainer.stack.services import AGENTS, JUDGE, REWARD_MODEL
from trainer.steps.serving import Serving
from trainer.steps.step import Argument, Mark, ServedUrl, Step, training

REPORT, RESULT = "report.html", "result.json"
BROKEN_BOUNDS = 1
"""Exit status of an audit that found what it must not find."""
HELD_OUT_SHARE = "0.05"
"""Of the pairs; two such parts, one that decides and one that only reports."""
LOCAL_LLM = {
    "ZHUFU_LLM_MAX_IN_FLIGHT": "1",
    "ZHUFU_LLM_TIMEOUT_SECONDS": "170",
    "ZHUFU_LLM_EXTRA_BODY": '{"frequency_penalty": 0.5}',
}
"""For a small base model on a busy machine, which else talks in circles."""
LOCAL_LLM_JUDGE = {"MAX_CONCURRENT_BATCHES": "8", "MAX_BATCH_ROLLOUTS": "4", "REQUEST_TIMEOUT_SECONDS": "1800"}
"""A stand-in answers one question at a time: the others wait before they are begun, where waiting is no failure, and
a batch, whose rollouts are told together, is small."""
LOCAL_LLM_MAY_FAIL = ("--max-failed-share", "0.5")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What the steps are made of.

    Attributes:
        preset: Their sizes.
        files: The paper's.
        output: Folder of all steps; absolute.
        llm: What judge, agents and the learning of principles ask.
        seed: Of all that is random.
    """

    preset: ReproducePreset
    files: PaperFiles
    output: Path
    llm: Llm
    seed: int = 0

    def steps(self) -> list[Step]:
        """All steps, in their order."""
        steps = [
            self._audit(),
            *self._splits(),
            self._reward_model(),
            self._principles(),
            *([self._base()] if self.preset.base is None else []),
            self._sft(),
            *(self._climb(row) for row in ROWS if row.reward is not None),
            self._rewards(),
            *(self._without(part) for part in (ABLATIONS if self.preset.agents else ())),
            self._policies(),
        ]
        minutes = self.preset.minutes
        return [dataclasses.replace(step, minutes=minutes.get(step.name)) for step in steps]

    def split(self, name: str, part: str = "train") -> Path:
        """A part of a split."""
        return self.output / "data" / name / f"{part}.jsonl"

    def model(self, row: str) -> str:
        """The model of a row of the matrix."""
        if row == BASE and self.preset.base is not None:
            return self.preset.base
        return str(self._model_folder(row))

    @property
    def principles_file(self) -> Path:
        """What the judge learned."""
        return self.output / "principles" / "principles.yaml"

    @property
    def reward_model_folder(self) -> Path:
        """The trained checkpoint."""
        return self.output / "reward-model" / "model"

    def _audit(self) -> Step:
        files, output = self.files, self.output / "audit"
        sources = (files.pairs, files.test_pairs, files.examples)
        return Step(
            name="audit",
            title="What is wrong with the published files?",
            arguments=(
                *("data", "audit", *map(str, sources)),
                *("--evaluation", str(files.evaluation), "--evaluation", str(files.test_pairs)),
                *("--output", str(output), "--seed", str(self.seed)),
            ),
            done=Mark(path=output / REPORT),
            reads=(*sources, files.evaluation),
            makes=(output / RESULT,),
            fine=(0, BROKEN_BOUNDS),
        )

    def _splits(self) -> Iterator[Step]:
        """Splits keep whole groups of like rows together; the held-out requests are what training has not seen."""
        files = self.files
        tested = (files.evaluation, files.test_pairs)
        yield self._split("pairs", files.pairs, tested, held_out=("validation", "test"))
        yield self._split("examples", files.examples, tested, held_out=("validation",))
        yield self._split("requests", files.requests, (files.evaluation,))
        yield self._split("held-out", files.held_out_requests, (files.requests, files.examples, files.pairs))

    def _split(self, name: str, source: Path, exclude: tuple[Path, ...], held_out: tuple[str, ...] = ()) -> Step:
        output = self.output / "data" / name
        shares = {part: HELD_OUT_SHARE if part in held_out else "0" for part in ("validation", "test")}
        # Pairs of equal length are rare; those that are held out are matched across pairs where length would tell.
        matched = ("--no-length-matched",) if held_out else ()
        return Step(
            name=f"split-{name}",
            title=f"Leak-free: {source.name}",
            arguments=(
                *("data", "split", "--data", str(source)),
                *(part for path in exclude for part in ("--exclude", str(path))),
                *(part for held, share in shares.items() for part in (f"--{held}", share)),
                *matched,
                *("--output", str(output), "--seed", str(self.seed)),
            ),
            done=Mark(path=output / RECORD),
            reads=(source, *exclude),
            makes=tuple(self.split(name, part) for part in ("train", *held_out)),
        )

    def _reward_model(self) -> Step:
        data = self.split("pairs"), self.split("pairs", "validation")
        return training(
            "rm",
            self.output / "reward-model",
            (
                *("--data", str(data[0]), "--eval-data", str(data[1])),
                *self._common(),
                *self.preset.reward_model,
            ),
            "A reward model from the pairs",
            reads=data,
            needs=self.preset.training_needs,
        )

    def _principles(self) -> Step:
        """A stand-in is asked at its port; an LLM that the user names is found by the command as by any other."""
        output = self.output / "principles"
        is_stand_in = isinstance(self.llm, LocalLlm)
        named: tuple[Argument, ...] = ()
        if isinstance(self.llm, LocalLlm):
            named = ("--llm-url", ServedUrl(service=LLM), "--llm-model", self.llm.alias, "--llm-api", self.llm.api)
        parts = {"train": "train", "validation": "validation", "test": "test"}
        data = {option: self.split("pairs", part) for option, part in parts.items()}
        return Step(
            name="principles",
            title="The judge learns its principles from an attacker",
            arguments=(
                *("optimize-judge", "--output", str(output)),
                *(part for option, path in data.items() for part in (f"--{option}", str(path))),
                *self.preset.principles,
                *(LOCAL_LLM_MAY_FAIL if is_stand_in else ()),
                *named,
                *("--id", "reproduced", "--seed", str(self.seed)),
            ),
            done=Mark(path=output / REPORT),
            reads=tuple(data.values()),
            makes=(self.principles_file,),
            resume_if=output / "run.json",
            serving=Serving(llm=self.llm) if is_stand_in else None,
            environment=LOCAL_LLM if is_stand_in else {},
            needs=self.preset.llm_needs,
        )

    def _base(self) -> Step:
        """A model from scratch that can write, and knows the characters of all that follows."""
        known = (self.split("pairs"), self.split("examples"), self.files.requests, self.files.queries)
        return training(
            "sft",
            self.output / BASE,
            (
                *("--model", "tiny", "--data", WARM_UP),
                *(part for path in known for part in ("--vocabulary", str(path))),
                *self._common(),
                *self.preset.base_training,
            ),
            "The base: a small model that can write, in the place of a pretrained one",
            reads=known,
            needs=self.preset.training_needs,
        )

    def _sft(self) -> Step:
        data = self.split("examples"), self.split("examples", "validation")
        return training(
            "sft",
            self.output / SFT,
            (
                *("--model", self.model(BASE), "--data", str(data[0]), "--eval-data", str(data[1])),
                *self._common(),
                *self.preset.sft,
            ),
            "SFT: the base learns from the published examples",
            reads=(*data, *self._made_by(BASE)),
            needs=self.preset.training_needs,
        )

    def _climb(self, row: Row) -> Step:
        """The reward that a row climbs counts; the other one looks on."""
        assert row.start is not None
        assert row.reward is not None
        shadow = JUDGE if row.reward == REWARD_MODEL else REWARD_MODEL
        requests = self.split("requests")
        return training(
            "grpo",
            self.output / row.name,
            (
                *("--model", self.model(row.start), "--data", str(requests)),
                *(
                    part
                    for name in (row.reward, shadow)
                    for part in ("--reward", ServedUrl(service=name, queued=True, before=f"{name}="))
                ),
                *("--weight", f"{row.reward}={self.preset.weights.get(row.reward, 1):g}"),
                *("--weight", f"{shadow}=0", "--eval-samples", "0"),
                *self._common(),
                *self.preset.grpo,
            ),
            f"{row.title}: reinforcement learning from {row.start}",
            reads=(requests, *self._made_by(row.start)),
            serving=self._serving(JUDGE, REWARD_MODEL),
            launcher=self.preset.grpo_launcher,
            needs=dataclasses.replace(self.preset.grpo_needs, environment=self.preset.llm_needs.environment),
        )

    def _rewards(self) -> Step:
        names = (REWARD_MODEL, JUDGE, *((AGENTS,) if self.preset.agents else ()))
        return self._evaluation(
            "rewards",
            "rewards",
            "What are the rewards worth, with length held fixed?",
            names,
            {
                "data": self.files.evaluation,
                "pairs": self.files.test_pairs,
                "train": self.split("pairs"),
                "validation": self.split("pairs", "validation"),
                "high-frequency": self.files.queries,
            },
            self.preset.rewards,
        )

    def _without(self, part: str) -> Step:
        """The agents with one of them left out."""
        return self._evaluation(
            f"without-{part}",
            "rewards",
            f"The agents without {part}",
            (AGENTS,),
            {"data": self.files.evaluation},
            ("--no-probes",),
            settings={AGENTS: {"WITHOUT": part}},
        )

    def _policies(self) -> Step:
        copied = (self.split("examples"), self.split("pairs"))
        step = self._evaluation(
            "policies",
            "policy",
            "All six policies under both rewards, on held-out requests",
            (REWARD_MODEL, JUDGE),
            {"prompts": self.split("held-out"), "requests": self.files.queries},
            (
                *(part for row in ROWS for part in ("--model", f"{row.name}={self.model(row.name)}")),
                *(part for path in copied for part in ("--train", str(path))),
                *("--preset", self.preset.name),
                *self.preset.policies,
            ),
        )
        models = (path for row in ROWS for path in self._made_by(row.name))
        return dataclasses.replace(step, reads=(*step.reads, *copied, *models), needs=self.preset.training_needs)

    def _evaluation(
        self,
        name: str,
        what: str,
        title: str,
        rewards: tuple[str, ...],
        sources: Mapping[str, Path],
        arguments: tuple[str, ...],
        settings: Mapping[str, Mapping[str, str]] | None = None,
    ) -> Step:
        output = self.output / name
        return Step(
            name=name,
            title=title,
            arguments=(
                *("evaluate", what, "--output", str(output)),
                *(part for reward in rewards for part in ("--reward", ServedUrl(service=reward, before=f"{reward}="))),
                *(part for option, path in sources.items() for part in (f"--{option}", str(path))),
                *arguments,
                *("--seed", str(self.seed)),
            ),
            done=Mark(path=output / REPORT),
            reads=tuple(sources.values()),
            makes=(output / RESULT,),
            resume_if=output / "run.json",
            serving=self._serving(*rewards, settings=settings),
            needs=self.preset.llm_needs,
        )

    def _serving(self, *rewards: str, settings: Mapping[str, Mapping[str, str]] | None = None) -> Serving:
        """Rewards as trained and learned here."""
        of_stand_in = {JUDGE: LOCAL_LLM_JUDGE} if isinstance(self.llm, LocalLlm) else {}
        every = (of_stand_in, self.preset.served, settings or {})
        merged = {name: dict(ChainMap(*(dict(each.get(name, {})) for each in reversed(every)))) for name in rewards}
        own = {name: each for name, each in merged.items() if each}
        return Serving(
            rewards=tuple(sorted(rewards)),
            llm=self.llm,
            reward_checkpoint=self.reward_model_folder if REWARD_MODEL in rewards else None,
            principles=self.principles_file if JUDGE in rewards else None,
            settings=own,
        )

    def _common(self) -> tuple[str, ...]:
        return ("--preset", self.preset.name, "--seed", str(self.seed))

    def _model_folder(self, row: str) -> Path:
        return self.output / row / "model"

    def _made_by(self, row: str) -> tuple[Path, ...]:
        """The model of a row, where a step makes it."""
        return () if row == BASE and self.preset.base is not None else (self._model_folder(row),)
