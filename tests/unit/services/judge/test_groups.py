"""Where the members of a group meet in one process: all see the same group, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import time

import pytest

from services.judge import groups
from services.judge.groups import Group, LocalMeeting
from tests.support.waiting import GENEROUS_SECONDS

LONG = Group(key="组", size=3, closes_after_seconds=GENEROUS_SECONDS)
SHORT = Group(key="组", size=3, closes_after_seconds=0.05)


async def joined(meeting: LocalMeeting, group: Group, *names: str) -> list[dict[str, str]]:
    """All these members at once."""
    async with asyncio.timeout(GENEROUS_SECONDS):
        found = await asyncio.gather(*(meeting.members(group, name, f"{name}作") for name in names))
    return [dict(each) for each in found]


async def test_a_group_closes_when_all_have_come() -> None:
    begun = time.monotonic()
    found = await joined(LocalMeeting(), LONG, "甲", "乙", "丙")
    assert found == [{"甲": "甲作", "乙": "乙作", "丙": "丙作"}] * 3
    assert time.monotonic() - begun < GENEROUS_SECONDS / 2, "it did not wait for its deadline"


async def test_a_group_closes_at_its_deadline_with_those_who_came() -> None:
    assert await joined(LocalMeeting(), SHORT, "甲", "乙") == [{"甲": "甲作", "乙": "乙作"}] * 2


async def test_who_comes_after_the_deadline_is_not_in_it_and_changes_nothing() -> None:
    meeting = LocalMeeting()
    await joined(meeting, SHORT, "甲")
    assert await joined(meeting, SHORT, "丙", "乙") == [{"甲": "甲作"}] * 2


async def test_who_comes_after_the_deadline_is_not_in_it_though_nobody_waited_for_that() -> None:
    meeting = LocalMeeting()
    waiting = asyncio.create_task(meeting.members(SHORT, "甲", "甲作"))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await asyncio.sleep(SHORT.closes_after_seconds * 1.5)
    assert await joined(meeting, SHORT, "乙") == [{"甲": "甲作"}]


async def test_nobody_is_added_to_a_complete_group() -> None:
    meeting = LocalMeeting()
    await joined(meeting, LONG, "甲", "乙", "丙")
    assert await joined(meeting, LONG, "丁") == [{"甲": "甲作", "乙": "乙作", "丙": "丙作"}]


async def test_a_member_that_comes_again_finds_the_same_group() -> None:
    meeting = LocalMeeting()
    first = await joined(meeting, LONG, "甲", "乙", "丙")
    assert await joined(meeting, LONG, "乙") == first[:1]


async def test_a_member_that_comes_twice_is_not_two() -> None:
    meeting = LocalMeeting()
    waiting = asyncio.create_task(joined(meeting, LONG, "甲", "甲", "乙"))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    await joined(meeting, LONG, "丙")
    assert (await waiting)[0] == {"甲": "甲作", "乙": "乙作", "丙": "丙作"}


async def test_a_member_that_gave_up_waiting_still_counts() -> None:
    meeting = LocalMeeting()
    waiting = asyncio.create_task(meeting.members(LONG, "甲", "甲作"))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert (await joined(meeting, LONG, "乙", "丙"))[0] == {"甲": "甲作", "乙": "乙作", "丙": "丙作"}


async def test_groups_do_not_mix() -> None:
    meeting = LocalMeeting()
    other = Group(key="另一组", size=1, closes_after_seconds=GENEROUS_SECONDS)
    waiting = asyncio.create_task(joined(meeting, LONG, "甲", "乙", "丙"))
    assert await joined(meeting, other, "甲") == [{"甲": "甲作"}]
    assert len((await waiting)[0]) == 3


async def test_what_a_process_remembers_of_groups_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "MAX_GROUPS", 10)
    meeting = LocalMeeting()
    for number in range(30):
        await joined(meeting, Group(key=str(number), size=1, closes_after_seconds=1), "甲")
    assert len(meeting._tables) <= 10


async def test_closed_groups_are_forgotten_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "KEEP_SECONDS", 0)
    meeting = LocalMeeting()
    await joined(meeting, SHORT, "甲")
    await asyncio.sleep(0.01)
    await joined(meeting, Group(key="另一组", size=1, closes_after_seconds=1), "甲")
    assert list(meeting._tables) == ["另一组"]


def test_a_key_hangs_on_every_part_and_on_where_parts_end() -> None:
    keys = [
        Group.key_of(*parts) for parts in [("甲", "乙"), ("甲乙", ""), ("甲", "丙"), ("甲", "乙", ""), ('甲", "乙',)]
    ]
    assert len(set(keys)) == len(keys)
    assert Group.key_of("甲", "乙") == keys[0]
