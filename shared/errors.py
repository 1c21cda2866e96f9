"""Every error that crosses a boundary: one flat type for each, with its HTTP status.

    ZhufuError
    ├── MalformedRequest 400      the body is not JSON, or not UTF-8
    ├── Unauthorized 401          no key, or a wrong one
    ├── PayloadTooLarge 413       the body has more bytes than the service takes
    ├── UnsupportedMediaType 415  the body is not declared as JSON
    ├── InvalidRequest 422        JSON, but not what the contract asks for
    │   ├── PromptUnknown             (dialects) what the policy was asked cannot be told from the request
    │   └── RolloutRefused            (dialects) a rollout got no reward, and would get none another time
    ├── Overloaded 429            the queue is full; carries Retry-After
    │   └── Busy 503                  (dialects) the same, for trainers that take every 4xx for final
    ├── RolloutFailed 503         (dialects) a rollout got no reward; another try can help
    ├── NotReady 503              still loading, or a dependency does not answer
    ├── ShuttingDown 503          draining; ask another replica
    ├── TextTooLong               one rollout is longer than the scorer takes        ┐ these become the error of one
    ├── ScoringFailed             the scorer could not score one rollout             │ failed score; they never fail
    ├── DeadlineExpired           one rollout was not scored in time                 ┘ the rollouts beside it
    ├── RewardUnavailable         (client) a service could not be reached within the time allowed
    ├── RewardProtocolError       (client) a service answered, but not by the contract
    ├── RewardRejected            (client) a service refused the request for good (4xx)
    ├── InvalidUrl                (client) not the URL of a reward
    └── InvalidData               a data file is not what a loader expects; names file and row

A failure is never a score. Where one rollout fails, its score says so (``status: failed``); where a request cannot be
handled at all, the answer is ``application/problem+json`` (RFC 9457) and carries ``code``, which programs can match.
What a client sees never holds a repr or a traceback.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from shared.schemas import Usage

PROBLEM_MEDIA_TYPE = "application/problem+json"


class FieldProblem(BaseModel):
    """One field that was not accepted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: str
    message: str


class Problem(BaseModel):
    """A problem document (RFC 9457) with our extensions ``code``, ``request_id`` and ``errors``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: str = "about:blank"
    title: str
    status: int
    code: str = Field(description="What went wrong, as a stable word for programs.")
    detail: str | None = None
    request_id: str | None = None
    errors: list[FieldProblem] | None = Field(default=None, description="With 422: which fields, and why.")


class ZhufuError(Exception):
    """Base of all errors of this project; never raised itself."""

    status: ClassVar[int] = HTTPStatus.INTERNAL_SERVER_ERROR
    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class MalformedRequest(ZhufuError):
    """The body of a request is not JSON."""

    status = HTTPStatus.BAD_REQUEST
    code = "malformed_request"


class Unauthorized(ZhufuError):
    """The request carries no API key, or none that this service knows."""

    status = HTTPStatus.UNAUTHORIZED
    code = "unauthorized"


class PayloadTooLarge(ZhufuError):
    """The body of a request has more bytes than the service accepts."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "payload_too_large"


class UnsupportedMediaType(ZhufuError):
    """The body of a request is not declared as JSON."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    code = "unsupported_media_type"


class InvalidRequest(ZhufuError):
    """The request is JSON but breaks the contract; ``fields`` says where."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "invalid_request"

    def __init__(self, detail: str, fields: list[FieldProblem] | None = None) -> None:
        super().__init__(detail)
        self.fields = fields


class Overloaded(ZhufuError):
    """The service's queue has no room for the request; try again after ``retry_after_seconds``."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "overloaded"
    retryable = True

    def __init__(self, detail: str, retry_after_seconds: float = 1.0) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class PromptUnknown(InvalidRequest):
    """A trainer's request does not tell what the policy was asked, so that there is nothing to judge its text by."""

    code = "prompt_unknown"


class RolloutRefused(InvalidRequest):
    """A rollout of a trainer's request got no reward, and the same one would get none another time."""

    code = "rollout_refused"


class Busy(Overloaded):
    """There is no room for the request of a trainer that would not send it again after a 429."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "busy"


class RolloutFailed(ZhufuError):
    """A rollout of a trainer's request got no reward; another try can help."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "rollout_failed"
    retryable = True


class NotReady(ZhufuError):
    """The service cannot score yet, or one of its dependencies does not answer."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "not_ready"
    retryable = True


class ShuttingDown(ZhufuError):
    """The service is draining and takes nothing new."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "shutting_down"
    retryable = True


class TextTooLong(ZhufuError):
    """A prompt or completion is longer than this service scores; it is not cut silently."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "text_too_long"


class ScoringFailed(ZhufuError):
    """The scorer could not score a rollout.

    ``retryable`` says whether another try can help, ``usage`` what the failure cost all the same, ``details`` what was
    found out before it, where the options ask for that.
    """

    code = "scoring_failed"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        retryable: bool = True,
        usage: Usage | None = None,
        details: Mapping[str, JsonValue] | None = None,
    ) -> None:
        super().__init__(detail)
        self.failure_code = code or self.code
        self.may_retry = retryable
        self.usage = usage
        self.details = details


class DeadlineExpired(ZhufuError):
    """A rollout was not scored before its deadline, or nobody waits for it any more."""

    status = HTTPStatus.GATEWAY_TIMEOUT
    code = "deadline_expired"


class RewardUnavailable(ZhufuError):
    """Client side: the reward could not be reached within the time that the caller allows."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "reward_unavailable"
    retryable = True


class RewardProtocolError(ZhufuError):
    """Client side: something answered, but not as the contract says."""

    status = HTTPStatus.BAD_GATEWAY
    code = "reward_protocol_error"


class RewardRejected(ZhufuError):
    """Client side: the service refused the request, and the same request would be refused again."""

    code = "reward_rejected"

    def __init__(self, detail: str, status: int, problem: Problem | None = None) -> None:
        super().__init__(detail)
        self.http_status = status
        self.problem = problem


class InvalidUrl(ZhufuError):
    """Client side: the text is not the URL of a reward."""

    status = HTTPStatus.BAD_REQUEST
    code = "invalid_url"


class InvalidData(ZhufuError):
    """A data file is not what a loader expects; the detail names the file and, where there is one, the row."""

    code = "invalid_data"

    def __init__(self, path: object, detail: str, row: int | None = None) -> None:
        where = f"{path}" if row is None else f"{path}, row {row}"
        super().__init__(f"{where}: {detail}")
        self.path = str(path)
        self.row = row


def problem_of(error: ZhufuError, request_id: str | None = None) -> Problem:
    """Render an error as a problem document; only its own words reach the client."""
    status = HTTPStatus(error.status)
    return Problem(
        title=status.phrase,
        status=status.value,
        code=error.code,
        detail=error.detail,
        request_id=request_id,
        errors=error.fields if isinstance(error, InvalidRequest) else None,
    )
