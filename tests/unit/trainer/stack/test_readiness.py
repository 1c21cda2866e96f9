"""A page that answers 200 is ready, whatever its path; all else is told in words."""

from __future__ import annotations

import httpx
import pytest

from trainer.stack.readiness import why_not_ready


@pytest.mark.parametrize(
    ("path", "status", "expected"),
    [
        ("/readyz", 200, None),
        ("/health", 200, None),
        ("/health", 503, "/health answers 503"),
        ("/readyz", 503, "/readyz answers 503"),
        ("/readyz", 404, "/readyz answers 404"),
    ],
)
def test_the_page_that_is_named_is_asked(path: str, status: int, expected: str | None) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(status)

    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        assert why_not_ready(f"http://127.0.0.1:8004{path}", http) == expected
    assert asked == [path]
