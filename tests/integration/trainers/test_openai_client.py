"""The ``openai`` client reads rewards as embeddings of one dimension, and its errors are the service's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import openai
import pytest

from tests.support.processes import Service
from tests.support.scorers import FAILS, FAILS_FOR_GOOD
from tests.support.trainers.texts import ASKED, GIVEN, KEY, WRITTEN


@pytest.fixture
def client(greetings: Service) -> Iterator[openai.OpenAI]:
    http = openai.DefaultHttpxClient(trust_env=False)
    with openai.OpenAI(base_url=f"{greetings.url}/v1", api_key=KEY, max_retries=1, http_client=http) as made:
        yield made


@pytest.mark.parametrize("encoding", ["float", openai.omit], ids=["float", "by-default"])  # which is base64
def test_rewards_come_as_embeddings(encoding: Literal["float"] | openai.Omit, client: openai.OpenAI) -> None:
    texts = [GIVEN + WRITTEN[:length] for length in (3, 11)]
    answer = client.embeddings.create(model="greetings", input=texts, encoding_format=encoding)
    assert [item.embedding for item in answer.data] == [[pytest.approx(0.003)], [pytest.approx(0.011)]]
    assert [item.index for item in answer.data] == [0, 1]
    assert answer.usage.prompt_tokens == 2 * len(ASKED)


def test_a_conversation_may_be_sent_as_messages(client: openai.OpenAI) -> None:
    messages = [{"role": "user", "content": ASKED}, {"role": "assistant", "content": WRITTEN}]
    answer = client.post("/embeddings", body={"messages": messages}, cast_to=openai.types.CreateEmbeddingResponse)
    assert answer.data[0].embedding == [len(WRITTEN) / 1000]


def test_a_rollout_without_a_reward_raises(client: openai.OpenAI) -> None:
    with pytest.raises(openai.InternalServerError) as failed:  # after the tries that the client makes by itself
        client.embeddings.create(model="greetings", input=GIVEN + WRITTEN + FAILS)
    assert failed.value.status_code == 503
    with pytest.raises(openai.UnprocessableEntityError):
        client.embeddings.create(model="greetings", input=GIVEN + WRITTEN + FAILS_FOR_GOOD)


def test_a_prompt_that_cannot_be_told_raises(client: openai.OpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError):
        client.embeddings.create(model="greetings", input=ASKED + WRITTEN)


def test_a_wrong_key_raises(client: openai.OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="another-key").embeddings.create(model="greetings", input=GIVEN + WRITTEN)
