"""``Retry-After`` in all its forms."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.llm.retry_after import MAX_RETRY_AFTER_SECONDS, retry_after_seconds

NOW = datetime.datetime(2026, 11, 6, 8, 49, 37, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "7", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "Fri, 06 Nov 2026 08:49:47 GMT"}, 10.0),
        ({"retry-after": "Fri, 06 Nov 2026 08:49:47 -0000"}, 10.0),
        ({"retry-after": "Fri, 06 Nov 2026 08:00:00 GMT"}, 0.0),
        ({"retry-after": "Fri, 06 Nov 2026 10:00:05 GMT", "date": "Fri, 06 Nov 2026 10:00:00 GMT"}, 5.0),
        ({"retry-after": "Fri, 06 Nov 2026 08:49:47 GMT", "date": "yesterday"}, 10.0),
        ({"retry-after": "999999999999"}, MAX_RETRY_AFTER_SECONDS),
        ({"retry-after": "Fri, 06 Nov 9999 08:49:47 GMT"}, MAX_RETRY_AFTER_SECONDS),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
    ],
    ids=str,
)
def test_it_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(headers, NOW) == seconds


@given(st.text(), st.text(), st.text())
def test_nonsense_is_none_or_a_time_that_can_be_waited(value: str, milliseconds: str, date: str) -> None:
    headers = {"retry-after": value, "retry-after-ms": milliseconds, "date": date}
    seconds = retry_after_seconds(headers, NOW)
    assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER_SECONDS
