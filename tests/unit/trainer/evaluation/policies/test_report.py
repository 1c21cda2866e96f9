"""What stands on top of a report of policies, and that all of it is there, in JSON too."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import pytest

from shared.schemas import Score
from tests.unit.trainer.evaluation.policies.made import failed, sample, scored, written
from trainer.evaluation.policies.copying import KnownTexts
from trainer.evaluation.policies.excellence import Excellence
from trainer.evaluation.policies.notices import notices
from trainer.evaluation.policies.report import policy_document
from trainer.evaluation.policies.result import PolicyResult, policy_result
from trainer.evaluation.policies.reward_figures import Judged
from trainer.evaluation.policies.samples import PolicySample, Written
from trainer.report.document import Plot, Table

VERDICT = Excellence("verdict")
CHARACTERS = "春夏秋冬风花雪月琴棋书画诗酒茶山水云雨松竹梅兰菊江河湖海日星辰光影晨昏灯火人间烟巷陌"


def texts(name: str, *, longer: int = 0, prompts: int = 30) -> Written:
    """Two different texts for each prompt."""
    return written(
        name,
        [
            [
                (CHARACTERS[(prompt * 7 + number * 13) % 20 :] + CHARACTERS)[
                    : 12 + (prompt * 3 + number * 5) % 9 + longer
                ]
                for number in range(2)
            ]
            for prompt in range(prompts)
        ],
    )


def result(
    policies: Sequence[Written],
    reward: Callable[[str, PolicySample], Score],
    *,
    excellence: Excellence | None = VERDICT,
    slices: Mapping[str, Sequence[str]] | None = None,
    known: KnownTexts | None = None,
) -> PolicyResult:
    judged = Judged(
        reward="rm",
        version="rm@1",
        excellence=excellence,
        scores={each.model: [reward(each.model, one) for one in each.samples] for each in policies},
    )
    copied = None
    if known is not None:
        copied = {each.model: [known.look_up(one.completion) for one in each.samples] for each in policies}
    return policy_result(
        policies, [judged], slices or {}, copied, training_texts=None if known is None else len(known), seed=0
    )


def told(of: PolicyResult) -> list[tuple[str, str]]:
    return [(notice.tone, notice.text) for notice in notices(of)]


def good(model: str, one: PolicySample) -> Score:
    return scored(len(one.completion) % 3 / 3, verdict=True)


def test_nothing_is_said_where_nothing_is_wrong() -> None:
    assert told(result([texts("base"), texts("sft")], good)) == []


def test_a_rise_by_length_is_said_with_what_is_left_of_it() -> None:
    policies = [texts("base"), texts("sft", longer=8)]
    ((tone, text),) = told(result(policies, lambda _, one: scored(len(one.completion) / 10, verdict=True)))
    assert tone == "warn"
    assert text.startswith(
        "rm rewards sft more than base by 0.800, mostly by length: its texts are 8.0 characters longer"
    )
    assert "at equal length" in text


def test_a_reward_that_often_failed_is_bad() -> None:
    def half(model: str, one: PolicySample) -> Score:
        return failed("llm_timeout") if one.id.endswith("/0") else good(model, one)

    of = result([texts("base")], half)
    ((tone, text),) = told(of)
    assert tone == "bad"
    assert text.startswith("rm gave no reward for 30 of 60 samples of base (llm_timeout 30)")
    assert "Not scored" in [section.title for section in policy_document(of, {}).sections]


def test_texts_that_are_cut_off_repeated_or_copied_are_named() -> None:
    one = "院里的石榴又红了，您八十岁的笑比它还甜"
    same = Written("same", tuple(sample(1 + n // 2, n % 2, one, truncated=True) for n in range(8)))
    lines = [text for _, text in told(result([same], good, known=KnownTexts([one])))]
    assert lines == [
        "same: 100% of the texts ran into the token limit.",
        "same: 50% of the texts repeat an earlier one for the same prompt.",
        "same: 100% of the texts say what one for another prompt says.",
        "same: 100% of the texts are copied from the training texts.",
    ]


def test_a_reward_that_does_not_tell_what_is_excellent_is_named() -> None:
    of = result([texts("base")], lambda *_: scored(1.0), excellence=None)
    ((tone, text),) = told(of)
    assert (tone, text.partition(":")[0]) == ("plain", "rm")
    assert of.rewards["rm"]["base"].excellence is None


@pytest.mark.parametrize("known", [None, KnownTexts(["院里的石榴又红了，您八十岁的笑比它还甜"])])
def test_every_table_is_whole_and_every_slice_has_its_column(known: KnownTexts | None) -> None:
    slices = {"high-frequency": ["row-1", "row-2"], "ordinary": [f"row-{number}" for number in range(3, 31)]}
    of = result([texts("base"), texts("sft", longer=3)], good, slices=slices, known=known)
    document = policy_document(of, {"prompts": "starter:test"})
    titles = [section.title for section in document.sections]
    assert titles[:4] == ["Excellent texts", "Rewards", "Texts", "Differences"]
    excellent = document.sections[0].blocks[0]
    assert isinstance(excellent, Table)
    assert list(excellent.columns) == ["policy", "rm", "rm, high-frequency", "rm, ordinary"]
    assert "2 high-frequency, 28 ordinary" in excellent.note
    tables = [block.title for block in document.sections[2].blocks if isinstance(block, Table)]
    assert ("Copying" in tables) == (known is not None)
    assert all(section.folded for section in document.sections if section.title.startswith("To read"))


def test_the_record_is_json_and_says_what_the_report_says() -> None:
    of = result([texts("base"), texts("sft", longer=8)], lambda _, one: scored(len(one.completion) / 10, verdict=True))
    record = json.loads(json.dumps(of.record()))
    assert record["rewards"]["rm"]["excellent_where"] == "verdict 1"
    assert record["rewards"]["rm"]["models"]["sft"]["excellence"]["mean"] == 1.0
    assert record["comparisons"][0]["rises_mostly_by_length"] is True
    assert record["models"]["base"]["samples"] == 60


def test_a_text_without_end_does_not_squeeze_the_others_into_one_bar() -> None:
    usual = texts("base")
    endless = Written("endless", (*usual.samples[1:], sample(1, 9, "福" * 3000)))
    plot = next(
        block
        for section in policy_document(result([usual, endless], good), {}).sections
        for block in section.blocks
        if isinstance(block, Plot) and block.title == "Characters of a text"
    )
    assert plot.note == "1 of 120 texts are longer than 68 characters and not shown."


def test_policies_that_write_nothing_have_a_report_too() -> None:
    silent = written("silent", [["", " "], ["", ""]])
    of = result([silent], lambda *_: scored(0.0, verdict=False))
    assert policy_document(of, {}).sections
    assert (of.texts["silent"].blank, of.texts["silent"].alike_across_prompts) == (4, None)
