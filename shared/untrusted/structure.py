"""Marks that end a quotation and begin something else: chat templates, tags, fences, objects, tables."""

from __future__ import annotations

import re
from typing import Final

from shared.untrusted.characters import flatten
from shared.untrusted.flags import Flag

_ROLES = (
    "human|assistant|user|system|model|developer|bot|ai|judge|grader"
    "|用户|助手|系统|模型|人类|评委|评审|裁判|管理员|开发者"
)
_ENDS = (
    "结束|开始|完毕|终|始|以上|以下|到此|正文|待评|候选|评审|评判|评分|判定|裁决|系统|原则"
    "|end|begin|start|stop|over|eof|text|prompt"
)
_OPEN, _CLOSE = r"[【〔\[《〈「『{]", r"[】〕\]》〉」』}]"
_INSIDE = r"[^】〕\]》〉」』}\n]{0,30}"

# Looked for in a text whose fullwidth and small signs are ASCII, without regard to case; ^ and $ are ends of lines. No
# pattern repeats what can match in two ways, and every run has a bound: all take linear time.
_BLOCKS: Final[dict[Flag, tuple[str, ...]]] = {
    "chat_tokens": (
        r"<\s{0,2}\|\s{0,2}[/a-z]",
        r"[a-z_▁]\s{0,2}\|\s{0,2}>",
        r"<{1,2}\s{0,2}/?(?:s|sys|bos|eos|pad|unk|sop|eop|eo[htm]|mask|sep|cls|think)\s{0,2}>",
        r"<{1,2}\s{0,2}/?(?:human|user|assistant|system|bot)\s{0,2}>",
        r"<[a-z]{2,9}_[a-z_0-9]{2,40}>|<0x[0-9a-f]{2}>|<unused\d{1,6}>",
        r"\[\s{0,2}/?\s{0,2}(?:inst|g?mask|cls|sep|bos|eos|pad|unk|sys\w{0,40})\s{0,2}\]",
        r"\[\s{0,2}/?\s{0,2}(?:user|assistant|tool\w{0,40}|available_tools)\s{0,2}\]",
        r"\]~[a-z!]|\[e~\[|\]<\]",
        rf"^[ \t#>*]{{0,8}}(?:{_ROLES})[ \t*]{{0,4}}[:：]",
        r"^#{1,6} {0,2}(?:instruction|response|input|output|question|answer)s?\b",
    ),
    "fake_fence": (
        r"</?[a-z][\w.:-]{0,40}(?:\s[^<>]{0,200})?/?>",
        r"<!--|-->|<!\[|\]\]>|<\?xml|\?>",
        r"```|~~~|\"{3}|'{3}|\$\$|\\0",
        r"^\s{0,3}#{1,6}\s{1,4}\S",
        r"^\s{0,3}([-=*_~#+])(?:\s?\1){2,}\s{0,3}$",
        r"[<>]{2}\s{0,2}[a-z_\u4e00-\u9fff]|[a-z_0-9\u4e00-\u9fff]\s{0,2}[<>]{2}",
        r"^\s{0,3}(?:eof|end)\s{0,3}$",
        r"\\(?:begin|end|boxed|text|fbox|section)\s{0,2}\{",
        rf"{_OPEN}\s{{0,2}}/?{_INSIDE}(?:{_ENDS}){_INSIDE}{_CLOSE}",
        r"(?:--|==|\*\*\*|__)\s{0,2}[^\n\-=*_]{1,30}(?:--|==|\*\*\*|__)",
    ),
    "forged_json": (
        r"[{\[,]\s{0,20}[\"'“]?[\w\u4e00-\u9fff ]{1,40}[\"'”]\s{0,4}:",
        r"[\"'”]\s{0,4}[}\]]{1,4}\s{0,4}(?:[,}\]]|$)",
        r"\{\s{0,4}[\"']?[a-z_]{2,30}[\"']?\s{0,4}:",
        r"^\s{0,3}\"?[a-z_]{2,30}\"?\s{0,2}[:=]\s{0,2}[\"'\[{]?(?:[\d.]{1,6}|true|yes|pass|good|null)\b",
        r"[{\[]\s{0,4}[}\]]|^---\s*\n|\bjson\b\s{0,2}[:：]",
    ),
    "fake_examples": (
        r"^\s{0,3}\|[^|\n]{0,80}\|",
        r"^\s{0,3}[qa]\s{0,2}\d{0,2}[:：]",
    ),
}
_COMPILED: Final = {
    flag: tuple(re.compile(pattern, re.IGNORECASE | re.MULTILINE) for pattern in patterns)
    for flag, patterns in _BLOCKS.items()
}

# Any sign that a chat template could take for its own, whatever the name within: "<" before a word, a bar or a slash,
# the bar's ">", a bracket before a word or a slash or after a word; the blank of SentencePiece.
_CONTROL: Final = re.compile(
    r"[<＜﹤](?=\s{0,2}(?:[<＜﹤|｜/／\\!?@$_＿▁\]A-Za-zＡ-Ｚａ-ｚ]|[0０][xXｘＸ]))"
    r"|(?<=[|｜_＿▁>＞﹥\[［])[>＞﹥]|(?<=[|｜_＿▁]\s)[>＞﹥]|(?<=--)[>＞﹥]"
    r"|[\[［](?=\s{0,2}[/／~<＜﹤A-Za-zＡ-Ｚａ-ｚ])|(?<=[A-Za-zＡ-Ｚａ-ｚ~])[\]］]|[\]］](?=[~<＜﹤>＞﹥])|▁"
)
# Quotation marks and brackets that Unicode's folding leaves alone, so that no tokenizer makes the old ones of them.
_NEUTRAL: Final = {
    **dict.fromkeys("<＜﹤", "‹"),
    **dict.fromkeys(">＞﹥", "›"),
    **dict.fromkeys("[［", "〔"),
    **dict.fromkeys("]］", "〕"),
    "▁": "_",
}


def block(text: str) -> tuple[int | None, set[Flag]]:
    """Where the first block begins that is no part of a greeting, if there is one, and the kinds of all."""
    flat = flatten(text)
    found = [
        (match.start(), flag)
        for flag, patterns in _COMPILED.items()
        for pattern in patterns
        if (match := pattern.search(flat))
    ]
    return min((start for start, _ in found), default=None), {flag for _, flag in found}


def neutralise(text: str) -> str:
    """The text without signs that could open or close a control token of any chat template."""
    return _CONTROL.sub(lambda match: _NEUTRAL[match[0]], text)
