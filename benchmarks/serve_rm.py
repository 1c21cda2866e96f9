"""A server in the way of OpenRLHF's ``openrlhf/cli/serve_rm.py``: lists in, lists out, one log line for each request.

https://github.com/OpenRLHF/OpenRLHF/blob/main/openrlhf/cli/serve_rm.py: the route reads JSON as it comes, scores on
the event loop, and answers ``rewards``. Here the scorer does nothing.

    python -m benchmarks.serve_rm PORT
"""

from __future__ import annotations

import logging
import sys
import time

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

log = logging.getLogger("serve_rm")
app = FastAPI()


@app.get("/readyz")
async def readyz() -> dict[str, float]:
    """It is; and what it has used so far."""
    return {"cpu_seconds": time.process_time()}


@app.post("/get_reward")
async def get_reward(request: Request) -> JSONResponse:
    """The same reward for every text."""
    data = await request.json()
    rewards = [1.0] * len(data["query"])
    result = {"rewards": rewards, "scores": rewards}
    log.info("Sent JSON: %s", result)
    return JSONResponse(result)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    uvicorn.run(app, port=int(sys.argv[1]), log_level="info")
