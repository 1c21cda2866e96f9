"""Panels: two models that judge together, disagree, or fail."""

from __future__ import annotations

import math
import statistics
import uuid
from collections.abc import Iterator

import pytest

from shared.schemas import Score, Usage
from tests.support.judge import (
    COMPLETION_TOKENS,
    PROMPT_TOKENS,
    Counters,
    Taste,
    asked,
    called,
    chances,
    ended,
    failure_code,
    greeting,
    judge_service,
    judged,
    labelled,
    messages_of,
    sigmoid,
    spent,
)
from tests.support.llm_server import LlmServer, Reply, failing, filtered, hangs
from tests.support.processes import RedisServer, Service

Models = tuple[LlmServer, LlmServer]
LLM_SECONDS = 0.7
GOOD_LABEL_FOLLOWS = "评价：好"


@pytest.fixture(scope="module")
def shared_models() -> Iterator[Models]:
    with LlmServer() as first, LlmServer() as second:
        yield first, second


@pytest.fixture(scope="module")
def panels(
    shared_models: Models, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Service, Service]]:
    """Two judges with the same models, which have the same name.

    One needs both votes and asks the second model as a base model; the other needs one vote.
    """
    folder = tmp_path_factory.mktemp("panel")
    members = [{"model": "test-model", "url": model.url} for model in shared_models]
    both, one = (
        judge_service(
            folder / f"{name}.log", shared_models[0], redis_server, name=name, llm_timeout_seconds=LLM_SECONDS, **own
        )
        for name, own in (
            ("both", {"panel": [members[0], {**members[1], "api": "completions"}]}),
            ("one", {"panel": members, "quorum": 1}),
        )
    )
    with ended(both, one):
        both.wait_until()
        one.wait_until()
        yield both, one


@pytest.fixture
def all_of_it(panels: tuple[Service, Service], redis_server: RedisServer) -> Service:
    return panels[0]


@pytest.fixture
def one_is_enough(panels: tuple[Service, Service], redis_server: RedisServer) -> Service:
    return panels[1]


@pytest.fixture
def models(shared_models: Models) -> Iterator[Models]:
    """They disagree."""
    for model, reply in zip(shared_models, (labelled(0.9, 0.1), labelled(0.3, 0.7)), strict=True):
        model.requests.clear()
        model.replies(reply)
    yield shared_models
    for model in shared_models:
        model.models(Reply(body={"object": "list", "data": []}))


def score(service: Service, **options: str) -> Score:
    (only,) = asked(service, greeting(1), **options)
    return only


def test_a_panel_votes_and_tells_how_far_its_models_are_apart(all_of_it: Service, models: Models) -> None:
    counters = Counters(all_of_it)
    scored = score(all_of_it)
    mean = statistics.fmean([math.log(9), math.log(3 / 7)])
    assert scored.reward == pytest.approx(sigmoid(mean))
    assert scored.components["disagreement"] == pytest.approx(statistics.pstdev([0.9, 0.3]))
    assert scored.components["votes"] == 2
    assert scored.verdict == 0, "one of two is not more than half"
    assert scored.usage == Usage(prompt_tokens=2 * PROMPT_TOKENS, completion_tokens=2 * COMPLETION_TOKENS)
    assert counters.risen("zhufu_judge_disagreement_sum") == pytest.approx(0.3)


def test_models_of_the_same_name_are_each_asked_and_each_cached(one_is_enough: Service, models: Models) -> None:
    first = score(one_is_enough)
    again = score(one_is_enough)
    assert [len(model.requests) for model in models] == [1, 1]
    assert first.components["disagreement"] == pytest.approx(statistics.pstdev([0.9, 0.3]))
    assert again.cached
    assert again.components == first.components


def test_each_model_is_asked_in_the_way_of_its_own_api(all_of_it: Service, models: Models) -> None:
    score(all_of_it)
    (chat,), (text,) = (model.requests for model in models)
    assert (chat.path, text.path) == ("/v1/chat/completions", "/v1/completions")
    assert GOOD_LABEL_FOLLOWS in text.body["prompt"], "an example's answer stands right behind its question"
    assert text.body["prompt"].endswith("评价：")
    assert [message["role"] for message in chat.body["messages"]][:3] == ["system", "user", "assistant"]
    assert not any(GOOD_LABEL_FOLLOWS in content for content in messages_of(chat.body))


