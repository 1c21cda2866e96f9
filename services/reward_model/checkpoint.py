"""One checkpoint: found, checked, loaded, run.

Only safetensors are read and no code that a checkpoint brings is run: a checkpoint is data from somebody else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.modeling_layers import GenericForSequenceClassification

from services.reward_model.settings import DType
from shared.errors import InvalidData
from shared.ngram_prior import FILE_NAME as NGRAMS_FILE_NAME
from shared.ngram_prior import NgramPrior
from shared.reward_format import DEFAULT_MAX_TOKENS, FILE_NAME, RewardFormat, default_format, encode

HASHED_FILES = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    FILE_NAME,
    NGRAMS_FILE_NAME,
)
HUB_PATTERNS = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
VERSION_CHARACTERS = 12


class Checkpoint:
    """A loaded reward model. Loading and scoring block: call them in a thread.

    Attributes:
        label: The name of its folder, for people.
        version: A hash of its weights, configuration, tokenizer and format.
        format: How texts are encoded for it.
        prior: What is added to a logit for the characters of its completion; None: nothing.
    """

    def __init__(self, folder: Path, label: str, device: torch.device, dtype: torch.dtype) -> None:
        check_files(folder)
        self.label = label
        self.version = content_hash(folder)
        self.device = device
        options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
        self._tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(str(folder), **options)
        model: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(
            str(folder), dtype=dtype, use_safetensors=True, **options
        )
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        if model.config.pad_token_id is None:
            model.config.pad_token_id = self._tokenizer.pad_token_id
        if model.config.pad_token_id is None:
            raise InvalidData(folder, "neither the tokenizer nor the model has a padding token")
        self._pad_id = int(model.config.pad_token_id)
        model.config.use_cache = False  # of keys and values: nothing is generated
        self._causal = is_causal(model)
        self._model = model.to(device).eval()  # type: ignore[arg-type]
        positions = getattr(model.config, "max_position_embeddings", None) or DEFAULT_MAX_TOKENS
        limit = min(DEFAULT_MAX_TOKENS, int(positions), int(self._tokenizer.model_max_length))
        self.format = RewardFormat.read(folder) or default_format(self._tokenizer, limit)
        self.prior = NgramPrior.read(folder) if self.format.ngram_prior else None
        if self.format.ngram_prior and self.prior is None:
            raise InvalidData(folder, f"has an n-gram prior, but no {NGRAMS_FILE_NAME}")

    def encode(self, prompts: Sequence[str], completions: Sequence[str]) -> list[list[int]]:
        """Token ids of each pair, neither padded nor cut."""
        return encode(self._tokenizer, self.format.encoding, prompts, completions)

    @torch.inference_mode()
    def logits(self, token_ids: Sequence[Sequence[int]]) -> list[float]:
        """What the model says of each sequence, ``(batch,)``, padded together on the right; without the prior."""
        longest = max(map(len, token_ids))
        ids = torch.full((len(token_ids), longest), self._pad_id, dtype=torch.long)
        for row, sequence in enumerate(token_ids):
            ids[row, : len(sequence)] = torch.tensor(sequence, dtype=torch.long)
        mask = None
        if not self._causal:
            lengths = torch.tensor([len(sequence) for sequence in token_ids])
            mask = (torch.arange(longest) < lengths[:, None]).long().to(self.device)
        output = self._model(input_ids=ids.to(self.device), attention_mask=mask)
        rewards: list[float] = output.logits.squeeze(-1).float().cpu().tolist()
        return rewards


def is_causal(model: PreTrainedModel) -> bool:
    """Whether padding on the right changes nothing without a mask: no token sees a later one, the last real one counts.

    Transformers then takes the kernel that leaves out half of the attention, and makes no mask.
    """
    directions = [module.is_causal for module in model.modules() if hasattr(module, "is_causal")]
    return isinstance(model, GenericForSequenceClassification) and bool(directions) and all(directions)


def check_files(folder: Path) -> None:
    """Raise `InvalidData` for a folder that is no one-label safetensors checkpoint; nothing is loaded yet."""
    config_path = folder / "config.json"
    if not config_path.is_file():
        raise InvalidData(folder, "not a checkpoint: it has no config.json")
    if not any(folder.glob("*.safetensors")):
        raise InvalidData(folder, "has no weights as safetensors; pickled weights are not read")
    try:
        config = json.loads(config_path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise InvalidData(config_path, "is not JSON") from error
    labels = config.get("num_labels", len(config.get("id2label") or {}) or 2)
    if labels != 1:
        raise InvalidData(config_path, f"the model has {labels} labels; a reward model has exactly one")


def content_hash(folder: Path) -> str:
    """A short hash of everything that decides what a checkpoint answers."""
    digest = hashlib.sha256()
    weights = sorted(path.name for path in folder.glob("*.safetensors"))
    for name in [*weights, *(name for name in HASHED_FILES if (folder / name).is_file())]:
        digest.update(name.encode())
        with (folder / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:VERSION_CHARACTERS]


def find_folder(checkpoint: str, checkpoints_dir: Path | None) -> Path:
    """The folder of a checkpoint: a path, a name below ``checkpoints_dir``, or a download from a model hub.

    Raises:
        InvalidData: It is neither a folder nor to be had from a hub.
    """
    if checkpoints_dir is not None and (checkpoints_dir / checkpoint).is_dir():
        return checkpoints_dir / checkpoint
    if Path(checkpoint).is_dir():
        return Path(checkpoint)
    if Path(checkpoint).is_absolute() or checkpoint.startswith("."):
        raise InvalidData(checkpoint, "there is no such folder")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    name, _, revision = checkpoint.partition("@")
    try:
        return Path(snapshot_download(name, revision=revision or None, allow_patterns=HUB_PATTERNS))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise InvalidData(checkpoint, "no such folder, and it cannot be had from a model hub") from error


def choose_device(device: str) -> torch.device:
    """The device that a setting names; ``auto`` is CUDA where it is, else the CPU."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device)


def choose_dtype(dtype: DType, device: torch.device) -> torch.dtype:
    """The number type that a setting names; ``auto`` is bfloat16 on CUDA, float32 elsewhere."""
    if dtype == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[dtype]
