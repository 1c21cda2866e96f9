"""What can be wrong with a text that a judge is to read."""

from __future__ import annotations

from typing import Final, Literal, get_args

Flag = Literal[
    "bidi",  # characters that turn the direction of writing
    "chat_tokens",  # control tokens or role labels of a chat template
    "coercion",  # threats and bribes
    "degenerate",  # empty, blank, a single token, no words
    "encoded",  # base64, hexadecimal, Morse, pinyin, backwards, acrostics … or word of such
    "fake_examples",  # samples of judging, tables
    "fake_fence",  # marks that end a quotation: tags, code fences, headings, rules
    "fake_system",  # notices, policies, talk of rules, models and modes
    "forged_json",  # objects, arrays, keys and values
    "forged_verdict",  # scores and verdicts as if given
    "homoglyph",  # letters that only look like the ones they stand for
    "invisible",  # characters that take no room, control characters, private use
    "judge_order",  # orders, or speaking to whoever judges
    "language_switch",  # a passage in a language that a Chinese greeting has no use for
    "long_text",  # too long for a greeting
    "prompt_leak",  # asks for what else stands in the prompt
    "question_back",  # questions to the judge
    "role_play",  # a part for the judge to play
    "self_praise",  # praise of the text as a text
    "token_stuffing",  # one word, sentence or sign over and over
]
FLAGS: Final[tuple[Flag, ...]] = get_args(Flag)
