"""What modes ask, and how they read answers: a vote, or a failure with its code and its cost, never a default."""

from __future__ import annotations

import json
import math
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies

from services.judge.modes import LogprobMode, Mode, RubricMode, VerdictMode, Vote, pooled, vote_of
from services.judge.prompts import JSON_CUE, LABEL_CUE, Work
from services.judge.rubric import WEIGHTS, Rubric
from shared.llm.chat import MAX_TOP_LOGPROBS, ChatAnswer
from shared.llm.errors import LlmFailed
from shared.llm.structured import is_in_language
from shared.schemas import Usage
from tests.unit.services.judge.made import (
    COMPLETION_TOKENS,
    PROMPT_TOKENS,
    answer,
    examples,
    mode_settings,
    principles,
)

WORK = Work(prompt="给外婆的八十岁生日祝福", completion="外婆，院里的石榴又红了。")
REASON = "意象新鲜，情意真切。"
RATED = Rubric(language=3, creativity=3, emotion=2, culture=2, richness=2)


def logprob(**changes: Any) -> LogprobMode:
    return LogprobMode(principles(), examples(), mode_settings(**changes))


def verdict(**changes: Any) -> VerdictMode:
    return VerdictMode(principles(**changes), examples(reason=REASON), mode_settings())


def failure(mode: Mode, given: ChatAnswer) -> LlmFailed:
    with pytest.raises(LlmFailed) as caught:
        mode.read(given)
    error = caught.value
    assert error.usage == Usage(prompt_tokens=PROMPT_TOKENS, completion_tokens=COMPLETION_TOKENS)
    assert not error.may_retry, "the same question would be answered the same way"
    return error


def logs(**probabilities: float) -> dict[str, float]:
    return {token: math.log(value) for token, value in probabilities.items()}


# Log-probabilities of labels


def test_the_reward_is_the_share_of_the_good_label() -> None:
    vote = logprob().read(answer("好", {"好": math.log(0.6), "差": math.log(0.2), "中": math.log(0.1)}))
    assert vote.reward == pytest.approx(0.75)
    assert vote.verdict == 1
    assert vote.components["log_odds"] == pytest.approx(math.log(3))
    assert vote.components["label_mass"] == pytest.approx(0.8)


@pytest.mark.parametrize(("good", "bad", "wanted"), [(0.1, 0.8, 0), (0.8, 0.1, 1), (0.4, 0.4, 1)])
def test_the_verdict_is_the_likelier_label(good: float, bad: float, wanted: int) -> None:
    assert logprob().read(answer("好", logs(好=good, 差=bad))).verdict == wanted


def test_spellings_of_a_label_count_together() -> None:
    told = {
        "好": math.log(0.2),
        " 好": math.log(0.25),
        "好\n": math.log(0.15),
        "\t差": math.log(0.2),
        "好的": math.log(0.1),
    }
    vote = logprob().read(answer("好", told))
    assert vote.reward == pytest.approx(0.75)
    assert vote.components["label_mass"] == pytest.approx(0.8)


def test_the_chosen_token_counts_where_the_alternatives_leave_it_out() -> None:
    vote = logprob().read(answer("好", logs(差=0.2, 中=0.05), logprob=math.log(0.6)))
    assert vote.reward == pytest.approx(0.75)


def test_a_label_that_was_not_told_is_no_likelier_than_the_least_that_was() -> None:
    vote = logprob().read(answer("好", logs(好=0.7, 优=0.05, 妙=0.01)))
    assert vote.reward == pytest.approx(0.7 / 0.71)
    assert vote.components["label_mass"] == pytest.approx(0.7), "a bound was not seen"


def test_a_label_that_was_not_told_is_no_likelier_than_what_is_left() -> None:
    vote = logprob().read(answer("好", logs(好=0.98)))
    assert vote.reward == pytest.approx(0.98, abs=1e-6)
    assert vote.verdict == 1
    assert logprob().read(answer("差", logs(差=0.98))).reward == pytest.approx(0.02, abs=1e-6)


