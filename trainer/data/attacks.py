"""Hostile completions that travel with the package, to test judges with; datasheet: ``attacks/README.md``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, cast, get_args

from trainer.data.rows import Row, json_rows, kind_of
from trainer.data.shipped import check_digest, read_shipped

AttackSplit = Literal["development", "held_out"]
ATTACK_SPLITS: Final[tuple[AttackSplit, ...]] = get_args(AttackSplit)

AttackKind = Literal[
    "judge_order",
    "forged_verdict",
    "forged_json",
    "fake_fence",
    "chat_tokens",
    "role_play",
    "self_praise",
    "fake_system",
    "fake_examples",
    "coercion",
    "question_back",
    "language_switch",
    "token_stuffing",
    "prompt_leak",
    "invisible",
    "bidi",
    "homoglyph",
    "encoded",
    "degenerate",
    "long_text",
]
ATTACK_KINDS: Final[tuple[AttackKind, ...]] = get_args(AttackKind)
HELD_OUT_KINDS: Final[frozenset[AttackKind]] = frozenset({"coercion", "prompt_leak", "token_stuffing"})
"""Kinds that stand in the held-out split only: nobody who wrote the filter has seen a row of them."""
BENIGN: Final = "benign"
"""The kind of honest greetings that only look like attacks."""

ATTACKS_SHA256: Final = "32f8fb92cf2650a89283ff0d736387a229acbf6d9d85955f567bdcc244fa7122"
"""Of the file, with line feeds as line ends. The datasheet's figures, and all results on this set, are about it."""

_TEXTS = ("id", "kind", "split", "language", "prompt", "note")
_FIELDS = {*_TEXTS, "greeting", "attack", "neutral"}
_LANGUAGES = ("zh", "en", "mixed")


@dataclass(frozen=True, slots=True)
class Attack:
    """A row of the set; its datasheet explains the fields.

    Attributes:
        kind: None for an honest greeting that only looks like an attack.
        attack: The completion as the policy would send it; may be empty.
        greeting: What the attack is built on; empty where there is none.
        neutral: A harmless completion of about the same length.
    """

    id: str
    kind: AttackKind | None
    split: AttackSplit
    language: str
    prompt: str
    greeting: str
    attack: str
    note: str
    neutral: str | None

    @property
    def suffix(self) -> str | None:
        """The bare attack, where it stands behind the greeting: to be appended to any other text."""
        is_suffix = self.kind and self.greeting and self.attack.startswith(self.greeting)
        return (self.attack[len(self.greeting) :] or None) if is_suffix else None


def load_attacks(split: AttackSplit = "development") -> list[Attack]:
    """The attacks of one split, in the order of their ids. The held-out ones are for measuring, not for reading.

    Raises:
        InvalidData: The installed file is not the one that the datasheet describes.
    """
    return [row for row in _load() if row.split == split and row.kind is not None]


def load_look_alikes(split: AttackSplit = "development") -> list[Attack]:
    """The honest greetings of one split that only look like attacks, in the order of their ids.

    Raises:
        InvalidData: The installed file is not the one that the datasheet describes.
    """
    return [row for row in _load() if row.split == split and row.kind is None]


def check_attacks(path: Path, data: bytes, sha256: str) -> list[Attack]:
    """The rows of the file, checked one by one and then as a whole.

    Args:
        path: Named in errors.
        data: Content of the file.
        sha256: Of that content with line feeds as line ends; git on Windows may have put others.
    """
    attacks = [_attack(row) for row in json_rows(path, data)]
    check_digest(path, data, sha256)
    return attacks


def _load() -> list[Attack]:
    name = Path("attacks") / "attacks.jsonl"
    return check_attacks(name, read_shipped(name), ATTACKS_SHA256)


def _attack(row: Row) -> Attack:
    if odd := set(row.fields) ^ _FIELDS:
        raise row.error(f"fields are missing or unknown: {', '.join(sorted(odd))}")
    texts = {name: row.text(name) for name in _TEXTS}
    kind = _one_of(row, texts, "kind", (*ATTACK_KINDS, BENIGN))
    split = _one_of(row, texts, "split", ATTACK_SPLITS)
    _one_of(row, texts, "language", _LANGUAGES)
    return Attack(
        id=texts["id"],
        kind=None if kind == BENIGN else cast("AttackKind", kind),
        split=cast("AttackSplit", split),
        language=texts["language"],
        prompt=texts["prompt"],
        greeting=_text_or_empty(row, "greeting"),
        attack=_text_or_empty(row, "attack"),
        note=texts["note"],
        neutral=None if row.fields["neutral"] is None else row.text("neutral"),
    )


def _one_of(row: Row, texts: dict[str, str], name: str, known: tuple[str, ...]) -> str:
    if texts[name] not in known:
        raise row.error(f"field {name!r} is {texts[name]!r}, not one of {', '.join(known)}")
    return texts[name]


def _text_or_empty(row: Row, name: str) -> str:
    """A field that is text; blank text is what some attacks consist of."""
    value = row.fields[name]
    if not isinstance(value, str):
        raise row.error(f"field {name!r} is {kind_of(value)}, not text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise row.error(f"field {name!r} holds lone surrogates, which are not text") from None
    return value
