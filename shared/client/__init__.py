"""Asking for rewards by URL. Needs pydantic, httpx and redis; nothing of a service.

    async with RewardClient.from_url("http://127.0.0.1:8002") as reward:
        scores = await reward.score([Rollout(id="1", prompt="给外婆的生日祝福", completion="……")])

``http(s)://host:port`` asks a service and waits; ``redis(s)://host:port/0?reward=NAME`` goes through the queue. Both
give one `Score` for each rollout, in order, and wait out a service that is away for a while.
"""

from shared.client.base import RewardClient

__all__ = ["RewardClient"]
