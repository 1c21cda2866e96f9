"""A reward model behind LitServe, to compare with: ``python -m benchmarks.litserve_server CHECKPOINT PORT BATCH``.

Run by a Python that has litserve beside torch and Transformers. Written as LitServe's documentation shows batching:
what came within a short time is padded together, as it came, by the tokenizer.
"""

# LitServe reads annotations as types, so they must not be text (`from __future__ import annotations`).

import sys
from typing import Any

import litserve
import torch
from pydantic import BaseModel
from transformers import AutoModelForSequenceClassification, AutoTokenizer

BATCH_WAIT_SECONDS = 0.01


class Text(BaseModel):
    """A request."""

    text: str


class Reward(BaseModel):
    """An answer."""

    reward: float


class RewardApi(litserve.LitAPI):  # type: ignore[misc]  # it is in no environment of ours
    """One text a request; batches are made by LitServe."""

    def __init__(self, checkpoint: str, max_batch_size: int) -> None:
        super().__init__(max_batch_size=max_batch_size, batch_timeout=BATCH_WAIT_SECONDS)
        self._checkpoint = checkpoint

    def setup(self, device: str) -> None:
        """Load; in the process that computes."""
        self._tokenizer: Any = AutoTokenizer.from_pretrained(self._checkpoint)
        self._model: Any = AutoModelForSequenceClassification.from_pretrained(self._checkpoint, dtype=torch.float32)
        self._model.to(device).eval()
        self._model.config.use_cache = False

    def decode_request(self, request: Text) -> str:
        """The text."""
        return request.text

    def batch(self, inputs: list[str]) -> list[str]:
        """As they came."""
        return list(inputs)

    @torch.inference_mode()
    def predict(self, texts: list[str]) -> list[float]:
        """One reward for each text."""
        inputs = self._tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
        output = self._model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
        rewards: list[float] = output.logits.squeeze(-1).tolist()
        return rewards

    def unbatch(self, output: list[float]) -> list[float]:
        """One for each request."""
        return output

    def encode_response(self, output: float) -> Reward:
        """As JSON."""
        return Reward(reward=output)


if __name__ == "__main__":
    api = RewardApi(sys.argv[1], int(sys.argv[3]))
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", generate_client_file=False)
