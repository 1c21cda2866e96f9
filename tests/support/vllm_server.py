"""Serves Gemma 3 270M with vLLM. A script for the Python that has vLLM, which knows nothing of this project.

python vllm_server.py GGUF FOLDER [ARGUMENT OF VLLM SERVE ...]

vLLM reads no GGUF by itself, so the file is first written as the folder that Transformers would have saved: weights in
half precision, a configuration, a tokenizer that begins each text with its mark. Then this process becomes
``vllm serve FOLDER``. Needs the package ``gguf`` beside vLLM; nothing is asked of a model hub.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

NAMES = {
    "token_embd": "embed_tokens",
    "output_norm": "norm",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "post_ffw_norm": "post_feedforward_layernorm",
}
"""Parts of Gemma 3 as llama.cpp calls them, and as Transformers does."""


def convert(source: Path, folder: Path) -> None:
    """Write a Gemma 3 of one GGUF file as a folder that vLLM reads."""
    gguf, safetensors, torch = (importlib.import_module(name) for name in ("gguf", "safetensors.torch", "torch"))
    transformers: Any = importlib.import_module("transformers")
    reader = gguf.GGUFReader(str(source))
    weights = {}
    for tensor in reader.tensors:
        values = torch.from_numpy(gguf.quants.dequantize(tensor.data, tensor.tensor_type).copy())
        name = transformers_name(tensor.name)
        # llama.cpp multiplies by these, Gemma by one more than these.
        weights[name] = (values - 1 if name.endswith("norm.weight") else values).to(torch.bfloat16)
    folder.mkdir(parents=True)
    safetensors.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    def told(name: str) -> Any:
        return reader.get_field(name).contents()

    transformers.Gemma3TextConfig(
        architectures=["Gemma3ForCausalLM"],
        dtype="bfloat16",
        vocab_size=weights["model.embed_tokens.weight"].shape[0],
        hidden_size=told("gemma3.embedding_length"),
        num_hidden_layers=told("gemma3.block_count"),
        intermediate_size=told("gemma3.feed_forward_length"),
        num_attention_heads=told("gemma3.attention.head_count"),
        num_key_value_heads=told("gemma3.attention.head_count_kv"),
        head_dim=told("gemma3.attention.key_length"),
        query_pre_attn_scalar=told("gemma3.attention.key_length"),
        rms_norm_eps=told("gemma3.attention.layer_norm_rms_epsilon"),
        sliding_window=told("gemma3.attention.sliding_window"),
        max_position_embeddings=told("gemma3.context_length"),
        bos_token_id=told("tokenizer.ggml.bos_token_id"),
        eos_token_id=told("tokenizer.ggml.eos_token_id"),
        pad_token_id=told("tokenizer.ggml.padding_token_id"),
    ).save_pretrained(folder)
    write_tokenizer(source, folder)


def transformers_name(name: str) -> str:
    """``blk.3.attn_q.weight`` is ``model.layers.3.self_attn.q_proj.weight``."""
    *block, part, kind = name.split(".")
    layer = f"layers.{block[1]}." if block else ""
    return f"model.{layer}{NAMES[part]}.{kind}"


def write_tokenizer(source: Path, folder: Path) -> None:
    """Write the tokenizer; what Transformers reads from the file forgets the mark at the beginning of a text."""
    transformers: Any = importlib.import_module("transformers")
    processors: Any = importlib.import_module("tokenizers.processors")
    read = transformers.AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    marked = read.backend_tokenizer
    marked.post_processor = processors.TemplateProcessing(
        single=f"{read.bos_token} $A",
        pair=f"{read.bos_token} $A {read.bos_token}:1 $B:1",
        special_tokens=[(read.bos_token, read.bos_token_id)],
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=marked,
        bos_token=read.bos_token,
        eos_token=read.eos_token,
        unk_token=read.unk_token,
        pad_token=read.pad_token,
    ).save_pretrained(folder)


def main() -> None:
    """Convert, unless the folder is there already, and serve."""
    source, folder = map(Path, sys.argv[1:3])
    if not folder.exists():
        convert(source, folder)
    command = [sys.executable, "-P", "-m", "vllm.entrypoints.cli.main", "serve", str(folder), *sys.argv[3:]]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    main()
