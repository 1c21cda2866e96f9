"""A reward model server as OpenRLHF's, to compare with: ``python -m benchmarks.openrlhf_server CHECKPOINT PORT``.

Written after ``openrlhf/cli/serve_rm.py`` of OpenRLHF 0.11 (https://github.com/OpenRLHF/OpenRLHF, Apache-2.0): one
FastAPI route whose coroutine runs the model itself, padded on the left, the queries of one request together. What
differs: the model is loaded by Transformers alone, without DeepSpeed and FlashAttention, and in float32, in which all
that are compared run; theirs knows bfloat16 and float16, for GPUs.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from transformers import AutoModelForSequenceClassification, AutoTokenizer

MAX_TOKENS = 2048
"""Theirs unless told otherwise."""


class RewardModelProxy:
    """Model and tokenizer."""

    def __init__(self, checkpoint: str) -> None:
        self._tokenizer: Any = AutoTokenizer.from_pretrained(checkpoint, padding_side="left")
        self._model: Any = AutoModelForSequenceClassification.from_pretrained(checkpoint, dtype=torch.float32).eval()
        self._model.config.use_cache = False

    def get_reward(self, queries: list[str]) -> list[float]:
        """One reward for each query; blocks."""
        with torch.no_grad():
            inputs = self._tokenizer(
                queries,
                return_tensors="pt",
                add_special_tokens=False,
                max_length=MAX_TOKENS,
                padding=True,
                truncation=True,
            )
            output = self._model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
            rewards: list[float] = output.logits.squeeze(-1).tolist()
            return rewards


def make_app(proxy: RewardModelProxy) -> FastAPI:
    """The one route."""
    app = FastAPI()

    @app.post("/get_reward")
    async def get_reward(request: Request) -> JSONResponse:
        data = await request.json()
        rewards = proxy.get_reward(data["query"])
        return JSONResponse({"rewards": rewards, "scores": rewards, "extra_logs": {"dummy_scores": rewards}})

    return app


if __name__ == "__main__":
    uvicorn.run(make_app(RewardModelProxy(sys.argv[1])), host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
