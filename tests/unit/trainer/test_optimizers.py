"""Which weights Muon trains, and that a resumed run goes on exactly."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

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
