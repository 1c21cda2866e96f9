"""The roles, all of one model: what each is told (``prompts/``) and what it answers.

The Detector's prompt is, word for word, what the judge service shows in its verdict mode, so that what is learned here
is what is served there; a test holds the two together. What is asked of it beyond a verdict, a suggestion to whoever
wrote what it caught, is another question: it must not change the first one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema

from shared.errors import InvalidData
from shared.llm.prompts import Prompt, load_prompt
from shared.llm.role import Role
from shared.principles import MAX_RULES
from trainer.judge_optimizer.strategy import Strategies, Strategy

FOLDER: Final = Path(__file__).parent / "prompts"
RULES: Final = "{rules}"
"""Stands in a prompt where the rules in force go."""

VERDICT_TOKENS: Final = 200
WRITTEN_TOKENS: Final = 600
ADVICE_TOKENS: Final = 300
PROPOSAL_TOKENS: Final = 1600
GENERATOR_TEMPERATURE: Final = 0.9
PROPOSAL_TEMPERATURE: Final = 0.7
"""At 0, a small model copies an example and stays with it."""
ASKED_RULE_CHARACTERS: Final = 120
"""What a model is told of the length of a rule; what is read may be longer, see `Strategy`."""

Greeting = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Written(_Answer):
    """A flawed greeting, and what is wrong with it."""

    greeting: Greeting
    explanation: Words


class Verdict(_Answer):
    """As the judge's verdict mode: the schema asks for a short reason, a longer one is read all the same."""

    reason: Annotated[str, Field(max_length=2000), WithJsonSchema({"type": "string", "maxLength": 120})]
    verdict: Annotated[int, Field(ge=0, le=1), WithJsonSchema({"type": "integer", "enum": [0, 1]})]


class Advice(_Answer):
    """How a greeting that was caught could be better at passing for a good one."""

    suggestion: Words


class Reflection(_Answer):
    """Why a verdict was wrong, and what the principles lack."""

    error: Words
    suggestion: Words


class Proposal(_Answer):
    """New rules. Their number and length are checked by `Strategy`: too many are a refusal, not half an answer."""

    rules: Annotated[
        list[str],
        WithJsonSchema(
            {
                "type": "array",
                "items": {"type": "string", "minLength": 1, "maxLength": ASKED_RULE_CHARACTERS},
                "minItems": 1,
                "maxItems": MAX_RULES,
            }
        ),
    ]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """All prompts, as their files have them."""

    generator: Prompt
    detector: Prompt
    adviser: Prompt
    reflector: Prompt
    generator_rules: Prompt
    detector_rules: Prompt

    def versions(self) -> dict[str, str]:
        """For the record of a run."""
        return {field.name: getattr(self, field.name).version for field in dataclasses.fields(self)}


def load_prompts(folder: Path = FOLDER) -> Prompts:
    """The prompts of a folder, each in a file of its name.

    Raises:
        InvalidData: One is missing or not valid, or has no place for the rules where they belong.
    """
    prompts = Prompts(
        **{field.name: load_prompt(folder / f"{field.name}.yaml") for field in dataclasses.fields(Prompts)}
    )
    for prompt in (prompts.generator, prompts.detector):
        if RULES not in prompt.instructions:
            raise InvalidData(folder, f"the prompt {prompt.id} has no place {RULES}")
    return prompts


class Cast:
    """The roles. Those that follow rules are made anew for each strategy."""

    def __init__(self, prompts: Prompts) -> None:
        """Raises `shared.errors.InvalidData` where the answer of an example is not what the role answers."""
        self._prompts = prompts
        self.adviser = Role("adviser", prompts.adviser, Advice, max_tokens=ADVICE_TOKENS)
        self.reflector = Role("reflector", prompts.reflector, Reflection, max_tokens=2 * ADVICE_TOKENS)
        self.generator_rules = _optimizer("generator_rules", prompts.generator_rules)
        self.detector_rules = _optimizer("detector_rules", prompts.detector_rules)

    def generator(self, strategy: Strategy) -> Role[Written]:
        """Who writes by S_G."""
        prompt = _with_rules(self._prompts.generator, strategy)
        return Role("generator", prompt, Written, max_tokens=WRITTEN_TOKENS, temperature=GENERATOR_TEMPERATURE)

    def detector(self, strategy: Strategy) -> Role[Verdict]:
        """Who judges by S_D."""
        return Role("detector", _with_rules(self._prompts.detector, strategy), Verdict, max_tokens=VERDICT_TOKENS)

    def shown(self, strategies: Iterable[Strategies]) -> dict[str, Prompt]:
        """The fixed part of every prompt, by version, as it is shown with these strategies."""
        prompts = self._prompts
        shown = [prompts.adviser, prompts.reflector, prompts.generator_rules, prompts.detector_rules]
        for each in strategies:
            shown += [_with_rules(prompts.generator, each.generator), _with_rules(prompts.detector, each.detector)]
        return {prompt.version: prompt for prompt in shown}


def _optimizer(name: str, prompt: Prompt) -> Role[Proposal]:
    return Role(name, prompt, Proposal, max_tokens=PROPOSAL_TOKENS, temperature=PROPOSAL_TEMPERATURE)


def _with_rules(prompt: Prompt, strategy: Strategy) -> Prompt:
    return prompt.model_copy(update={"instructions": prompt.instructions.replace(RULES, strategy.numbered)})
