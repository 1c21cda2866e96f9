"""Labelled greetings with lengths and labels as a test wants them, and columns of scores for them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trainer.data.labelled import Labelled
from trainer.evaluation.auc import Floats
from trainer.evaluation.rewards.column import Column, Kind
from trainer.evaluation.rewards.material import Material, Sources, load_material

GOOD, BAD = "暖甜笑光花月", "快乐万事如意"
"""Characters of good and of bad texts: what reads style can tell them apart, what counts characters cannot."""
OCCASIONS = ("生日", "新婚", "乔迁", "高考")


def text(characters: str, length: int, number: int) -> str:
    """A text of exactly so many characters; none is made twice."""
    random = np.random.default_rng(number)
    return "".join(random.choice(list(characters), length))


def labelled(count: int, *, seed: int = 0, longer: float = 0.0, per_request: int = 1) -> list[Labelled]:
    """Half good and half bad rows; the good ones are longer by so many characters on average."""
    random = np.random.default_rng(seed)
    rows: list[Labelled] = []
    for number in range(count):
        good = number % 2 == 0
        length = max(8, round(random.normal(30 + (longer if good else 0), 8)))
        request = number // per_request
        rows.append(
            Labelled(
                f"给第{request}位客人的{OCCASIONS[request // 2 % len(OCCASIONS)]}祝福",
                text(GOOD if good else BAD, length, 1_000 * seed + number),
                1 if good else 0,
            )
        )
    return rows


def write_labelled(path: Path, rows: Sequence[Labelled]) -> str:
    """A file of labelled responses; its name as a source."""
    lines = [
        json.dumps({"query": row.prompt, "response": row.completion, "label": row.label}, ensure_ascii=False)
        for row in rows
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def write_pairs(path: Path, pairs: Sequence[tuple[str, str, str]]) -> str:
    """A file of preference pairs, given as (prompt, chosen, rejected)."""
    lines = [
        json.dumps({"prompt": prompt, "chosen": chosen, "rejected": rejected}, ensure_ascii=False)
        for prompt, chosen, rejected in pairs
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def material_of(
    folder: Path, rows: Sequence[Labelled], *, pairs: str | None = None, train: str | None = None
) -> Material:
    """Rows, as they are loaded from a file."""
    data = write_labelled(folder / "rows.jsonl", rows)
    return load_material(Sources(data=data, pairs=pairs, train=train), seed=0)


def column(
    name: str,
    scores: Sequence[float] | Floats,
    material: Material,
    *,
    kind: Kind = "reward",
    threshold: float = 0.5,
    probabilities: bool = False,
    pairs: Floats | None = None,
) -> Column:
    """A column that calls good what reaches a threshold."""
    values = np.asarray(scores, dtype=np.float64)
    return Column(
        name=name,
        kind=kind,
        scores=values,
        decisions=(values >= threshold).astype(np.int64),
        decided_by=f"from {threshold}",
        probabilities=values if probabilities else None,
        pairs=np.full((len(material.pairs), 2), np.nan) if pairs is None else pairs,
    )