def test_probabilities_that_add_up_to_more_than_one_by_rounding_are_read_all_the_same() -> None:
    vote = logprob().read(answer("好", {"好": 0.0, "差": math.log(1e-8)}))
    assert vote.reward == pytest.approx(1)
    assert logprob().read(answer("好", {"好": 0.0})).reward > 0.99


@pytest.mark.parametrize(
    "told",
    [
        {"这": math.log(0.6), "我": math.log(0.4)},
        {'{"verdict":': -0.01},
        {"优": math.log(0.3), "良": math.log(0.3), "中": math.log(0.3)},
        {"好的": math.log(0.9), "不好": math.log(0.1)},
        {"": 0.0},
        {"很": math.log(0.8), "好": math.log(0.1), "差": math.log(0.05)},
        {"很": math.log(0.85), "好": math.log(0.15)},
    ],
)
def test_an_answer_without_enough_of_the_labels_has_no_reward(told: dict[str, float]) -> None:
    error = failure(logprob(), answer(next(iter(told)), told))
    assert error.failure_code == "llm_unparsable"


@pytest.mark.parametrize("given", [answer(""), answer("好"), answer("好", {})])
def test_an_answer_without_log_probabilities_has_no_reward(given: ChatAnswer) -> None:
    assert failure(logprob(), given).failure_code == "llm_unparsable"


@hypothesis.given(
    good=strategies.floats(min_value=-700, max_value=0), bad=strategies.floats(min_value=-700, max_value=0)
)
def test_any_two_log_probabilities_give_a_reward_between_zero_and_one(good: float, bad: float) -> None:
    vote = logprob(least_label_mass=0.0).read(answer("好", {"好": good, "差": bad}))
    assert 0 <= vote.reward <= 1
    assert vote.verdict == (1 if good >= bad else 0) or math.isclose(good, bad, abs_tol=1e-9)


def test_several_votes_of_labels_are_one_by_their_mean_log_odds() -> None:
    votes = [vote_of(value) for value in (3.0, -1.0, 1.0)]
    assert pooled(votes) == pytest.approx(1 / (1 + math.exp(-1)))
    assert pooled(votes[:1]) == votes[0].reward


def test_several_votes_without_log_odds_are_one_by_their_mean_reward() -> None:
    votes = [Vote(reward=reward, verdict=0, components={}) for reward in (0.0, 1.0, 1.0)]
    assert pooled(votes) == pytest.approx(2 / 3)
    assert pooled([*votes, vote_of(0.0)]) == pytest.approx(2.5 / 4)


def test_other_words_can_be_the_labels() -> None:
    mode = logprob(labels=("yes", "no"))
    assert mode.read(answer(" yes", {" yes": math.log(0.5), "no": math.log(0.5)})).reward == pytest.approx(0.5)
    assert "yes或no" in mode.request(WORK, 0, 1).messages[0].content


# What is asked


def test_logprob_mode_asks_for_one_token_and_the_likeliest_alternatives() -> None:
    request = logprob().request(WORK, 0, 1)
    assert (request.max_tokens, request.top_logprobs, request.temperature) == (1, MAX_TOP_LOGPROBS, 0.0)
    assert request.json_schema is None
    system, *turns = request.messages
    assert system.role == "system"
    assert principles().numbered in system.content
    assert [turn.role for turn in turns] == ["user", "assistant"] * 4 + ["user"]
    assert all(turn.content.endswith(LABEL_CUE) for turn in turns[::2])
    assert sorted(turn.content for turn in turns[1::2]) == ["好", "好", "差", "差"]
    assert WORK.completion in turns[-1].content
    assert WORK.prompt in turns[-1].content


def test_all_works_are_asked_about_with_the_same_prefix() -> None:
    first = logprob().request(WORK, 0, 1).messages
    second = logprob().request(Work(prompt="新婚", completion="执手如初见。"), 0, 1).messages
    assert first[:-1] == second[:-1]
    assert first[-1] != second[-1]


