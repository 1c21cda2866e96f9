"""The page as a real server sends it: to everybody, with headers that keep it harmless, or switched off."""

from __future__ import annotations

import httpx
import pytest

from shared.errors import PROBLEM_MEDIA_TYPE
from shared.playground.assets import HEADERS, load_assets
from tests.conftest import StartService
from tests.integration.shared.conftest import API_KEY
from tests.support.processes import Service


@pytest.fixture
def stranger(http_service: Service) -> httpx.Client:
    """Somebody without a key."""
    return httpx.Client(base_url=http_service.url, timeout=60, trust_env=False)


@pytest.mark.parametrize("path", ["/", *(f"/playground/static/{name}" for name in load_assets())])
def test_the_page_and_its_files_are_sent_with_their_headers(path: str, stranger: httpx.Client) -> None:
    with stranger:
        answer = stranger.get(path)
        assert answer.status_code == 200
        for name, value in HEADERS.items():
            assert answer.headers[name] == value
        assert answer.headers["content-type"].split(";")[0] in {
            "text/html",
            "text/css",
            "text/javascript",
            "image/svg+xml",
        }
        again = stranger.get(path, headers={"If-None-Match": f'"other", {answer.headers["etag"]}'})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]
        head = stranger.head(path)
        assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", answer.headers["etag"])


@pytest.mark.parametrize(
    "path",
    [
        "/playground/static/none.js",
        "/playground/static/..%2frelay.py",
        "/playground/static/%2e%2e/relay.py",
        "/playground",
    ],
)
def test_there_is_no_way_to_another_file(path: str, stranger: httpx.Client) -> None:
    with stranger:
        answer = stranger.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == PROBLEM_MEDIA_TYPE


def test_the_page_is_told_what_it_has_to_know_and_no_more(start_service: StartService) -> None:
    rewards = "judge=http://judge.internal:8001,greetings=http://127.0.0.1:1"
    service = start_service(playground_rewards=rewards, playground_timeout_seconds=12.5, api_keys=API_KEY)
    service.wait_until()
    answer = httpx.get(f"{service.url}/playground/config", trust_env=False)
    assert answer.json() == {
        "rewards": [{"name": "greetings", "path": ""}, {"name": "judge", "path": "playground/rewards/judge/"}],
        "needs_key": True,
        "timeout_seconds": 12.5,
    }
    assert answer.headers["cache-control"] == "no-store"


def test_the_page_and_its_relay_can_be_switched_off(start_service: StartService) -> None:
    service = start_service(playground="false", playground_rewards="judge=http://127.0.0.1:1")
    service.wait_until()
    with httpx.Client(base_url=service.url, trust_env=False) as client:
        for path in ("/", "/playground/static/main.js", "/playground/config", "/playground/rewards/judge/v1/reward"):
            assert client.get(path).status_code == 404, path
        assert client.get("/v1/distribution").status_code == 200


def test_the_distribution_is_that_of_the_metrics(start_service: StartService) -> None:
    service = start_service()
    service.wait_until()
    with httpx.Client(base_url=service.url, trust_env=False) as client:
        rollouts = [{"id": str(number), "prompt": "贺", "completion": "福" * 100 * number} for number in range(1, 6)]
        assert client.post("/v1/score", json={"rollouts": rollouts}).status_code == 200
        told = client.get("/v1/distribution").json()
    assert told["statuses"] == {"scored": 5, "failed": 0, "expired": 0}
    assert told["verdicts"] == {"0": 0, "1": 5}
    assert told["mean"] == pytest.approx(0.3)
    below = 0
    for bucket in told["buckets"]:
        below += bucket["count"]
        bound = "+Inf" if bucket["up_to"] is None else str(float(bucket["up_to"]))
        assert service.metrics()[f'zhufu_reward_bucket{{le="{bound}",reward="greetings"}}'] == below
