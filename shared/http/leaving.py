"""Between a signal to end and the end: a service goes on answering, says that it is not ready, and lets callers go.

A proxy looks at /readyz every now and then, and a client keeps its connection: whoever ends at once refuses the one and
cuts off the other, who may just be asking. So for ``leave_seconds`` after the first signal each answer asks its caller
to connect anew, which leads to another replica where there is one. A second signal ends that time.
"""

from __future__ import annotations

import asyncio
import functools
import socket
from types import FrameType

import structlog
import uvicorn
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger(__name__)

READ_SECONDS = 0.1
"""How long connections stay open when nobody listens for new ones any more."""


class Leave:
    """Whether a service is about to end."""

    def __init__(self) -> None:
        self.begun = False


class LeaveMiddleware:
    """Asks every caller to connect anew from when the service leaves."""

    def __init__(self, app: ASGIApp, leave: Leave) -> None:
        self._app = app
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""

        async def send_closing(message: Message) -> None:
            if message["type"] == "http.response.start" and self._leave.begun:
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        await self._app(scope, receive, send_closing if scope["type"] == "http" else send)


class LeavingServer(uvicorn.Server):
    """Uvicorn's server, which ends ``seconds`` after the first signal, or at the second."""

    def __init__(self, config: uvicorn.Config, leave: Leave, seconds: float) -> None:
        super().__init__(config)
        self._leave = leave
        self._seconds = seconds

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by the signal, on the main thread, where the event loop runs."""
        end = functools.partial(super().handle_exit, sig, frame)
        if self._leave.begun or not self._seconds or not self.started:
            end()
            return
        self._leave.begun = True
        log.info("leaving", seconds=self._seconds)
        loop = asyncio.get_running_loop()
        loop.call_soon_threadsafe(loop.call_later, self._seconds, end)  # also wakes a loop that waits

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, read what is asked on connections that are there already, then shut down as uvicorn does.

        By itself it closes them in the same moment: whose request was on its way, or unread, would find a reset.
        """
        self._leave.begun = True
        for server in self.servers:
            server.close()
        await asyncio.sleep(READ_SECONDS)
        await super().shutdown(sockets)
