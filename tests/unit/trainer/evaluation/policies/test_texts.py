"""Every sample with its rewards, out and back in."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import InvalidData
from tests.unit.trainer.evaluation.policies.made import failed, scored, written
from trainer.evaluation.policies.excellence import Excellence
from trainer.evaluation.policies.reward_figures import Judged
from trainer.evaluation.policies.texts import TEXTS, read_texts, write_texts


def test_samples_come_back_with_what_each_reward_gave(tmp_path: Path) -> None:
    policy = written("p", [["一\u2028二", '"']])
    judge = Judged(
        reward="judge",
        version="judge@1",
        excellence=Excellence("verdict"),
        scores={"p": [scored(0.9, verdict=True, components={"probability": 0.8}), failed("llm_timeout")]},
    )
    plain = Judged(reward="rm", version="rm@1", excellence=None, scores={"p": [scored(-3.5), scored(2.0)]})
    write_texts([policy], [judge, plain], tmp_path / TEXTS)
    first, second = read_texts(tmp_path / TEXTS)
    assert (first.model, first.id, first.prompt_id, first.completion) == ("p", "row-1/0", "row-1", "一\u2028二")
    assert (first.rewards["judge"].excellent, first.rewards["judge"].probability) == (True, 0.8)
    assert (first.rewards["rm"].reward, first.rewards["rm"].excellent) == (-3.5, None)
    assert (second.rewards["judge"].reward, second.rewards["judge"].error) == (None, "llm_timeout")


@pytest.mark.parametrize(("content", "message"), [("", "no samples"), ("{}\n", "row 1: not a sample")])
def test_another_file_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / TEXTS).write_text(content)
    with pytest.raises(InvalidData, match=message):
        read_texts(tmp_path / TEXTS)
    with pytest.raises(InvalidData, match="cannot be read"):
        read_texts(tmp_path / "nowhere")
