"""Server-sent events: an answer in parts, each told as soon as it is there.

https://html.spec.whatwg.org/multipage/server-sent-events.html says how they are written. A browser reads them with
``fetch``, as its own ``EventSource`` can neither post nor show a key.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Final

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

EVENT_STREAM: Final = "text/event-stream"
HEARTBEAT: Final = b": still here\n\n"
"""A comment, which readers leave out. Sent in a long silence, so that no proxy takes the connection for dead."""
HEARTBEAT_SECONDS: Final = 15.0
EVENT_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would keep the parts until they are many
    "X-Content-Type-Options": "nosniff",
}


def event(name: str, json: str) -> bytes:
    """One event; the JSON is in one line, as serializers write it."""
    return f"event: {name}\ndata: {json}\n\n".encode()


class EventStream(StreamingResponse):
    """The answer that events are sent in; it ends when they do, or when the caller has gone."""

    media_type = EVENT_STREAM

    def __init__(self, events: AsyncIterator[bytes], closing: contextlib.AsyncExitStack) -> None:
        """``closing`` is left at the end, however that comes; also where not one event was asked for."""
        super().__init__(events, headers=EVENT_HEADERS)
        self._closing = closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        async with self._closing:
            await super().__call__(scope, receive, send)
