"""The limit of the HTTP door: a FastAPI route with the contract's models that answers at once, and nothing else.

python -m benchmarks.bare_route PORT
"""

from __future__ import annotations

import sys
import time

import uvicorn
from fastapi import FastAPI

from shared.schemas import RewardVersion, Score, ScoreRequest, ScoreResponse

app = FastAPI()


@app.get("/readyz")
async def readyz() -> dict[str, float]:
    """It is; and what it has used so far."""
    return {"cpu_seconds": time.process_time()}


@app.post("/v1/score")
async def score(asked: ScoreRequest) -> ScoreResponse:
    """The same reward for every rollout."""
    scores = [
        Score(id=each.id, status="scored", reward=1.0, version="bare@1", latency_seconds=0.0) for each in asked.rollouts
    ]
    return ScoreResponse(scores=scores, reward=RewardVersion(name="bare", version="bare@1"))


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
