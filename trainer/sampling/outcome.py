"""How one prompt ends: with a sample, out of which a pair was chosen or not, or with a typed failure."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError, model_validator

from shared.errors import InvalidRequest, RewardProtocolError, RewardRejected, TextTooLong
from shared.schemas import Score, ScoreFailure, Usage

SAMPLE = "sample"
"""Key of `Score.details`."""


class SampledPair(BaseModel):
    """The pair of a sample; the service tells more of it."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    chosen: str
    rejected: str
    margin: float
    length_matched: bool

    @model_validator(mode="after")
    def _can_be_learnt_from(self) -> Self:
        if not self.chosen.strip() or not self.rejected.strip():
            raise ValueError("a text of the pair is empty")
        if self.chosen == self.rejected:
            raise ValueError("both texts of the pair are the same")
        return self


class Choice(BaseModel):
    """What came out of a sample: a pair, or the reason for none."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    pair: SampledPair | None
    no_pair: str | None

    @model_validator(mode="after")
    def _is_either(self) -> Self:
        if (self.pair is None) == (self.no_pair is None):
            raise ValueError("a sample has a pair or the reason for none")
        return self


class Outcome(BaseModel):
    """How one prompt ended, and what was paid for it; ``sample`` is the service's whole document."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    sample: dict[str, JsonValue] | None = None
    failure: ScoreFailure | None = None
    usage: Usage | None = None
    version: str | None = None

    @model_validator(mode="after")
    def _is_either(self) -> Self:
        if (self.sample is None) == (self.failure is None):
            raise ValueError("an outcome is a sample or a failure")
        if self.sample is not None:
            self.choice()
        return self

    def choice(self) -> Choice:
        """What came out of the sample; of an outcome that has one."""
        return Choice.model_validate(self.sample)

    @property
    def came_from_cache(self) -> bool:
        """Whether nothing was paid for it, so that how long it took says nothing of the next one."""
        return self.sample is not None and self.usage is not None and not self.tokens

    @property
    def tokens(self) -> int:
        """All tokens paid, as far as they are known."""
        return self.usage.prompt_tokens + self.usage.completion_tokens if self.usage else 0


def outcome_of(score: Score, *, through_queue: bool) -> Outcome:
    """Read the score of a rollout that asked for a sample.

    What the queue hands back as failed it has tried several times, and says that no more can be done about; here the
    next try may come a day later, after somebody has mended what was broken. So only what is the prompt's own fault
    is final.

    Raises:
        RewardRejected: The reward does not take the options, which are the same for every prompt.
        RewardProtocolError: There is a score but no sample: this is not a reward that samples.
    """
    failure = score.error
    if failure is None:
        document = (score.details or {}).get(SAMPLE)
        if not isinstance(document, dict):
            raise RewardProtocolError(f"{score.version} gave a score without a sample: is it the multi-agent service?")
        try:
            return Outcome(sample=document, usage=score.usage, version=score.version)
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            raise RewardProtocolError(f"{score.version} gave a sample that cannot be read: {first['msg']}") from None
    if failure.code == InvalidRequest.code:
        raise RewardRejected(failure.detail, InvalidRequest.status)
    if through_queue and failure.code != TextTooLong.code:
        failure = failure.model_copy(update={"retryable": True})
    return Outcome(failure=failure, usage=score.usage, version=score.version)
