"""Every sample of an evaluation with what each reward gave for it: ``texts.jsonl``, for people and for what follows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import InvalidData
from shared.schemas import Status
from trainer.evaluation.policies.excellence import PROBABILITY
from trainer.evaluation.policies.reward_figures import Judged
from trainer.evaluation.policies.samples import Written
from trainer.run_folder import write_whole

TEXTS = "texts.jsonl"


class RewardOfText(BaseModel):
    """What one reward gave; ``reward`` and ``excellent`` are None where it gave none, or does not tell."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Status
    reward: float | None
    verdict: int | None
    probability: float | None
    excellent: bool | None
    error: str | None


class EvaluatedText(BaseModel):
    """One sample. ``id`` is its own among those of its model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    id: str
    prompt_id: str
    prompt: str
    completion: str
    truncated: bool | None
    tokens: int | None
    rewards: dict[str, RewardOfText]


def write_texts(written: Sequence[Written], judged: Sequence[Judged], path: Path) -> None:
    """Write them, whole."""
    write_whole(path, "".join(f"{text.model_dump_json()}\n" for text in _texts(written, judged)))


def read_texts(path: Path) -> list[EvaluatedText]:
    """Read them.

    Raises:
        InvalidData: There are none, or the file is not one that `write_texts` made.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise InvalidData(path, f"cannot be read: {error.strerror}") from None
    texts = []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            texts.append(EvaluatedText.model_validate_json(line))
        except ValidationError:
            raise InvalidData(path, "not a sample of `zhufu evaluate policy`", number) from None
    if not texts:
        raise InvalidData(path, "holds no samples")
    return texts


def _texts(written: Sequence[Written], judged: Sequence[Judged]) -> Iterator[EvaluatedText]:
    for each in written:
        for place, sample in enumerate(each.samples):
            yield EvaluatedText(
                model=each.model,
                **sample.model_dump(),
                rewards={by.reward: _reward(by, each.model, place) for by in judged},
            )


def _reward(judged: Judged, model: str, place: int) -> RewardOfText:
    score = judged.scores[model][place]
    excellent = None if judged.excellence is None else judged.excellence.of(score)
    return RewardOfText(
        status=score.status,
        reward=score.reward,
        verdict=score.verdict,
        probability=score.components.get(PROBABILITY),
        excellent=None if excellent is None else bool(excellent),
        error=None if score.error is None else score.error.code,
    )
