"""How models are named, and that samples of one are not taken for those of another."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.evaluation.policies.models import PIECE_BYTES, InvalidModel, NamedModel, parse_models


def test_folders_hub_ids_and_files_of_completions_are_named(tmp_path: Path) -> None:
    file = tmp_path / "gpt-4o.jsonl"
    file.write_text("{}\n")
    models = parse_models(["base=Qwen/Qwen2.5-7B-Instruct", f"sft+rl={tmp_path}", f"GPT-4o={file}"])
    assert [(model.name, model.is_file) for model in models] == [("base", False), ("sft+rl", False), ("GPT-4o", True)]
    assert models[0].fingerprint() is None
    assert models[1].fingerprint() is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "at least one"),
        (["base"], "write NAME=PATH"),
        (["=folder"], "write NAME=PATH"),
        (["base="], "write NAME=PATH"),
        (["../up=folder"], "write NAME=PATH"),
        ([".hidden=folder"], "write NAME=PATH"),
        (["a b=folder"], "write NAME=PATH"),
        (["base=one", "Base=two"], "stands twice"),
        (["gpt=nowhere.jsonl"], "there is no file"),
    ],
)
def test_what_names_no_model_is_refused(options: list[str], message: str) -> None:
    with pytest.raises(InvalidModel, match=message):
        parse_models(options)


def test_a_folder_that_is_trained_again_has_another_fingerprint(tmp_path: Path) -> None:
    model = NamedModel("base", str(tmp_path))
    weights = tmp_path / "model.safetensors"
    (tmp_path / "config.json").write_text("{}")
    seen = set()
    for content in (b"a" * 100, b"b" * 100, b"a" * (5 * PIECE_BYTES), b"a" * (5 * PIECE_BYTES - 1) + b"b"):
        weights.write_bytes(content)
        seen.add(model.fingerprint())
    assert len(seen) == 4
    before = model.fingerprint()
    (tmp_path / "training.log").write_text("what is no part of the model")
    assert model.fingerprint() == before
