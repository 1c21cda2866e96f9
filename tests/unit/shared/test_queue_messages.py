"""What travels through the queue."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.queue.messages import QueuedRollout, queued
from shared.schemas import Rollout
from tests.support.greetings import rollout

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
made = st.builds(
    Rollout,
    id=texts,
    prompt=texts,
    completion=texts,
    group=st.none() | texts,
    metadata=st.dictionaries(texts, st.none() | st.booleans() | texts | st.lists(texts, max_size=3), max_size=3),
)


@given(
    rollouts=st.lists(made, max_size=4), options=st.dictionaries(texts, texts, max_size=3), trace=texts, request=texts
)
def test_rollouts_of_one_request_are_read_as_they_were_sent(
    rollouts: list[Rollout], options: dict[str, str], trace: str, request: str
) -> None:
    sent = queued(request, rollouts, options, trace)
    assert [id_ for id_, _ in sent] == [each.id for each in rollouts]
    assert [QueuedRollout.model_validate_json(payload) for _, payload in sent] == [
        QueuedRollout(request=request, rollout=each, options=dict(options), trace=trace) for each in rollouts
    ]


def test_a_payload_is_what_the_model_renders() -> None:
    ((_, payload),) = queued("请求", [rollout(1)], {"mode": "polite"}, "步骤")
    model = QueuedRollout(request="请求", rollout=rollout(1), options={"mode": "polite"}, trace="步骤")
    assert payload == model.model_dump_json()
