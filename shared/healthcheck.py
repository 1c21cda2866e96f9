"""Asks a URL once, for the health check of a container, which has no curl: status 0 where it answers 200, else 1.

python -m shared.healthcheck http://127.0.0.1:8001/readyz
"""

from __future__ import annotations

import http.client
import sys
import urllib.error
import urllib.request

TIMEOUT_SECONDS = 4.0
"""Less than a container engine gives the whole check."""


def check(url: str) -> str | None:
    """What is wrong; None where the answer is 200. Proxies are not asked."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=TIMEOUT_SECONDS) as answer:
            return None if answer.status == http.client.OK else f"{url} answers {answer.status}"
    except urllib.error.HTTPError as error:
        return f"{url} answers {error.code}"
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"{url} does not answer: {error}"


def main() -> None:
    """Check the one URL that is given; the engine keeps what is wrong."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m shared.healthcheck URL")
    sys.exit(check(sys.argv[1]))


if __name__ == "__main__":
    main()
