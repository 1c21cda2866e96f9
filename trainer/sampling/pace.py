"""How many prompts may be under way, so that none waits in the service's queue until its time is up."""

from __future__ import annotations

FIRST = 4
"""Before anything is known of the service."""
SHARE_OF_TIMEOUT = 1 / 3
"""A prompt is expected to take so much of its time at most; the rest is for what nobody expects."""


class Pace:
    """Learns from each answer how quickly the service is.

    A service that is busy takes the longer, the more it is asked at once. Where a prompt took ``t`` seconds beside
    ``n`` under way, ``m`` under way are expected to take ``t * m / n``; as many may be as keep that within a share of
    the time that one prompt has.
    """

    def __init__(self, *, most: int, timeout_seconds: float) -> None:
        """``most``: never more than this; ``timeout_seconds``: what one prompt has, waiting in queues included."""
        self._most = most
        self._timeout_seconds = timeout_seconds
        self._room = min(FIRST, most)

    def heard(self, *, under_way: int, seconds: float) -> None:
        """A prompt that was really worked on has ended; so many were under way then, itself included."""
        room = under_way * SHARE_OF_TIMEOUT * self._timeout_seconds / max(seconds, 1e-3)
        self._room = max(1, min(self._most, int(room)))

    def allows(self, under_way: int) -> bool:
        """Whether one more may begin beside those under way."""
        return under_way < self._room
