"""One service of plain HTTP for all tests that ask it something and change nothing."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import httpx
import pytest

from tests.support.processes import Service, free_port, service_command

API_KEY = secrets.token_hex(16)


@pytest.fixture(scope="session")
def http_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A ready service that wants a key and has no queue."""
    output = tmp_path_factory.mktemp("http") / "service.log"
    environment = {"ZHUFU_API_KEYS": f"{API_KEY},{'0' * 32}", "ZHUFU_LOG_FORMAT": "json"}
    service = Service(service_command(), output, environment, free_port())
    try:
        service.wait_until()
        yield service
    finally:
        service.end()


@pytest.fixture
def http(http_service: Service) -> Iterator[httpx.Client]:
    """A client of that service, with its key."""
    headers = {"Authorization": f"Bearer {API_KEY}"}
    with httpx.Client(base_url=http_service.url, headers=headers, timeout=60, trust_env=False) as client:
        yield client
