"""The starter set: 1,024 preference pairs of our own that travel with the package; datasheet: ``starter/README.md``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from trainer.data.records import Flaw, StarterPair
from trainer.data.rows import Row, json_rows
from trainer.data.shipped import check_digest, read_shipped

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)

SHA256: dict[Split, str] = {
    "train": "c9390c2afac44d329f12fb71d23ca82e8a9e958e72a6b5ec41c60697b3f45221",
    "validation": "0e88092cab9ad3d29a3c54614f6db8a0aa3296da991b6d0866060fc9046120c8",
    "test": "efa6f438cc5176951d67f972f5badcae97e27f66000e52972f7e14fa04153eb5",
}
"""Of each file, with line feeds as line ends. The datasheet's figures, and all results on this set, are about these."""

_TEXTS = ("id", "occasion", "relation", "prompt", "chosen", "rejected", "flaw", "flaw_note")
_FIELDS = {*_TEXTS, "needs_prompt"}


def load_starter(split: Split = "train") -> list[StarterPair]:
    """One split of the starter set, in the order of its ids.

    Raises:
        InvalidData: The installed file is not the one that the datasheet describes.
    """
    name = Path("starter") / f"{split}.jsonl"
    return check_starter(name, read_shipped(name), SHA256[split])


def check_starter(path: Path, data: bytes, sha256: str) -> list[StarterPair]:
    """The rows of a starter file, checked one by one and then as a whole.

    Args:
        path: Named in errors.
        data: Content of the file.
        sha256: Of that content with line feeds as line ends; git on Windows may have put others.
    """
    pairs = [_starter_pair(row) for row in json_rows(path, data)]
    check_digest(path, data, sha256)
    return pairs


def _starter_pair(row: Row) -> StarterPair:
    if odd := set(row.fields) ^ _FIELDS:
        raise row.error(f"fields are missing or unknown: {', '.join(sorted(odd))}")
    texts = {name: row.text(name) for name in _TEXTS}
    needs_prompt = row.fields["needs_prompt"]
    if not isinstance(needs_prompt, bool):
        raise row.error("field 'needs_prompt' is neither true nor false")
    if texts["chosen"] == texts["rejected"]:
        raise row.error("chosen and rejected are the same text")
    slug = texts.pop("flaw")
    if slug not in {flaw.value for flaw in Flaw}:
        raise row.error(f"field 'flaw' is {slug!r}, which is no known flaw")
    return StarterPair(**texts, flaw=Flaw(slug), needs_prompt=needs_prompt)
