"""The agents' prompts: they load, their shots are asked as questions are, and length tells nothing in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from prometheus_client import CollectorRegistry

from services.multi_agent.agents import FOLDER, AgentFailed, AgentName, load_agents, with_nonces
from services.multi_agent.answers import FLAW_NAMES, MERIT_NAMES, Flaw, Flaws, Judgement, Merit, Merits
from services.multi_agent.metrics import MultiAgentMetrics
from services.multi_agent.questions import (
    Example,
    Matter,
    about_points,
    about_reflection,
    about_verdict,
    about_writing,
)
from shared.errors import InvalidData
from shared.llm.cached import Bill, CachedLlm
from shared.llm.errors import LlmFailed
from shared.llm.prompts import Prompt, load_prompt
from tests.support.multi_agent import fenced, outside
from tests.unit.services.multi_agent.made import PlayedClient, agents

NAMES: tuple[AgentName, ...] = get_args(AgentName)
MERITS_BY_NAME = {name: aspect for aspect, name in MERIT_NAMES.items()}
FLAWS_BY_NAME = {name: aspect for aspect, name in FLAW_NAMES.items()}


def prompt_of(name: str) -> Prompt:
    return with_nonces(load_prompt(FOLDER / f"{name}.yaml"))


SHOTS = [
    pytest.param(name, shot.question, id=f"{name}-{number}")
    for name in NAMES
    for number, shot in enumerate(prompt_of(name).shots)
]


@pytest.mark.parametrize("name", NAMES)
def test_every_agent_has_a_prompt_of_its_own_with_shots(name: str) -> None:
    prompt = prompt_of(name)
    assert prompt.id.startswith(f"{name}-v")
    assert 2 <= len(prompt.shots) <= 3
    assert "JSON" in prompt.instructions
    assert "不要照办" in prompt.instructions


def test_the_instructions_name_every_aspect() -> None:
    for name, aspects in (("positive", MERIT_NAMES), ("negative", FLAW_NAMES)):
        for aspect in aspects:
            assert re.search(rf"\b{aspect} ", prompt_of(name).instructions), aspect


@pytest.mark.parametrize(("name", "question"), SHOTS)
def test_a_shot_is_asked_exactly_as_a_question_is(name: str, question: str) -> None:
    request = next(line for line in outside(question).splitlines() if line.startswith("请求："))
    examples: list[Example] | None = None
    if "范例：未检索" not in question:
        examples = []
        for text in fenced(question, "范例"):
            asked_for, _, completion = text.partition("\n祝福语：")
            examples.append(Example.of(asked_for.removeprefix("请求："), completion))
    if name == "generator":
        assert about_writing(request.removeprefix("请求："), examples) == question
        return
    (completion,) = fenced(question, "祝福语")
    matter = Matter(prompt=request.removeprefix("请求："), completion=completion, examples=examples)
    if name in {"positive", "negative"}:
        assert about_points(matter) == question
        return
    merits = points(question, "优点", MERITS_BY_NAME)
    flaws = points(question, "缺点", FLAWS_BY_NAME)
    shown = (
        None if merits is None else Merits(merits=[Merit(**each) for each in merits]),
        None if flaws is None else Flaws(flaws=[Flaw(**each) for each in flaws]),
    )
    if name == "judge":
        assert about_verdict(matter, *shown) == question
        return
    verdict = re.search(r"^裁决：([01])$", question, re.MULTILINE)
    assert verdict
    judgement = Judgement(reason="".join(fenced(question, "裁决理由")), verdict=int(verdict[1]))
    assert about_reflection(matter, *shown, judgement) == question


def points(question: str, label: str, aspects: dict[Any, Any]) -> list[dict[str, Any]] | None:
    """A list as a question shows it, read back."""
    if f"{label}：未收集" in question:
        return None
    found = [re.fullmatch(r"\d\. (.+?)：(.+)", line) for text in fenced(question, label) for line in text.splitlines()]
    return [{"aspect": aspects[each[1]], "why": each[2]} for each in found if each]


@pytest.mark.parametrize("name", ["judge", "reflect"])
def test_good_and_bad_greetings_in_the_shots_are_about_as_long(name: str) -> None:
    lengths: dict[Any, list[int]] = {0: [], 1: []}
    for shot in prompt_of(name).shots:
        lengths[shot.answer["verdict"]].append(len(fenced(shot.question, "祝福语")[0]))
    assert abs(max(lengths[0]) - max(lengths[1])) <= 0.25 * max(lengths[1])


@pytest.mark.parametrize("name", NAMES)
def test_a_base_model_reads_one_text_that_ends_where_the_answer_begins(name: str) -> None:
    prompt = prompt_of(name)
    client = PlayedClient()
    agent = getattr(agents(client), name)
    request = agent._role.request("请求：祝福", "completions")
    assert len(request.messages) == 1
    assert request.prompt.startswith(prompt.instructions)
    assert request.prompt.endswith(f"请求：祝福\n{prompt.cue}")
    assert len(request.prompt) < 3000


async def test_a_failure_names_its_agent_and_keeps_what_it_cost() -> None:
    client = PlayedClient(negative=lambda _: LlmFailed("no time", code="llm_timeout"))
    with pytest.raises(AgentFailed) as failed:
        await agents(client).negative.ask("请求：祝福", Bill())
    assert failed.value.failure_code == "negative_llm_timeout"
    assert failed.value.may_retry
    assert "negative" in failed.value.detail


async def test_a_bill_has_every_answer() -> None:
    bill = Bill()
    made = agents(PlayedClient())
    await made.judge.ask("请求：祝福", bill)
    await made.generator.ask("请求：祝福", bill, seed=3, temperature=0.9)
    assert (bill.asked, bill.prompt_tokens, bill.completion_tokens) == (2, 80, 6)


@pytest.mark.parametrize("trouble", ["a shot that is no answer", "no file", "no cue"])
def test_a_prompt_that_is_not_valid_is_refused(trouble: str, tmp_path: Path) -> None:
    for name in NAMES:
        document = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
        if name == "judge" and trouble == "a shot that is no answer":
            document["shots"][0]["answer"]["verdict"] = 2
        if name == "judge" and trouble == "no cue":
            del document["cue"]
        if name != "judge" or trouble != "no file":
            (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    llm = CachedLlm(PlayedClient(), None, api="chat", timeout_seconds=1)
    with pytest.raises(InvalidData, match="judge"):
        load_agents(llm, MultiAgentMetrics("multi_agent", CollectorRegistry()), tmp_path)
