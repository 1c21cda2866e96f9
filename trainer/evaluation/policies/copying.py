"""How much of a text stands in other texts already: whole, in long stretches, or in many short ones.

Texts are compared folded (`trainer.data.folding`). Every run of `GRAM` characters of the known texts is indexed by its
hash, so that looking a text up takes time by its own length and by how often its runs occur, not by how much is known.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from trainer.data.folding import folded_text

GRAM = 8
"""Characters in a row that count as copied rather than as common wording: longer than most set phrases."""

_BASE = 1_000_003
_BETWEEN = "\0"
_Hashes = npt.NDArray[np.uint64]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What of one text stands in known texts.

    Attributes:
        whole: Whether one of them is this text.
        stretch: Share of its characters in the longest stretch that stands in one of them; stretches of fewer than
            `GRAM` characters count as none.
        grams: Share of its runs of `GRAM` characters that stand in any of them; 0 where it has none.
    """

    whole: bool
    stretch: float
    grams: float

    def at_least(self, share: float) -> bool:
        """Whether the text counts as copied: whole, or by this share in one stretch, or of its runs."""
        return self.whole or self.stretch >= share or self.grams >= share


class KnownTexts:
    """Texts that must not be copied, ready to be looked up."""

    def __init__(self, texts: Sequence[str]) -> None:
        folded = sorted({_folded(text) for text in texts} - {""})
        self._whole = frozenset(folded)
        self._all = _BETWEEN.join(folded)
        hashes = _hashes(self._all)
        self._places = np.argsort(hashes, kind="stable")
        self._hashes = hashes[self._places]

    def __len__(self) -> int:
        """How many different texts are known."""
        return len(self._whole)

    def look_up(self, text: str) -> Copied:
        """What of a text is known."""
        folded = _folded(text)
        wanted = _hashes(folded)
        begins = np.searchsorted(self._hashes, wanted, side="left")
        ends = np.searchsorted(self._hashes, wanted, side="right")
        longest, found = 0, 0
        runs: dict[int, int] = {}  # how long the stretch is whose last run begins at a place of the known texts
        for start, (begin, end) in enumerate(zip(begins.tolist(), ends.tolist(), strict=True)):
            gram = folded[start : start + GRAM]
            places = [place for place in self._places[begin:end].tolist() if self._all.startswith(gram, place)]
            runs = {place: runs.get(place - 1, GRAM - 1) + 1 for place in places}
            found += bool(places)
            longest = max(longest, *runs.values()) if runs else longest
        return Copied(
            whole=folded in self._whole,
            stretch=longest / len(folded) if folded else 0.0,
            grams=found / wanted.size if wanted.size else 0.0,
        )


def _folded(text: str) -> str:
    """Without what stands between the known texts, so that nothing is found across the end of one."""
    return folded_text(text).replace(_BETWEEN, "")


def _hashes(text: str) -> _Hashes:
    """A number for each run of `GRAM` characters, alike for equal runs."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    count = max(0, points.size - GRAM + 1)
    hashes: _Hashes = np.zeros(count, dtype=np.uint64)
    for place in range(GRAM):
        hashes = hashes * np.uint64(_BASE) + points[place : place + count]  # wraps around, as it may
    return hashes
