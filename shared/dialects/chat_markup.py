"""Text that a chat template has made of messages: what was asked in it, and what was answered.

Trainers send the text that the policy read and wrote, with the marks of its chat template. A reward wants the words
alone, and marks in a text under judgement look like an attack. The marks of common templates are known here; a text
without any is taken as it is.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Final


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Markup:
    """The marks of one family of chat templates."""

    user: re.Pattern[str]
    """Before a message of the user."""
    assistant: re.Pattern[str]
    """Before a message of the assistant."""
    ends: tuple[str, ...]
    """Behind a message."""


MARKUPS: Final = (
    Markup(  # Qwen and many others (ChatML)
        user=re.compile(r"<\|im_start\|>user\n"),
        assistant=re.compile(r"<\|im_start\|>assistant\n"),
        ends=("<|im_end|>",),
    ),
    Markup(  # Gemma 2 and 3
        user=re.compile(r"<start_of_turn>user\n"),
        assistant=re.compile(r"<start_of_turn>model\n"),
        ends=("<end_of_turn>",),
    ),
    Markup(  # Llama 3
        user=re.compile(r"<\|start_header_id\|>user<\|end_header_id\|>\n\n"),
        assistant=re.compile(r"<\|start_header_id\|>assistant<\|end_header_id\|>\n\n"),
        ends=("<|eot_id|>",),
    ),
    Markup(  # Mistral
        user=re.compile(r"\[INST\] ?"),
        assistant=re.compile(r" ?\[/INST\] ?"),
        ends=("</s>",),
    ),
    Markup(  # DeepSeek
        user=re.compile("<｜User｜>"),
        assistant=re.compile("<｜Assistant｜>"),
        ends=("<｜end▁of▁sentence｜>",),
    ),
    Markup(  # Zephyr, Phi and GLM
        user=re.compile(r"<\|user\|>\n?"),
        assistant=re.compile(r"<\|assistant\|>\n?"),
        ends=("<|end|>", "</s>", "<|endoftext|>"),
    ),
)
ENDS_OF_TEXT: Final = ("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>")
"""What a model may write when it is done, whatever its template."""
_NO_THOUGHTS: Final = re.compile(r"\s*<think>\s*</think>\s*")
"""Qwen's templates write it where thinking is switched off."""


def asked_in(text: str) -> str:
    """The last message of the user in the text that a policy was given; the text itself where it has no marks."""
    markup = _markup_of(text)
    if markup is None:
        return text
    rest = text[list(markup.user.finditer(text))[-1].end() :]
    answer = markup.assistant.search(rest)
    return _without_end(rest[: answer.start()] if answer else rest, markup.ends)


def answered_in(text: str) -> str:
    """What a policy wrote, without the mark by which it said that it was done."""
    ends = tuple(end for markup in MARKUPS for end in markup.ends) + ENDS_OF_TEXT
    thoughtless = _NO_THOUGHTS.match(text)
    return _without_end(text[thoughtless.end() :] if thoughtless else text, ends)


def split_conversation(text: str) -> tuple[str, str] | None:
    """Question and answer of a whole conversation in one text; None where no marks tell them apart.

    The answer begins at the first mark of the assistant and goes to the end. A policy can write marks, too: were the
    last one the border, it could make up a question of its own, and an answer to it. So a conversation with several
    answers cannot be scored in this form.
    """
    markup = _markup_of(text)
    answer = markup and markup.assistant.search(text)
    if not answer:
        return None
    return asked_in(text[: answer.start()]), answered_in(text[answer.end() :])


def _markup_of(text: str) -> Markup | None:
    """The template whose user speaks first: what comes first was not written by a policy."""
    openings = [(opening.start(), number) for number, each in enumerate(MARKUPS) if (opening := each.user.search(text))]
    return MARKUPS[min(openings)[1]] if openings else None


def _without_end(text: str, ends: tuple[str, ...]) -> str:
    """Without marks at its end, and without the blanks before and behind them."""
    end = len(text)
    while True:
        bare = end
        while bare and text[bare - 1].isspace():
            bare -= 1
        mark = next((each for each in ends if text.endswith(each, 0, bare)), None)
        if mark is None:
            return text if end == len(text) else text[:bare]
        end = bare - len(mark)  # nothing is copied meanwhile: there may be very many marks
