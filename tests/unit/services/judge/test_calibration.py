"""Where zero is: measured once for each prompt, on examples that the prompt does not show."""

from __future__ import annotations

import asyncio
import math
import re

import pytest

from services.judge import calibration as calibration_module
from services.judge.calibration import MAX_EXAMPLES, Calibrator
from services.judge.modes import LogprobMode
from services.judge.prompts import Work
from shared.llm.cached import Bill, CachedLlm
from shared.llm.chat import ChatAnswer, ChatRequest
from shared.llm.errors import LlmFailed
from tests.unit.services.judge.made import (
    COMPLETION_TOKENS,
    PROMPT_TOKENS,
    ScriptedClient,
    answer,
    examples,
    mode_settings,
    panelist,
    principles,
)


def mode(prompts: int = 12, few_shot_limit: int = 8) -> LogprobMode:
    return LogprobMode(principles(), examples(prompts), mode_settings(few_shot_limit=few_shot_limit))


def odds(value: float) -> ChatAnswer:
    share = 1 / (1 + math.exp(-value))
    return answer("好", {"好": math.log(0.98 * share), "差": math.log(0.98 * (1 - share))})


def leaning(request: ChatRequest) -> ChatAnswer:
    """A model that leans to good by 3, and tells good from bad by 2."""
    return odds(4.0 if "好祝福" in request.messages[-1].content else 2.0)


def client_of(model: CachedLlm) -> ScriptedClient:
    assert isinstance(model._client, ScriptedClient)
    return model._client


async def calibrated(
    model: CachedLlm, of: LogprobMode, sample: int = 0, bill: Bill | None = None
) -> tuple[float, float]:
    found = await Calibrator().calibration(of, model, sample, "", bill or Bill())
    assert found is not None
    return found.offset, found.auc


async def test_zero_is_half_way_between_good_and_bad_ones() -> None:
    assert await calibrated(panelist(leaning), mode()) == pytest.approx((3, 1))


async def test_a_model_that_cannot_tell_has_its_leaning_as_zero_and_an_even_chance() -> None:
    assert await calibrated(panelist(odds(-2.5)), mode()) == pytest.approx((-2.5, 0.5))


async def test_a_model_that_takes_bad_for_good_is_seen_by_it() -> None:
    def contrary(request: ChatRequest) -> ChatAnswer:
        return odds(-1.0 if "好祝福" in request.messages[-1].content else 1.0)

    assert await calibrated(panelist(contrary), mode()) == pytest.approx((0, 0))


async def test_only_examples_that_the_prompt_does_not_show_are_asked_about_and_so_many_at_most() -> None:
    model, of = panelist(leaning), mode(prompts=20)
    await calibrated(model, of)
    asked = client_of(model).asked
    assert len(asked) == MAX_EXAMPLES
    fixed = asked[0].messages[:-1]
    assert all(request.messages[:-1] == fixed for request in asked)
    assert fixed == of.request(Work(prompt="请求", completion="别的。"), 0, 1).messages[:-1]
    shown = "".join(message.content for message in fixed)
    for request in asked:
        found = re.search(r"[好平]祝福\d+", request.messages[-1].content)
        assert found is not None
        assert f"\n{found[0]}\n" not in shown


async def test_the_first_is_asked_about_alone_so_that_the_fixed_part_is_there_for_the_others() -> None:
    under_way: list[int] = []
    client: ScriptedClient

    def script(request: ChatRequest) -> ChatAnswer:
        under_way.append(client.most_under_way)
        return leaning(request)

    model = panelist(script)
    client = client_of(model)
    await calibrated(model, mode())
    assert under_way[0] == 1
    assert client.most_under_way > 1


async def test_many_at_once_measure_once_and_one_of_them_pays() -> None:
    model, of, calibrator = panelist(leaning), mode(), Calibrator()
    bills = [Bill() for _ in range(10)]
    await asyncio.gather(*(calibrator.calibration(of, model, 0, "", bill) for bill in bills))
    assert len(client_of(model).asked) == 16
    assert [bill.usage().prompt_tokens for bill in bills] == [16 * PROMPT_TOKENS, *[0] * 9]
    assert bills[0].usage().completion_tokens == 16 * COMPLETION_TOKENS
    await calibrator.calibration(of, model, 0, "", Bill())
    assert len(client_of(model).asked) == 16


async def test_each_model_prompt_and_sample_has_its_own() -> None:
    of, other, calibrator = mode(), mode(), Calibrator()
    first, second = panelist(odds(1.0)), panelist(odds(2.0))
    offsets = [
        await calibrator.calibration(of, first, 0, "甲", Bill()),
        await calibrator.calibration(of, second, 0, "甲", Bill()),
    ]
    assert [each.offset for each in offsets if each] == pytest.approx([1.0, 2.0])
    for which, sample, salt in ((of, 1, "甲"), (other, 0, "乙")):
        before = len(client_of(first).asked)
        await calibrator.calibration(which, first, sample, salt, Bill())
        assert len(client_of(first).asked) > before


async def test_where_an_example_cannot_be_judged_nobody_gets_a_zero_and_the_next_one_tries_again() -> None:
    broken = True

    def script(request: ChatRequest) -> ChatAnswer | Exception:
        if broken and "平祝福" in request.messages[-1].content:
            return answer("很", {"很": -0.01})
        return leaning(request)

    model, of, calibrator = panelist(script), mode(), Calibrator()
    bills = [Bill(), Bill()]
    results = await asyncio.gather(
        *(calibrator.calibration(of, model, 0, "", bill) for bill in bills), return_exceptions=True
    )
    assert [result.failure_code for result in results if isinstance(result, LlmFailed)] == ["llm_unparsable"] * 2
    broken = False
    found = await calibrator.calibration(of, model, 0, "", Bill())
    assert found is not None
    assert found.offset == pytest.approx(3)


async def test_one_example_that_a_model_does_not_judge_does_not_keep_it_from_judging() -> None:
    of = mode()
    (odd, _), *_ = of.held_out(0)

    def script(request: ChatRequest) -> ChatAnswer:
        return answer("很", {"很": -0.01}) if odd.completion in request.messages[-1].content else leaning(request)

    model = panelist(script)
    assert await calibrated(model, of) == pytest.approx((3, 1))
    assert len(client_of(model).asked) == len(of.held_out(0))


async def test_a_model_that_is_away_is_asked_one_question_and_not_sixteen() -> None:
    model = panelist(LlmFailed("away", code="llm_unreachable"))
    with pytest.raises(LlmFailed):
        await calibrated(model, mode())
    assert len(client_of(model).asked) == 1


@pytest.mark.parametrize(("prompts", "limit"), [(4, 8), (5, 8), (0, 0)])
async def test_with_too_few_examples_left_nothing_is_asked_and_nothing_taken_out(prompts: int, limit: int) -> None:
    model = panelist(leaning)
    assert await Calibrator().calibration(mode(prompts, limit), model, 0, "", Bill()) is None
    assert client_of(model).asked == []


async def test_what_a_process_remembers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration_module, "KEPT", 3)
    model, of, calibrator = panelist(leaning), mode(), Calibrator()
    for sample in range(6):
        await calibrator.calibration(of, model, sample, "", Bill())
    assert len(calibrator._measuring) <= 3


async def test_a_measurement_ends_with_the_judge() -> None:
    calibrator = Calibrator()
    waiting = asyncio.create_task(calibrator.calibration(mode(), panelist(leaning), 0, "", Bill()))
    await asyncio.sleep(0)
    await calibrator.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
