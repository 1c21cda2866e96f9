"""Which of the pending rollouts make the next batch."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Sequence

from shared.admission import Work


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """What one batch, and all that waits for one, may be at most."""

    max_pending: int
    max_batch_rollouts: int
    max_batch_tokens: int
    max_padding_share: float = 0.15
    max_concurrent_batches: int = 1
    score_timeout_seconds: float = 120.0


def nearest_in_length(window: Sequence[Work], limits: BatchLimits) -> Sequence[Work]:
    """Choose a batch around the oldest rollout, ``window[0]``, by nearness in cost.

    The batch grows from it to both sides of the order by cost, the nearer side first, while the padded size
    (count x longest) stays within ``max_batch_tokens``, the padding within ``max_padding_share`` of that, and the
    count within ``max_batch_rollouts``. The oldest is always in it, so that every rollout's turn comes.
    """
    ordered = sorted(window, key=operator.attrgetter("cost"))
    costs = [work.cost for work in ordered]
    head = ordered.index(window[0])
    low = high = head
    total = costs[head]
    last = len(costs) - 1
    most_tokens, most_padding = limits.max_batch_tokens, limits.max_padding_share
    for count in range(2, limits.max_batch_rollouts + 1):
        longest = costs[high]
        can_below = can_above = False
        if low > 0:
            padded = count * longest
            can_below = padded <= most_tokens and padded - total - costs[low - 1] <= most_padding * padded
        if high < last:
            above = costs[high + 1]
            padded = count * above
            can_above = padded <= most_tokens and padded - total - above <= most_padding * padded
        if can_above and (not can_below or costs[high + 1] - longest <= costs[low] - costs[low - 1]):
            high += 1
            total += costs[high]
        elif can_below:
            low -= 1
            total += costs[low]
        else:
            break
    return ordered[low : high + 1]
