"""What every way to a reward has in common, and the choice of the way by URL."""

from __future__ import annotations

import abc
import urllib.parse
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from pydantic import JsonValue, ValidationError

from shared.errors import InvalidRequest, InvalidUrl
from shared.schemas import RewardInfo, Rollout, Score, ScoreRequest

DEFAULT_TIMEOUT_SECONDS = 900.0
"""How long one call of `RewardClient.score` waits at most, outages of the service included."""


class RewardClient(abc.ABC):
    """One reward, wherever it is. Safe to share between tasks of one event loop; close it when done."""

    @staticmethod
    def from_url(
        url: str, *, api_key: str | None = None, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    ) -> RewardClient:
        """Make the client that a URL asks for. Nothing is sent yet.

        Args:
            url: ``http(s)://…`` of a service, or ``redis(s)://…?reward=NAME`` of its queue.
            api_key: For HTTP: sent as a bearer token. For Redis: put credentials into the URL.
            timeout_seconds: The longest time of one call.

        Raises:
            shared.errors.InvalidUrl: It is neither, or a part is missing.
        """
        from shared.client.http import HttpRewardClient
        from shared.client.queue import QueueRewardClient

        try:
            parts = urllib.parse.urlsplit(url)
            _ = parts.port
        except ValueError:
            # What Python says of it may repeat a part of a password with a "/" in it.
            raise InvalidUrl("not the URL of a reward: its host or port cannot be read") from None
        if parts.scheme in {"http", "https"} and parts.hostname:
            return HttpRewardClient(url, api_key=api_key, timeout_seconds=timeout_seconds)
        if parts.scheme in {"redis", "rediss"} and parts.hostname:
            query = dict(urllib.parse.parse_qsl(parts.query))
            reward = query.pop("reward", "")
            if not reward:
                raise InvalidUrl("a queue's URL names its reward: redis://host:6379/0?reward=NAME")
            rest = urllib.parse.urlunsplit(parts._replace(query=urllib.parse.urlencode(query)))
            try:
                return QueueRewardClient(rest, reward, timeout_seconds=timeout_seconds)
            except ValueError as error:
                raise InvalidUrl("not the URL of a Redis server: one of its parameters cannot be read") from error
        raise InvalidUrl("a reward's URL starts with http://, https://, redis:// or rediss://")

    @abc.abstractmethod
    async def score(
        self,
        rollouts: Sequence[Rollout],
        options: Mapping[str, JsonValue] | None = None,
        *,
        request_id: str | None = None,
    ) -> list[Score]:
        """One score for each rollout, in order; an empty list for no rollouts.

        Args:
            rollouts: What to score, with ids that differ.
            options: What the service takes; see `info`.
            request_id: Carried along and logged by the service; made when not given.

        Raises:
            shared.errors.InvalidRequest: Ids stand twice, an option is not JSON, or the request id is no header value.
            shared.errors.RewardUnavailable: Nothing could be sent or received within the time allowed. (What was sent
                but not scored in time is not an error: its score has the status ``expired``.)
            shared.errors.RewardRejected: The service refused the request for good: a wrong key, an unknown option.
            shared.errors.RewardProtocolError: The answer breaks the contract.
        """

    @abc.abstractmethod
    async def info(self) -> RewardInfo:
        """Name, version, range and options; raises like `score`."""

    @abc.abstractmethod
    async def aclose(self) -> None:
        """Close all connections."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def check_request(
    rollouts: Sequence[Rollout], options: Mapping[str, JsonValue] | None, request_id: str | None
) -> dict[str, JsonValue]:
    """Refuse what every service would refuse, before anything is sent, however the rollouts are then split.

    Returns:
        The options, checked.

    Raises:
        shared.errors.InvalidRequest: Ids stand twice, an option is not JSON, or the request id is no header value.
    """
    if len({rollout.id for rollout in rollouts}) < len(rollouts):
        raise InvalidRequest("the ids of the rollouts of one request must differ")
    if request_id is not None and not is_header_value(request_id):
        raise InvalidRequest("a request id is of printable ASCII characters")
    try:
        return ScoreRequest.model_validate({"rollouts": rollouts[:1], "options": options or {}}).options
    except ValidationError as error:
        raise InvalidRequest(f"the options are not JSON: {error.errors()[0]['msg']}") from error


def is_header_value(text: str) -> bool:
    """Whether HTTP can carry a text in a header as it is."""
    return text.isascii() and text.isprintable()
