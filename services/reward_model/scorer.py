"""Rollouts to rewards with a reward model: a thread for each batch in work, none of it on the event loop."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog
import torch
from pydantic import JsonValue

from services.reward_model.checkpoint import Checkpoint, choose_device, choose_dtype, find_folder
from services.reward_model.metrics import RewardModelMetrics
from services.reward_model.settings import RewardModelSettings
from shared.errors import InvalidRequest, NotReady, ScoringFailed, TextTooLong
from shared.schemas import RewardInfo, RewardRange, Rollout, Usage
from shared.scorer import Outcome, Scored

log = structlog.get_logger(__name__)

BYTES_PER_TOKEN = 3
"""About right for UTF-8 text: one Chinese character, or most of an English word. Only the order of lengths matters."""
TEMPLATE_TOKENS = 8


class RewardModelScorer:
    """A `shared.scorer.Scorer` over one checkpoint at a time.

    ``reward`` is the raw logit; it has no bounds. Where the checkpoint was calibrated, the component ``probability`` is
    the calibrated chance, 0 to 1, that a greeting is a good one.
    """

    def __init__(self, settings: RewardModelSettings, metrics: RewardModelMetrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._active: Checkpoint | None = None
        self._threads = ThreadPoolExecutor(settings.max_concurrent_batches, thread_name_prefix="reward-model")
        self._loading = asyncio.Lock()

    def info(self) -> RewardInfo:
        """Name, version and range."""
        return RewardInfo(
            name=self._settings.name,
            version=self._version(self._active),
            range=RewardRange(minimum=None, maximum=None),
            description=(
                "The logit of a reward model trained on preference pairs: higher is better, no bounds. The component "
                "probability, where there is one, is calibrated to 0-1."
            ),
        )

    @property
    def active(self) -> Checkpoint | None:
        """The checkpoint that scores now."""
        return self._active

    async def start(self) -> None:
        """Load the configured checkpoint."""
        if self._settings.threads is not None:
            torch.set_num_threads(max(1, self._settings.threads // self._settings.max_concurrent_batches))
        await self.activate(self._settings.checkpoint)

    async def close(self) -> None:
        """End the model's threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def check(self) -> None:
        """Ready as soon as a checkpoint is loaded."""
        if self._active is None:
            raise NotReady("no checkpoint is loaded")

    def check_options(self, options: Mapping[str, JsonValue]) -> None:
        """A reward model has nothing to choose."""
        if options:
            raise InvalidRequest(f"{self._settings.name} takes no options")

    def cost(self, rollout: Rollout) -> int:
        """Tokens, roughly, by UTF-8 length; refuses what is longer than ``max_characters``."""
        characters = len(rollout.prompt) + len(rollout.completion)
        if characters > self._settings.max_characters:
            raise TextTooLong(f"{characters} characters; at most {self._settings.max_characters} are scored")
        size = len(rollout.prompt.encode()) + len(rollout.completion.encode())
        return TEMPLATE_TOKENS + size // BYTES_PER_TOKEN

    async def activate(self, checkpoint: str) -> Checkpoint:
        """Load a checkpoint beside the active one, then let it take over between two batches.

        Raises:
            shared.errors.InvalidData: It is not to be found, or no one-label safetensors checkpoint.
        """
        async with self._loading:
            try:
                loaded = await asyncio.to_thread(self._load, checkpoint)
            except Exception:
                self._metrics.swaps.labels("failed").inc()
                raise
            self._active = loaded
            self._metrics.swaps.labels("activated").inc()
            self._metrics.activated(self._version(loaded))
            log.info("checkpoint_activated", checkpoint=loaded.label, version=loaded.version)
            return loaded

    async def score(self, rollouts: Sequence[Rollout], options: Mapping[str, JsonValue]) -> list[Outcome]:
        """One forward pass. The checkpoint that is active when the pass begins scores all of the batch."""
        checkpoint = self._active
        if checkpoint is None:
            raise NotReady("no checkpoint is loaded")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._forward, checkpoint, rollouts)

    def _load(self, checkpoint: str) -> Checkpoint:
        folder = find_folder(checkpoint, self._settings.checkpoints_dir)
        device = choose_device(self._settings.device)
        return Checkpoint(folder, folder.name, device, choose_dtype(self._settings.dtype, device))

    def _forward(self, checkpoint: Checkpoint, rollouts: Sequence[Rollout]) -> list[Outcome]:
        with self._metrics.forward_seconds.time():
            token_ids = checkpoint.encode(
                [rollout.prompt for rollout in rollouts], [rollout.completion for rollout in rollouts]
            )
            limit = checkpoint.format.max_tokens
            fitting = [row for row, ids in enumerate(token_ids) if 0 < len(ids) <= limit]
            logits = checkpoint.logits([token_ids[row] for row in fitting]) if fitting else []
        outcomes: list[Outcome] = [
            ScoringFailed(
                f"{len(ids)} tokens; this checkpoint takes 1 to {limit}", code=TextTooLong.code, retryable=False
            )
            for ids in token_ids
        ]
        for row, logit in zip(fitting, logits, strict=True):
            outcomes[row] = self._scored(checkpoint, logit, rollouts[row].completion, len(token_ids[row]))
        return outcomes

    def _scored(self, checkpoint: Checkpoint, logit: float, completion: str, tokens: int) -> Scored:
        calibration, correction = checkpoint.format.calibration, checkpoint.format.length_correction
        components: dict[str, float] = {}
        reward = logit
        if checkpoint.prior is not None:
            style = checkpoint.prior.at(completion)
            components |= {"encoder": logit, "ngrams": style}
            reward += style
        if correction is not None:
            components["uncorrected"] = reward
            reward -= correction.at(len(completion))
        if calibration is not None and math.isfinite(reward):
            components["probability"] = _sigmoid(calibration.scale * reward + calibration.bias)
        return Scored(
            reward=reward,
            components=components,
            version=self._version(checkpoint),
            usage=Usage(prompt_tokens=tokens),
        )

    def _version(self, checkpoint: Checkpoint | None) -> str:
        if checkpoint is None:
            return f"{self._settings.name}@loading"
        return f"{self._settings.name}@{checkpoint.label}#{checkpoint.version}"


def _sigmoid(value: float) -> float:
    """Numerically safe at both ends."""
    if value >= 0:
        return 1 / (1 + math.exp(-value))
    return math.exp(value) / (1 + math.exp(value))
