"""URLs of servers, as settings take them."""

from __future__ import annotations

import httpx


def plain_url(value: str) -> httpx.URL:
    """A URL of http or https that holds no secret.

    Raises:
        ValueError: It is not, or has a user, a query or a fragment; nothing of it is repeated.
    """
    try:
        url = httpx.URL(value)
    except httpx.InvalidURL:
        raise ValueError("not a URL") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError("not a URL of http:// or https://")
    if url.userinfo or url.query or url.fragment:
        raise ValueError("a URL with a user, a query or a fragment: the key belongs into a setting of its own")
    return url
