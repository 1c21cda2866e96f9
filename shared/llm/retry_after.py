"""How long a server asks to be left alone."""

from __future__ import annotations

import datetime
import email.utils
import math
from collections.abc import Mapping

MAX_RETRY_AFTER_SECONDS = 86_400.0
"""More is taken for this: nobody waits so long, and the number stays one that can be reckoned with."""


def retry_after_seconds(headers: Mapping[str, str], now: datetime.datetime | None = None) -> float | None:
    """What ``Retry-After`` says (RFC 9110 10.2.3), or the finer ``retry-after-ms`` of OpenAI and Azure.

    Args:
        headers: Of the answer; their names in lower case, or found whatever their case.
        now: For a date, where the answer has no ``Date`` of its own to compare it with; by default our own clock.

    Returns:
        Seconds, 0 for a date that has passed; None where it is not said, or not so that it can be read.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return min(milliseconds / 1000, MAX_RETRY_AFTER_SECONDS)
    value = headers.get("retry-after", "")
    seconds = _number(value)
    if seconds is None and (date := _date(value)) is not None:
        here = _date(headers.get("date", "")) or now or datetime.datetime.now(datetime.UTC)
        seconds = max(0.0, (date - here).total_seconds())
    return None if seconds is None else min(seconds, MAX_RETRY_AFTER_SECONDS)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _date(text: str) -> datetime.datetime | None:
    try:
        date = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=datetime.UTC)
