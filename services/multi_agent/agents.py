"""The agents: who is asked, and what comes of it. Each has its prompt in its own file and its own failures."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Final, Generic, Literal, TypeVar

from pydantic import BaseModel

from services.multi_agent.answers import Flaws, Judgement, Merits, Reflection, Written
from services.multi_agent.metrics import MultiAgentMetrics
from shared.errors import ScoringFailed
from shared.llm.cached import Bill, CachedLlm
from shared.llm.chat import LlmUsage
from shared.llm.errors import LlmFailed
from shared.llm.prompts import Prompt, load_prompt
from shared.llm.role import Role
from shared.untrusted import fence, nonce_for

FOLDER = Path(__file__).parent / "prompts"

AgentName = Literal["generator", "positive", "negative", "judge", "reflect"]
Answer = TypeVar("Answer", bound=BaseModel)

LIST_TOKENS: Final = 1024
"""Nine points of forty characters, in two tokens each, and the JSON around them."""
VERDICT_TOKENS: Final = 400
GREETING_TOKENS: Final = 800
"""As the others, twice what a model of many Chinese tokens needs: small ones write a character in two or three."""
READING_VERSION: Final = "1"
"""Part of what answers are cached under: to be raised when they are asked for in another way."""

_OPEN_FENCE: Final = re.compile(r"【([^】\n]+)】\n(.*?)\n【\1完】", re.DOTALL)


class AgentFailed(ScoringFailed):
    """An agent gave no usable answer, so there is no verdict.

    The code is the agent's name before that of `shared.llm.errors.LlmFailed`: ``negative_llm_unparsable``.
    """

    code = "agent_failed"

    def __init__(self, agent: AgentName, failure: LlmFailed) -> None:
        super().__init__(
            f"the {agent} agent: {failure.detail}",
            code=f"{agent}_{failure.failure_code}",
            retryable=failure.may_retry,
            usage=failure.usage,
        )
        self.agent = agent


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Told(Generic[Answer]):
    """An agent's answer, and what it cost when it was asked for, be that now or before."""

    answer: Answer
    usage: LlmUsage


class Agent(Generic[Answer]):
    """One agent: a role that one model plays.

    Attributes:
        name: Of the agent.
        version: Id and hash of its prompt.
    """

    def __init__(self, name: AgentName, role: Role[Answer], llm: CachedLlm, metrics: MultiAgentMetrics) -> None:
        self.name: Final = name
        self.version: Final = role.version
        self._role = role
        self._llm = llm
        self._metrics = metrics

    async def ask(
        self, question: str, bill: Bill, *, seed: int | None = None, temperature: float | None = None
    ) -> Told[Answer]:
        """The answer to a question.

        Args:
            question: Comes after the instructions and the shots.
            bill: What was really asked for is put there.
            seed: Of a sampled answer.
            temperature: Of a sampled answer; by default the likeliest one is given.

        Raises:
            AgentFailed: There is none, or it is not of the agent's model.
        """
        request = self._role.request(question, self._llm.api, seed=seed, temperature=temperature)
        try:
            answer = await self._llm.ask(request, READING_VERSION, bill)
            return Told(answer=self._role.read(answer), usage=answer.usage)
        except LlmFailed as error:
            self._metrics.failures.labels(self.name, error.failure_code).inc()
            raise AgentFailed(self.name, error) from error


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Agents:
    """All of them."""

    generator: Agent[Written]
    positive: Agent[Merits]
    negative: Agent[Flaws]
    judge: Agent[Judgement]
    reflect: Agent[Reflection]

    @property
    def versions(self) -> dict[str, str]:
        """The version of each agent's prompt, by its name."""
        everyone = (self.generator, self.positive, self.negative, self.judge, self.reflect)
        return {agent.name: agent.version for agent in everyone}


def load_agents(llm: CachedLlm, metrics: MultiAgentMetrics, folder: Path = FOLDER) -> Agents:
    """The agents with the prompts of a folder.

    Raises:
        shared.errors.InvalidData: A prompt cannot be read, or one of its shots is not what the agent answers.
    """

    def agent(name: AgentName, answer: type[Answer], max_tokens: int) -> Agent[Answer]:
        prompt = with_nonces(load_prompt(folder / f"{name}.yaml"))
        return Agent(name, Role(name, prompt, answer, max_tokens=max_tokens), llm, metrics)

    return Agents(
        generator=agent("generator", Written, GREETING_TOKENS),
        positive=agent("positive", Merits, LIST_TOKENS),
        negative=agent("negative", Flaws, LIST_TOKENS),
        judge=agent("judge", Judgement, VERDICT_TOKENS),
        reflect=agent("reflect", Reflection, VERDICT_TOKENS),
    )


def with_nonces(prompt: Prompt) -> Prompt:
    """A prompt whose shots are asked as questions are: fences are written in its file without their nonces."""

    def closed(question: str) -> str:
        nonce = nonce_for(*(text for _, text in _OPEN_FENCE.findall(question)))
        return _OPEN_FENCE.sub(lambda found: fence(found[1], found[2], nonce), question)

    shots = [shot.model_copy(update={"question": closed(shot.question)}) for shot in prompt.shots]
    return prompt.model_copy(update={"shots": shots})