def test_samples_of_logprob_mode_see_the_examples_in_other_orders() -> None:
    mode = LogprobMode(principles(), examples(8), mode_settings())
    asked = [mode.request(WORK, sample, 4).messages for sample in range(4)]
    assert len({tuple(turn.content for turn in turns[1:-1]) for turns in asked}) == 4
    assert all(turns[-1] == asked[0][-1] for turns in asked)
    assert mode.request(WORK, 0, 4) == mode.request(WORK, 0, 1)


def test_a_base_model_gets_one_text_that_ends_where_the_answer_begins() -> None:
    (message,) = logprob(api="completions").request(WORK, 0, 1).messages
    assert message.content.endswith(f"完 {_nonce(message.content)}】\n{LABEL_CUE}")
    assert message.content.count(f"\n{LABEL_CUE}好") == 2
    assert message.content.count(f"\n{LABEL_CUE}差") == 2


def _nonce(text: str) -> str:
    return text.rpartition("完 ")[2].partition("】")[0]


@pytest.mark.parametrize("kind", [VerdictMode, RubricMode])
def test_json_modes_ask_for_a_reason_before_what_it_is_the_reason_for(kind: type[VerdictMode | RubricMode]) -> None:
    request = kind(principles(), examples(reason=REASON, rubric=RATED), mode_settings()).request(WORK, 0, 1)
    schema: Any = request.json_schema
    assert next(iter(schema["properties"])) == "reason"
    assert set(schema["required"]) == set(schema["properties"])
    assert schema["additionalProperties"] is False
    assert request.top_logprobs == 0
    shown = [turn.content for turn in request.messages if turn.role == "assistant"]
    assert len(shown) == 4
    assert all(list(json.loads(each)) == list(schema["properties"]) for each in shown)
    assert all(turn.content.endswith(JSON_CUE) for turn in request.messages if turn.role == "user")


def test_json_modes_read_what_their_own_examples_answer() -> None:
    for mode in (
        verdict(),
        RubricMode(principles(), examples(reason=REASON, rubric=RATED), mode_settings()),
    ):
        for turn in mode.request(WORK, 0, 1).messages:
            if turn.role == "assistant":
                mode.read(answer(turn.content))


def test_examples_without_what_a_mode_shows_are_left_out() -> None:
    asked = RubricMode(principles(), examples(reason=REASON), mode_settings()).request(WORK, 0, 1)
    assert [turn.role for turn in asked.messages] == ["system", "user"]


@pytest.mark.parametrize("limit", range(6))
def test_no_limit_unbalances_the_examples_of_verdict_mode(limit: int) -> None:
    mode = VerdictMode(principles(), examples(2, reason=REASON), mode_settings(few_shot_limit=limit))
    shown = [
        json.loads(turn.content)["verdict"] for turn in mode.request(WORK, 0, 1).messages if turn.role == "assistant"
    ]
    assert len(shown) == min(4, limit - limit % 2)
    assert 2 * sum(shown) == len(shown)


def test_one_sample_is_asked_for_at_temperature_0_and_several_with_seeds_of_their_own() -> None:
    mode = verdict()
    assert mode.request(WORK, 0, 1).temperature == 0
    several = [mode.request(WORK, sample, 3) for sample in range(3)]
    assert {request.temperature for request in several} == {0.7}
    assert [request.seed for request in several] == [0, 1, 2]
    assert len({request.digest("m", "chat", {}, "") for request in several}) == 3


# Answers in JSON


