"""How servers of a reward model are asked, and what their answers say."""

from __future__ import annotations

import json

import pytest

from benchmarks.wire_forms import FORMS, LITSERVE, OPENRLHF, OURS, VLLM
from benchmarks.workload import ASSISTANT, EOS, USER, rendered, rollouts
from trainer.tiny import character_tokenizer

TWO = rollouts(2, 16, 32, seed=0)


def test_others_are_sent_what_our_service_would_encode() -> None:
    tokenizer = character_tokenizer([TWO[0].prompt, TWO[0].completion])
    conversation = [{"role": "user", "content": TWO[0].prompt}, {"role": "assistant", "content": TWO[0].completion}]
    assert tokenizer.apply_chat_template(conversation, tokenize=False) == rendered(TWO[0])
    assert {USER, ASSISTANT, EOS} <= set(tokenizer.all_special_tokens)


@pytest.mark.parametrize(
    ("form", "answer"),
    [
        (OPENRLHF, {"rewards": [0.5, -1.0], "scores": [0.5, -1.0]}),
        (VLLM, {"data": [{"index": 1, "probs": [-1.0]}, {"index": 0, "probs": [0.5]}]}),
        (
            OURS,
            {
                "scores": [
                    {"id": "r0", "status": "scored", "reward": 0.5},
                    {"id": "r1", "status": "scored", "reward": -1.0},
                ]
            },
        ),
    ],
)
def test_each_rollout_gets_its_own_reward(form: str, answer: object) -> None:
    assert FORMS[form].rewards(TWO, json.dumps(answer).encode()) == {"r0": 0.5, "r1": -1.0}


def test_a_rollout_that_failed_is_not_among_the_rewards() -> None:
    answer = {"scores": [{"id": "r0", "status": "failed", "reward": None}]}
    assert FORMS[OURS].rewards(TWO[:1], json.dumps(answer).encode()) == {}


def test_an_answer_with_too_few_rewards_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        FORMS[OPENRLHF].rewards(TWO, b'{"rewards": [1.0]}')


def test_every_form_sends_the_whole_text() -> None:
    def said(form: str) -> str:
        return json.dumps(json.loads(FORMS[form].body(TWO[:1])), ensure_ascii=False)

    assert all(TWO[0].completion in said(form) for form in (OURS, OPENRLHF, LITSERVE, VLLM))
    assert FORMS[LITSERVE].rewards(TWO[:1], b'{"reward": 2.5}') == {"r0": 2.5}
