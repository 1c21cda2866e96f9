"""Passing a probe is not taught: negatives made for training and probes share neither code nor words."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from trainer.data.starter import SPLITS, load_starter
from trainer.evaluation.probes.decoration import EMOJI
from trainer.evaluation.probes.filler import STOCK
from trainer.evaluation.probes.stock_phrases import PHRASES

TRAINER = Path(__file__).resolve().parents[5] / "trainer"
PROBES = TRAINER / "evaluation" / "probes"


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("path", sorted(PROBES.rglob("*.py")), ids=lambda path: path.name)
def test_no_probe_knows_the_negatives_of_training(path: Path) -> None:
    assert not [name for name in imports(path) if "negatives" in name]


@pytest.mark.parametrize("path", sorted((TRAINER / "data").rglob("*.py")), ids=lambda path: path.name)
def test_nothing_that_makes_training_data_knows_a_probe(path: Path) -> None:
    assert not [name for name in imports(path) if name.startswith("trainer.evaluation.probes")]


def test_filler_stands_nowhere_else() -> None:
    assert len(set(STOCK)) == len(STOCK)
    elsewhere = [path for path in TRAINER.rglob("*.py") if PROBES not in path.parents]
    assert len(elsewhere) > 50
    for path in elsewhere:
        text = path.read_text(encoding="utf-8")
        assert not [sentence for sentence in STOCK if sentence.rstrip("。") in text], path
    for split in SPLITS:
        for pair in load_starter(split):
            assert not [sentence for sentence in STOCK if sentence in pair.chosen + pair.rejected]


def test_the_lists_of_the_training_negatives_are_others() -> None:
    text = (TRAINER / "data" / "negatives.py").read_text(encoding="utf-8")
    shared = [word for word in (*PHRASES, *EMOJI) if word in text]
    assert shared == []
