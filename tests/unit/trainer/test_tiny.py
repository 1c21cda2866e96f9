"""The tiny model and its tokenizer of characters."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase

from shared.errors import InvalidData
from shared.reward_format import encode
from trainer.models import load_tokenizer
from trainer.tiny import ASSISTANT, EOS, MAX_POSITIONS, PAD, UNK, USER, TinyShape, character_tokenizer, make_tiny_model

TEXTS = ["祝外婆生日快乐！", "愿您健康\n长寿，<eos>", "a <user> & b", "🎂 é"]
ALPHABET = "".join(sorted({character for text in TEXTS for character in text}))
SHAPE = TinyShape(hidden_size=32, layers=1, heads=2)
SPECIAL = {PAD, EOS, UNK, USER, ASSISTANT}
MARKED = st.lists(st.sampled_from([*"祝<>eo", *sorted(SPECIAL)]), max_size=12).map("".join)
TOKENIZER = character_tokenizer(TEXTS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"), TEXTS, seed=0, shape=SHAPE)


@pytest.fixture(scope="module")
def reloaded(folder: Path) -> PreTrainedTokenizerBase:
    return load_tokenizer(str(folder))


@given(st.text(alphabet=ALPHABET, max_size=40))
def test_what_is_encoded_is_decoded_to_the_same(text: str) -> None:
    ids = TOKENIZER(text, add_special_tokens=False)["input_ids"]
    decoded = TOKENIZER.decode(ids)
    assert decoded == text
    if not any(token in text for token in SPECIAL):
        assert len(ids) == len(text)


@given(st.text(max_size=20))
def test_a_character_never_seen_is_one_unknown_token(text: str) -> None:
    ids = TOKENIZER(text, add_special_tokens=False)["input_ids"]
    if not any(token in text for token in SPECIAL):
        assert len(ids) == len(text)
        unknown = [token == TOKENIZER.unk_token_id for token in ids]
        assert unknown == [character not in ALPHABET for character in text]


@given(st.text(alphabet=ALPHABET, max_size=30))
def test_a_reloaded_tokenizer_gives_the_same_ids(reloaded: PreTrainedTokenizerBase, text: str) -> None:
    assert reloaded(text)["input_ids"] == TOKENIZER(text)["input_ids"]


def test_a_reloaded_tokenizer_has_the_same_special_tokens_and_template(reloaded: PreTrainedTokenizerBase) -> None:
    assert set(reloaded.all_special_tokens) == SPECIAL
    assert (reloaded.pad_token, reloaded.eos_token, reloaded.unk_token) == (PAD, EOS, UNK)
    assert len(reloaded) == len(TOKENIZER)
    assert reloaded.model_max_length == MAX_POSITIONS
    assert reloaded.chat_template == TOKENIZER.chat_template


def test_the_template_puts_turns_between_their_marks(reloaded: PreTrainedTokenizerBase) -> None:
    turns = [{"role": "user", "content": "祝外婆"}, {"role": "assistant", "content": "生日快乐"}]
    assert reloaded.apply_chat_template(turns, tokenize=False) == f"{USER}祝外婆{ASSISTANT}生日快乐{EOS}"
    asked = reloaded.apply_chat_template(turns[:1], tokenize=False, add_generation_prompt=True)
    assert asked == f"{USER}祝外婆{ASSISTANT}"
    ids = reloaded(reloaded.apply_chat_template(turns, tokenize=False), add_special_tokens=False)["input_ids"]
    assert len(ids) == 3 + len("祝外婆生日快乐")
    assert ids[-1] == reloaded.eos_token_id


@given(MARKED, MARKED)
def test_text_under_judgement_cannot_speak_in_the_voice_of_the_template(prompt: str, completion: str) -> None:
    (ids,) = encode(TOKENIZER, "chat", [prompt], [completion])
    special = [token for token in TOKENIZER.convert_ids_to_tokens(ids) if token in SPECIAL - {UNK}]
    assert special == [USER, ASSISTANT, EOS]


def test_the_model_knows_its_tokenizer(folder: Path, reloaded: PreTrainedTokenizerBase) -> None:
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert model.config.vocab_size == len(reloaded)
    assert model.config.pad_token_id == reloaded.pad_token_id
    assert model.generation_config.eos_token_id == reloaded.eos_token_id
    assert model.generation_config.pad_token_id == reloaded.pad_token_id
    ids = torch.tensor([reloaded("祝外婆")["input_ids"]])
    assert model(ids).logits.shape == (1, 3, len(reloaded))


def test_the_seed_decides_the_weights(folder: Path, tmp_path: Path) -> None:
    same = make_tiny_model(tmp_path / "a" / "b", TEXTS, seed=0, shape=SHAPE)
    other = make_tiny_model(tmp_path / "c", TEXTS, seed=1, shape=SHAPE)
    weights = "model.safetensors"
    assert (same / weights).read_bytes() == (folder / weights).read_bytes()
    assert (other / weights).read_bytes() != (folder / weights).read_bytes()


def test_the_default_shape_has_about_four_million_parameters(tmp_path: Path) -> None:
    texts = ["".join(map(chr, range(0x4E00, 0x4E00 + 2500)))]
    model = AutoModelForCausalLM.from_pretrained(make_tiny_model(tmp_path, texts, seed=0))
    assert 3e6 < model.num_parameters() < 5e6


def test_a_model_that_is_not_there_is_told_in_a_sentence(tmp_path: Path) -> None:
    for model in (tmp_path / "missing", tmp_path):
        with pytest.raises(InvalidData, match="no model can be loaded from there"):
            load_tokenizer(str(model))
