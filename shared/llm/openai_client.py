"""A client of the ``openai`` package that speaks to one server and to nobody else, whatever the environment says."""

from __future__ import annotations

import copy
from typing import Final

import openai

NO_KEY: Final = "no-key"
"""Sent where no key is set: the ``openai`` package would else send the one of its own environment variable."""
IDLE_SECONDS: Final = 2.5
"""A connection idle for longer is not used again. vLLM and all that uvicorn serves close theirs after 5 s, as the
package would by itself: a request sent in that moment breaks."""


def client_of(url: str, key: str | None) -> openai.AsyncOpenAI:
    """The client of an OpenAI-compatible server. It tries nothing again; nothing is sent yet."""
    limits = copy.copy(openai.DEFAULT_CONNECTION_LIMITS)
    limits.keepalive_expiry = IDLE_SECONDS
    # A header given here wins over what OPENAI_CUSTOM_HEADERS says.
    client = openai.AsyncOpenAI(
        base_url=url,
        api_key=key or NO_KEY,
        default_headers={"Authorization": f"Bearer {key or NO_KEY}"},
        max_retries=0,
        http_client=openai.DefaultAsyncHttpxClient(limits=limits, trust_env=False, follow_redirects=False),
    )
    # They come from OPENAI_ORG_ID and OPENAI_PROJECT_ID, and concern no other server.
    client.organization = None
    client.project = None
    return client