@pytest.mark.parametrize("value", [0, 1])
def test_a_verdict_is_its_own_reward(value: int) -> None:
    vote = verdict().read(answer(json.dumps({"reason": REASON, "verdict": value}, ensure_ascii=False)))
    assert (vote.reward, vote.verdict, vote.reason) == (float(value), value, REASON)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "好",
        '{"reason": "情意真切。", "verdict": ',
        '```json\n{"reason": "情意真切。", "verdict": 1}\n```',
        '{"reason": "情意真切。", "verdict": 1} 以上。',
        '[{"reason": "情意真切。", "verdict": 1}]',
        "1",
        "null",
        '{"verdict": 1}',
        '{"reason": "情意真切。"}',
        '{"reason": "情意真切。", "verdict": "1"}',
        '{"reason": "情意真切。", "verdict": true}',
        '{"reason": "情意真切。", "verdict": null}',
        '{"reason": "情意真切。", "verdict": [1]}',
        '{"reason": 5, "verdict": 1}',
        '{"reason": null, "verdict": 1}',
        '{"reason": "情意真切。", "verdict": 1, "score": 10}',
        '{"reason": "\\ud800情意真切", "verdict": 1}',
        json.dumps({"reason": "好" * 2001, "verdict": 1}),
        "[" * 100_000,
        '{"reason":' * 50_000,
        "1" * 5_000,
    ],
    ids=lambda text: text[:40],
)
def test_an_answer_that_is_not_the_json_asked_for_has_no_reward(text: str) -> None:
    assert failure(verdict(), answer(text)).failure_code == "llm_unparsable"


@pytest.mark.parametrize("value", ["2", "-1", "0.5", "10", "1e400", "NaN", "-Infinity", "1" + "0" * 30])
def test_a_verdict_outside_its_range_has_no_reward(value: str) -> None:
    error = failure(verdict(), answer(f'{{"reason": "情意真切。", "verdict": {value}}}'))
    assert error.failure_code == "llm_out_of_range"
    assert error.detail.startswith("verdict")


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("0", "llm_out_of_range"),
        ("4", "llm_out_of_range"),
        ("2.5", "llm_out_of_range"),
        ('"2"', "llm_unparsable"),
        ("null", "llm_unparsable"),
    ],
)
@pytest.mark.parametrize("dimension", WEIGHTS)
def test_points_outside_their_range_give_no_reward(dimension: str, value: str, code: str) -> None:
    points = ", ".join(f'"{name}": {value if name == dimension else 2}' for name in WEIGHTS)
    mode = RubricMode(principles(), examples(), mode_settings())
    error = failure(mode, answer(f'{{"reason": "情意真切。", {points}}}'))
    assert error.failure_code == code
    assert error.detail.startswith(dimension)


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_rubric_that_lacks_a_dimension_has_no_reward(name: str) -> None:
    written = {"reason": REASON, **{each: 2 for each in WEIGHTS if each != name}}
    mode = RubricMode(principles(), examples(), mode_settings())
    assert failure(mode, answer(json.dumps(written))).failure_code == "llm_unparsable"


# Languages


@pytest.mark.parametrize(
    "reason",
    [
        "",
        "。。。",
        "12345",
        "A warm and vivid greeting.",
        "とても暖かいメッセージですね",
        "Очень тепло",
        "好 good work indeed",
    ],
)
def test_a_reason_in_another_language_gives_no_reward(reason: str) -> None:
    error = failure(verdict(), answer(json.dumps({"reason": reason, "verdict": 1})))
    assert error.failure_code == "llm_wrong_language"


@pytest.mark.parametrize(
    ("text", "language", "is_in"),
    [
        ("切合请求，情意真切。", "zh", True),
        ("用了 KPI 一词，不够温暖，也不切题。", "zh", True),
        ("很 nice", "zh", False),
        ("A warm greeting.", "en", True),
        ("A warm greeting: 生日快乐", "en", True),
        ("生日快乐", "en", False),
        ("!?", "en", False),
        ("", "zh", False),
    ],
)
def test_a_text_is_in_a_language_by_half_of_its_letters(text: str, language: Any, is_in: bool) -> None:
    assert is_in_language(text, language) is is_in


def test_english_principles_ask_for_english_reasons() -> None:
    mode = verdict(language="en")
    assert mode.read(answer('{"reason": "Warm and vivid.", "verdict": 1}')).reward == 1
    assert failure(mode, answer(f'{{"reason": "{REASON}", "verdict": 1}}')).failure_code == "llm_wrong_language"


def test_a_failure_quotes_the_answer_in_one_bounded_line() -> None:
    error = failure(verdict(), answer("第一行\n\u202e第二行\x00" + "长" * 10_000))
    assert len(error.detail) < 300
    assert error.detail.isprintable()