def test_in_verdict_mode_the_reward_is_the_share_of_votes(all_of_it: Service, models: Models) -> None:
    models[0].replies(judged(1, "很好，情意真切。"))
    models[1].replies(judged(0, "平淡，没有味道。"))
    scored = score(all_of_it, mode="verdict")
    assert (scored.reward, scored.verdict, scored.reason) == (0.5, 0, "平淡，没有味道。")
    assert scored.components["disagreement"] == 0.5


@pytest.mark.parametrize(
    ("reply", "code"),
    [(failing(500), "llm_server_error"), (hangs(), "llm_timeout")],
    ids=["500", "hangs"],
)
def test_where_all_votes_are_needed_one_failure_is_one_and_costs_what_both_cost(
    all_of_it: Service, models: Models, reply: Reply, code: str
) -> None:
    models[1].replies(reply)
    counters = Counters(all_of_it)
    failed = score(all_of_it)
    assert failure_code(failed) == code
    assert spent([failed]) == counters.tokens()
    assert spent([failed])[0] >= PROMPT_TOKENS
    models[1].replies(labelled(0.3, 0.7))
    assert score(all_of_it).components["votes"] == 2
    assert len(models[0].requests) == 1, "the vote that there was is not paid for again"


def test_a_refusal_is_an_answer_that_is_not_paid_for_again(all_of_it: Service, models: Models) -> None:
    models[1].replies(filtered())
    assert failure_code(score(all_of_it)) == "llm_refused"
    models[1].replies(labelled(0.3, 0.7))
    again = score(all_of_it)
    assert failure_code(again) == "llm_refused"
    assert spent([again]) == (0, 0)
    assert [len(model.requests) for model in models] == [1, 1]


def test_of_several_failures_the_one_that_may_pass_is_told(all_of_it: Service, models: Models) -> None:
    models[0].replies(filtered())
    models[1].replies(failing(500))
    failed = score(all_of_it)
    assert failure_code(failed) == "llm_server_error"
    assert failed.error is not None
    assert failed.error.retryable


def test_where_one_vote_is_enough_the_other_may_fail(one_is_enough: Service, models: Models) -> None:
    models[0].replies(failing(500))
    scored = score(one_is_enough)
    assert scored.reward == pytest.approx(0.3)
    assert "disagreement" not in scored.components
    assert "votes" not in scored.components


def test_where_one_vote_is_enough_both_count_if_both_come(one_is_enough: Service, models: Models) -> None:
    assert score(one_is_enough).components["votes"] == 2


def test_without_any_vote_there_is_no_reward(one_is_enough: Service, models: Models) -> None:
    for model in models:
        model.replies(filtered())
    failed = score(one_is_enough)
    assert failure_code(failed) == "llm_refused"
    assert spent([failed]) == (2 * PROMPT_TOKENS, 2 * COMPLETION_TOKENS)


def test_a_panel_is_ready_where_enough_of_it_is(all_of_it: Service, one_is_enough: Service, models: Models) -> None:
    def ready() -> list[int]:
        return [called(service, "GET", "/readyz")[0] for service in (all_of_it, one_is_enough)]

    assert ready() == [200, 200]
    models[1].models(failing(503))
    assert ready() == [503, 200]
    models[0].models(failing(503))
    assert ready() == [503, 503]


def test_a_panel_compares_groups_together(all_of_it: Service, models: Models) -> None:
    models[0].script(Taste(bias=[4.0, 0.0]))
    models[1].script(Taste(bias=[0.0, 2.0]))
    group = uuid.uuid4().hex
    scores = asked(
        all_of_it,
        *(greeting(number, power, group=group) for number, power in enumerate((0, 2, 1))),
        mode="group",
        group_size=3,
    )
    assert [each.reward for each in scores] == pytest.approx(chances((0, 2, 1)), abs=1e-6)
    assert [each.components["position_bias"] for each in scores] == pytest.approx([3] * 3, abs=1e-6)
    assert [len(model.requests) for model in models] == [3, 3]
