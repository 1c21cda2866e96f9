"""Cases of all probes on the starter set's test split."""

from __future__ import annotations

import pytest

from trainer.data.labelled import Labelled, load_labelled
from trainer.evaluation.probes.case import ProbeCase
from trainer.evaluation.probes.catalogue import make_cases


@pytest.fixture(scope="session")
def rows() -> list[Labelled]:
    return load_labelled("starter:test")


@pytest.fixture(scope="session")
def train() -> list[Labelled]:
    return load_labelled("starter:train")


@pytest.fixture(scope="session")
def cases(rows: list[Labelled], train: list[Labelled]) -> dict[str, list[ProbeCase]]:
    return make_cases(rows, train, seed=1)
