"""Handing principles to a judge service, which serves them at once."""

from __future__ import annotations

import httpx
import stamina
from pydantic import ValidationError

from shared.errors import InvalidRequest, InvalidUrl, Problem, RewardProtocolError, RewardRejected, RewardUnavailable
from shared.principles import Principles
from shared.schemas import Contract

ATTEMPTS = 6
TIMEOUT_SECONDS = 30.0
BUSY = frozenset({429, 502, 503, 504})


class InForce(Contract):
    """What the judge answers: the principles that it judges by from now on."""

    id: str
    version: str


class _TryAgain(Exception):
    pass


def publish(principles: Principles, url: str, *, api_key: str | None) -> InForce:
    """Make principles known to a judge and put them in force.

    Raises:
        InvalidUrl: Not the URL of a service.
        InvalidRequest: The key cannot be sent.
        RewardUnavailable: The judge could not be reached, or could not take them, within half a minute.
        RewardRejected: It refused: no or a wrong key, or another text is known there under this id.
        RewardProtocolError: Something else answered.
    """
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        raise InvalidUrl("--publish: not a URL") from None
    if parts.scheme not in {"http", "https"} or not parts.host:
        raise InvalidUrl("--publish takes the http:// or https:// URL of a judge service")
    if api_key is not None and not (api_key.isascii() and api_key.isprintable()):
        raise InvalidRequest("an API key is of printable ASCII characters")
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    name = f"{parts.scheme}://{parts.netloc.decode()}"  # without credentials
    body = {"principles": principles.model_dump(mode="json"), "activate": True}
    trouble = "no answer"
    with httpx.Client(headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False, follow_redirects=False) as client:
        try:
            for attempt in stamina.retry_context(on=_TryAgain, attempts=ATTEMPTS, timeout=TIMEOUT_SECONDS):
                with attempt:
                    try:
                        response = client.post(f"{url.rstrip('/')}/v1/principles", json=body)
                    except httpx.TransportError as error:
                        trouble = type(error).__name__
                        raise _TryAgain from error
                    if response.status_code in BUSY:
                        trouble = _said(response)
                        raise _TryAgain
        except _TryAgain:
            raise RewardUnavailable(f"the judge at {name} could not take the principles: {trouble}") from None
    if response.status_code >= 500 or 300 <= response.status_code < 400:
        raise RewardProtocolError(f"{name} answered {_said(response)} to POST /v1/principles")
    if response.status_code >= 400:
        raise RewardRejected(
            f"the judge at {name} answered {_said(response)}", response.status_code, _problem(response)
        )
    try:
        taken = InForce.model_validate_json(response.content)
    except ValidationError:
        raise RewardProtocolError(f"{name} did not answer as a judge does to POST /v1/principles") from None
    if taken.version != principles.version:
        raise RewardProtocolError(f"{name} judges by {taken.version} now, not by {principles.version}")
    return taken


def _said(response: httpx.Response) -> str:
    problem = _problem(response)
    return f"{response.status_code}: {(problem.detail if problem else None) or response.reason_phrase}"


def _problem(response: httpx.Response) -> Problem | None:
    try:
        return Problem.model_validate_json(response.content)
    except ValidationError:
        return None
