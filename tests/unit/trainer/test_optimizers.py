"""Which weights Muon trains, and that a resumed run goes on exactly."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import pytorch_optimizer
import torch
from pytorch_optimizer.optimizer.utils import zero_power_via_newton_schulz_5
from transformers import AutoModelForCausalLM, PreTrainedModel

import trainer.optimizers
from trainer.optimizers import muon
from trainer.tiny import TinyShape, make_tiny_model


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shape = TinyShape(hidden_size=16, layers=2, heads=2)
    return make_tiny_model(tmp_path_factory.mktemp("tiny"), ["祝你平安喜乐"], seed=0, shape=shape)


def load(folder: Path) -> PreTrainedModel:
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(folder)
    return model


def step(model: PreTrainedModel, optimizer: torch.optim.Optimizer) -> None:
    ids = torch.tensor([[5, 6, 7, 8]])
    model(input_ids=ids, labels=ids).loss.backward()
    optimizer.step()
    optimizer.zero_grad()


def test_muon_gets_the_hidden_matrices_and_adamw_the_rest(untrained: Path) -> None:
    model = load(untrained)
    optimizer = muon(model, muon_learning_rate=0.02, learning_rate=0.001, weight_decay=0.1)
    matrices, rest = optimizer.param_groups
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert (matrices["use_muon"], matrices["lr"], matrices["weight_decay"]) == (True, 0.02, 0.1)
    assert (rest["use_muon"], rest["lr"], rest["weight_decay"]) == (False, 0.001, 0.0)
    assert len(matrices["params"]) == 2 * 7, "q, k, v, o, gate, up, down of each layer"
    assert {parameter.ndim for parameter in matrices["params"]} == {2}
    assert any("embed" in names[id(parameter)] for parameter in rest["params"])
    assert len(matrices["params"]) + len(rest["params"]) == len(names)


def test_weights_that_are_frozen_are_left_out(untrained: Path) -> None:
    model = load(untrained)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("mlp" in name)
    (matrices,) = muon(model, muon_learning_rate=0.02, learning_rate=0.001, weight_decay=0.0).param_groups
    assert len(matrices["params"]) == 2 * 3


def test_a_saved_state_goes_on_exactly(untrained: Path) -> None:
    rates = {"muon_learning_rate": 0.02, "learning_rate": 0.001, "weight_decay": 0.1}
    model = load(untrained)
    optimizer = muon(model, **rates)
    step(model, optimizer)
    other = load(untrained)
    other.load_state_dict(copy.deepcopy(model.state_dict()))
    resumed = muon(other, **rates)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    step(model, optimizer)
    step(other, resumed)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, other.get_parameter(name)), name


def test_updates_are_made_orthogonal_in_float32(untrained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's hook is private: that it is still the one that is called must be seen."""
    dtypes: set[torch.dtype] = set()

    def seen(update: torch.Tensor, *, dtype: torch.dtype, **options: Any) -> torch.Tensor:
        dtypes.add(dtype)
        return zero_power_via_newton_schulz_5(update, dtype=dtype, **options)

    monkeypatch.setattr(trainer.optimizers, "zero_power_via_newton_schulz_5", seen)
    monkeypatch.delattr(pytorch_optimizer.optimizer.muon.base, "zero_power_via_newton_schulz_5")
    model = load(untrained)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    step(model, muon(model, muon_learning_rate=0.02, learning_rate=0.001, weight_decay=0.0))
    assert dtypes == {torch.float32}
    name = "model.layers.0.mlp.up_proj.weight"
    singular = torch.linalg.svdvals(model.get_parameter(name).detach() - before[name])
    assert singular[0] < 2.5 * singular[2], "three tokens are predicted: as many directions, of about one size"
    assert singular[3] < 1e-4
