"""The group mode: members wait for each other, are compared once in each process, and each takes its own reward."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from services.judge.comparison import (
    MAX_MEMBERS,
    MIN_MEMBERS,
    Comparison,
    GroupMode,
    compare,
    compare_with_empty,
    orders,
)
from services.judge.examples import Examples
from services.judge.groups import Group, Meeting
from services.judge.metrics import JudgeMetrics
from services.judge.modes import ModeSettings
from services.judge.options import JudgeOptions
from services.judge.settings import JudgeSettings
from services.judge.task import JudgeTask
from shared.errors import ScoringFailed
from shared.llm.cached import Bill, CachedLlm
from shared.schemas import GROUP_SIZE, Rollout
from shared.scorer import Scored
from shared.tasks import end_tasks
from shared.untrusted import Inspection, disarm, has_words


class GroupJudge:
    """Compares the members of groups with each other, by every model of the panel."""

    def __init__(
        self,
        settings: JudgeSettings,
        metrics: JudgeMetrics,
        examples: Examples,
        modes: Mapping[CachedLlm, ModeSettings],
        meeting: Meeting,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._examples = examples
        self._modes = modes
        self._meeting = meeting
        self._comparisons: dict[str, asyncio.Task[tuple[Comparison, Bill]]] = {}

    async def close(self) -> None:
        """End what is being compared."""
        await end_tasks(self._comparisons.values())

    async def scored(self, rollout: Rollout, asked: JudgeOptions, task: JudgeTask, seen: Inspection) -> Scored:
        """The outcome of one member, when its group is there and compared.

        Raises:
            ScoringFailed: The group, or the member in it, cannot be compared.
        """
        size = self._group_size(rollout, asked)
        assert rollout.group is not None
        group = Group(
            key=Group.key_of(rollout.group, rollout.prompt, str(size), task.version),
            size=size,
            closes_after_seconds=self._settings.group_wait_seconds,
        )
        # With its text: the same id with another text is another member.
        member = Group.key_of(rollout.id, seen.shown)
        members = await self._meeting.members(group, member, seen.shown)
        complete = len(members) >= size
        if member not in members:
            raise ScoringFailed("its group was compared before it came", code="group_closed", retryable=False)
        if len(members) < MIN_MEMBERS or (not complete and self._settings.group_missing == "fail"):
            raise ScoringFailed(
                f"{len(members)} of {size} members of its group came within {group.closes_after_seconds:g} s",
                code="group_incomplete",
                retryable=False,
            )
        first = group.key not in self._comparisons
        if first:
            comparing = asyncio.create_task(self._compare(group, disarm(rollout.prompt), members, task, complete))
            self._comparisons[group.key] = comparing
            comparing.add_done_callback(lambda _: self._comparisons.pop(group.key, None))
        try:
            comparison, bill = await asyncio.shield(self._comparisons[group.key])
        except ScoringFailed as error:
            # What it cost is told once, and one exception must not be raised in several tasks.
            raise error if first else Bill().charged_to(error) from None
        place = sorted(members).index(member)
        return Scored(
            reward=comparison.rewards[place],
            components={
                "strength": comparison.strengths[place],
                "position_bias": comparison.position_bias,
                "members": float(len(members)),
            },
            flags=seen.flags,
            cached=bill.cached,
            usage=bill.usage() if first else Bill().usage(),
            version=task.version,
        )

    def _group_size(self, rollout: Rollout, asked: JudgeOptions) -> int:
        size = rollout.metadata.get(GROUP_SIZE, asked.group_size)
        if rollout.group is None:
            raise ScoringFailed("group mode needs rollouts with a group", code="no_group", retryable=False)
        if not isinstance(size, int) or isinstance(size, bool) or not MIN_MEMBERS <= size <= MAX_MEMBERS:
            raise ScoringFailed(
                f"group mode needs the size of the group, {MIN_MEMBERS} to {MAX_MEMBERS}, as the option group_size or "
                "in the rollout's metadata",
                code="no_group_size",
                retryable=False,
            )
        return size

    async def _compare(
        self, group: Group, prompt: str, members: Mapping[str, str], task: JudgeTask, complete: bool
    ) -> tuple[Comparison, Bill]:
        """Compare all members, in the order of their names. Members with nothing to judge lose against all others."""
        names = sorted(members)
        worded = [place for place, name in enumerate(names) if has_words(members[name])]
        texts = [members[names[place]] for place in worded]
        bill = Bill()
        self._metrics.groups.labels("complete" if complete else "incomplete").inc()
        if len(texts) < MIN_MEMBERS:
            return compare_with_empty({}, worded, len(names)), bill
        modes = {
            panelist: GroupMode(task.principles, self._examples, settings) for panelist, settings in self._modes.items()
        }
        wanted = orders(len(texts), self._settings.group_orders, group.key)

        async def observe(panelist: CachedLlm, order: tuple[int, ...]) -> list[float]:
            request = modes[panelist].request(prompt, [texts[place] for place in order])
            return modes[panelist].read(await panelist.ask(request, task.principles.version, bill), len(order))

        try:
            async with asyncio.TaskGroup() as asking:
                observed = {
                    (panelist, order): asking.create_task(observe(panelist, order))
                    for panelist in modes
                    for order in wanted
                }
        except ExceptionGroup as group_error:
            failed, others = group_error.split(ScoringFailed)
            if others is not None or failed is None:
                raise
            raise bill.charged_to(_first_failure(failed)) from None
        judged = [compare({order: observed[panelist, order].result() for order in wanted}) for panelist in modes]
        for each in judged:
            self._metrics.position_bias.observe(each.position_bias)
        return compare_with_empty(dict(enumerate(judged)), worded, len(names)), bill


def _first_failure(failures: BaseExceptionGroup[ScoringFailed]) -> ScoringFailed:
    error: BaseException = failures
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, ScoringFailed)
    return error
