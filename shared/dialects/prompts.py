"""Telling prompt and completion apart in what trainers send."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import JsonValue

from shared.dialects.chat_markup import answered_in, asked_in, split_conversation
from shared.errors import PromptUnknown

TAIL_CHARACTERS: Final = 16
"""So much of the end of a prompt must be found in a query that lost the prompt's beginning."""
MAX_PLACES: Final = 8
TEXT_PARTS: Final = ("text", "input_text", "output_text")


def split_query(query: str, prompt: str | None) -> tuple[str, str]:
    """Prompt and completion of a text that holds both.

    Args:
        query: What the policy read and wrote, joined.
        prompt: What it was given, where the trainer says; then the border is known, whatever the policy wrote. A
            trainer cuts a prompt that is too long at its beginning, so the query may begin inside it.

    Raises:
        PromptUnknown: The query does not begin with the prompt; or there is none, and no marks of a chat template.
    """
    if prompt is None:
        both = split_conversation(query)
        if both is None:
            raise PromptUnknown("one text without prompt, and without marks of a chat template that is known here")
        return _told(both[0]), both[1]
    # Some tokenizers compose characters; then the trainer decodes another spelling of its prompt.
    ends = [_end_of_prompt(query, spelling) for spelling in (prompt, unicodedata.normalize("NFC", prompt))]
    begins = next((end for end in ends if end is not None), None)
    if begins is None:
        raise PromptUnknown("the query does not begin with its prompt, nor with the end of it")
    return _told(asked_in(prompt)), answered_in(query[begins:])


def prompt_of(value: JsonValue) -> str:
    """The prompt that a text or a list of messages is: the last message of the user, as in training by TRL.

    Raises:
        PromptUnknown: There is none.
    """
    if isinstance(value, str):
        return _told(asked_in(value))
    return _told(_last_message(value, "user") or "")


def completion_of(value: JsonValue) -> str | None:
    """The last message of the assistant in a list of messages; None where there is none."""
    text = _last_message(value, "assistant")
    return None if text is None else answered_in(text)


def split_messages(messages: Sequence[JsonValue]) -> tuple[str, str]:
    """Prompt and completion of a conversation whose last message is the completion.

    Raises:
        PromptUnknown: The last message is not the assistant's, or none of the user's comes before it.
    """
    *before, last = messages or [None]
    completion = completion_of([last])
    if completion is None:
        raise PromptUnknown("the last message is not the assistant's")
    return prompt_of(before), completion


def text_of(content: JsonValue) -> str:
    """The words of a message's content: a text, or a list of parts, of which those that are text count."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [part for part in content if isinstance(part, Mapping) and part.get("type") in TEXT_PARTS]
    return "".join(str(part.get("text") or "") for part in parts)


def _last_message(value: JsonValue, role: str) -> str | None:
    messages = value if isinstance(value, list) else []
    found = [each for each in messages if isinstance(each, Mapping) and each.get("role") == role]
    return text_of(found[-1].get("content")) if found else None


def _told(prompt: str) -> str:
    if not prompt.strip():
        raise PromptUnknown("the prompt is empty")
    return prompt


def _end_of_prompt(query: str, prompt: str) -> int | None:
    """Where the completion begins in a query that begins with its prompt, or with the end of it."""
    if query.startswith(prompt):
        return len(prompt)
    tail = prompt[-TAIL_CHARACTERS:]
    if len(tail) < TAIL_CHARACTERS:
        return None
    at = query.find(tail)
    for _ in range(MAX_PLACES):
        if at < 0:
            return None
        end = at + len(tail)
        if end <= len(prompt) and prompt.endswith(query[:end]):
            return end
        at = query.find(tail, at + 1)
    return None
