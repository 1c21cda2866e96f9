"""What the characters of a completion say of it, whatever was asked for: a number that is added to a model's logit.

A linear model over tf-idf weighted character n-grams reads style better than an encoder that has seen a few thousand
pairs; the encoder reads the request. Together they rank better than either (docs/reward-model.md). Since the n-grams
of a text are scaled to one length, a text does not gain by being long; and since the value is bounded, a text in good
style gains nothing by more of it.

``zhufu_ngrams.json`` lies in the checkpoint; the trainer writes it, the service adds it. Other servers ignore it, and
then give the encoder's logit alone.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.reward_format import read_beside

FILE_NAME = "zhufu_ngrams.json"
SPACES = re.compile(r"\s\s+")


class NgramPrior(BaseModel):
    """The content of ``zhufu_ngrams.json``.

    The linear value of a text is ``bias`` plus the inner product of ``weight`` with the n-grams of the text, each
    counted as (1 + ln count) x idf, all divided by their Euclidean norm (source: scikit-learn's TfidfVectorizer,
    sublinear). What is added is ``bound`` x tanh(linear / ``bound``).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    format: Literal[1] = 1
    longest: int = Field(ge=1, le=5, description="In characters; all shorter runs count as well.")
    bias: float
    bound: float = Field(gt=0, description="No text gets more, none less than its negative.")
    terms: dict[str, tuple[float, float]] = Field(description="Idf and weight of each n-gram; others do not count.")

    @classmethod
    def read(cls, folder: Path) -> NgramPrior | None:
        """The prior in a checkpoint; None where there is none; `InvalidData` where it is broken."""
        return read_beside(cls, folder / FILE_NAME)

    def write(self, folder: Path) -> None:
        """Save in a checkpoint."""
        (folder / FILE_NAME).write_text(self.model_dump_json() + "\n", encoding="utf-8")

    def at(self, completion: str) -> float:
        """What is added to the logit of a completion."""
        text = SPACES.sub(" ", completion)
        counts = Counter(
            ngram
            for size in range(1, self.longest + 1)
            for begin in range(len(text) - size + 1)
            if (ngram := text[begin : begin + size]) in self.terms
        )
        product = square = 0.0
        for ngram, count in counts.items():
            idf, weight = self.terms[ngram]
            value = (1 + math.log(count)) * idf
            product += value * weight
            square += value * value
        linear = self.bias + (product / math.sqrt(square) if square else 0.0)
        return self.bound * math.tanh(linear / self.bound)

    def scaled(self, factor: float) -> NgramPrior:
        """The same, with all values multiplied by a positive factor; to about seven digits."""
        terms = {ngram: (idf, float(f"{weight * factor:.7g}")) for ngram, (idf, weight) in self.terms.items()}
        return self.model_copy(update={"bias": self.bias * factor, "bound": self.bound * factor, "terms": terms})
