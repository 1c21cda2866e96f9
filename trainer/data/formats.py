"""Loading pairs, examples and prompts from the starter set and from files in the formats that others publish.

A source is ``starter`` (its train split), ``starter:train``, ``starter:validation``, ``starter:test``, or a path (a
file that is really called so is ``./starter``); for examples also ``starter:warm-up`` (`trainer.data.warm_up`). What a
file holds is seen from its content and ending:

    LLaMA-Factory ranking   conversations, chosen, rejected: turns of {from, value}      pairs, examples, prompts
    JSON pairs              prompt, chosen, rejected                                     pairs, examples, prompts
    Alpaca                  instruction, input, output                                   examples, prompts
    JSON examples           prompt, completion                                           examples, prompts
    labelled responses      query, response, label (0 or 1)                              examples, prompts
    JSON prompts            prompt                                                       prompts
    verl parquet            prompt: a list of one turn of {role, content}                prompts
    text (.txt)             one prompt a line                                            prompts

JSON may be a list or one object a line; fields not named here are ignored. Texts are taken as they lie. Of a pair the
chosen completion makes an example, of labelled responses those with label 1.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from shared.errors import InvalidData
from trainer.data.records import Example, Label, Loaded, PreferencePair, Skipped
from trainer.data.rows import PARQUET_MAGIC, Row, json_rows, parquet_rows, read_file, text_rows
from trainer.data.starter import SPLITS, Split, load_starter
from trainer.data.warm_up import warm_up_examples

WARM_UP = "starter:warm-up"
PROMPT_PREFIX = "请只生成一条祝福语："
"""Stands before every prompt of the paper's verl files; the request itself is what follows."""

SAME_TEXT = "chosen and rejected are the same text"
LABEL_ZERO = "label 0: no example to learn from"

_HUMAN = ("human", "user")
MODEL_ROLES = ("gpt", "assistant")
_CONTEXT_FIELDS = ("system", "history", "tools")
"""LLaMA-Factory's further columns; a prompt here has no place for them."""

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class Format:
    """What the rows of a file are, and what can be made of one; None where it cannot."""

    name: str
    prompt: Callable[[Row], str]
    example: Callable[[Row], Example | Skipped] | None = None
    pair: Callable[[Row], PreferencePair | Skipped] | None = None


def load_pairs(source: str | Path) -> Loaded[PreferencePair]:
    """All preference pairs of a source.

    A row whose two completions are the same text (the paper's files hold six) prefers nothing and is skipped.

    Raises:
        InvalidData: The source is not there, is broken, or holds no pairs.
    """
    if (split := starter_split(source)) is not None:
        return Loaded([row.pair for row in load_starter(split)], [])
    form, rows = open_source(Path(source))
    return _collect(source, "preference pairs", form, form.pair, rows)


def load_examples(source: str | Path) -> Loaded[Example]:
    """All (prompt, completion) of a source that a policy may imitate; skips what `load_pairs` skips, and label 0.

    Raises:
        InvalidData: The source is not there, is broken, or holds no examples.
    """
    if source == WARM_UP:
        return Loaded(warm_up_examples(load_starter("train"), seed=0), [])
    if (split := starter_split(source)) is not None:
        return Loaded([Example(row.prompt, row.chosen) for row in load_starter(split)], [])
    form, rows = open_source(Path(source))
    return _collect(source, "examples", form, form.example, rows)


def load_prompts(source: str | Path, *, strip_prefix: bool = True) -> Loaded[str]:
    """The prompt of every row of a source, in order; prompts that stand there twice come twice.

    Args:
        source: See the module.
        strip_prefix: Take `PROMPT_PREFIX` off where a prompt begins with it.

    Raises:
        InvalidData: The source is not there, is broken, or holds no prompts.
    """
    if (split := starter_split(source)) is not None:
        return Loaded([row.prompt for row in load_starter(split)], [])
    form, rows = open_source(Path(source))

    def prompt(row: Row) -> str:
        text = form.prompt(row)
        stripped = text.removeprefix(PROMPT_PREFIX) if strip_prefix else text
        if not stripped.strip():
            raise row.error(f"nothing follows {PROMPT_PREFIX!r} in the prompt")
        return stripped

    return _collect(source, "prompts", form, prompt, rows)


def starter_split(source: str | Path) -> Split | None:
    """Which split of the starter set a source names; None where it is a file."""
    if isinstance(source, Path):
        return None
    kind, colon, name = source.partition(":")
    if kind != "starter":
        return None
    if not colon:
        return "train"
    for split in SPLITS:
        if split == name:
            return split
    raise InvalidData(source, f"the starter set has no such split; it has {', '.join(SPLITS)}")


def open_source(path: Path) -> tuple[Format, Iterable[Row]]:
    """The format of a file and its rows, not yet looked at.

    Raises:
        InvalidData: The file is not there, or is none of the formats.
    """
    data = read_file(path)
    ending = path.suffix.lower()
    if ending == ".parquet" or data.startswith(PARQUET_MAGIC):
        return VERL, parquet_rows(path, data, "prompt")
    if ending == ".txt":
        return LINES, text_rows(path, data)
    if ending not in {".json", ".jsonl", ".ndjson"} and data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in {b"[", b"{"}:
        raise InvalidData(path, "is neither JSON, JSON lines, parquet nor a .txt file")
    rows = json_rows(path, data)
    first = next(rows, None)
    if first is None:
        raise InvalidData(path, "holds no rows")
    return format_of(first), itertools.chain([first], rows)


def format_of(row: Row) -> Format:
    """The format whose fields are all there, else the one that lacks some: its own error will name them."""
    for fields, form in _FORMATS:
        if fields <= row.fields.keys():
            return form
    for fields, form in _FORMATS:
        if (fields - {"prompt"}) & row.fields.keys():
            return form
    if "prompt" in row.fields:
        return PROMPTS
    known = "; ".join(form.name for _, form in _FORMATS)
    raise row.error(f"its fields ({', '.join(row.fields) or 'none'}) are those of no known format: {known}")


def _collect(
    source: str | Path,
    what: str,
    form: Format,
    make: Callable[[Row], Record | Skipped] | None,
    rows: Iterable[Row],
) -> Loaded[Record]:
    if make is None:
        raise InvalidData(source, f"holds {form.name}; {what} cannot be made of that")
    loaded: Loaded[Record] = Loaded([], [])
    for row in rows:
        made = make(row)
        if isinstance(made, Skipped):
            loaded.skipped.append(made)
        else:
            loaded.records.append(made)
    if not loaded.records:
        raise InvalidData(source, f"holds no {what}: {loaded.summary() if loaded.skipped else 'it has no rows'}")
    return loaded


def _preference(row: Row, prompt: str, chosen: str, rejected: str) -> PreferencePair | Skipped:
    return Skipped(row.number, SAME_TEXT) if chosen == rejected else PreferencePair(prompt, chosen, rejected)


def _chosen_of(pair: Callable[[Row], PreferencePair | Skipped]) -> Callable[[Row], Example | Skipped]:
    def example(row: Row) -> Example | Skipped:
        made = pair(row)
        return made if isinstance(made, Skipped) else Example(made.prompt, made.chosen)

    return example


def _ranking_prompt(row: Row) -> str:
    _has_no_context(row)
    return row.only_turn("conversations", "from", "value", _HUMAN)


def _ranking_pair(row: Row) -> PreferencePair | Skipped:
    return _preference(row, _ranking_prompt(row), row.turn("chosen", MODEL_ROLES), row.turn("rejected", MODEL_ROLES))


def _plain_pair(row: Row) -> PreferencePair | Skipped:
    return _preference(row, row.text("prompt"), row.text("chosen"), row.text("rejected"))


def _alpaca_prompt(row: Row) -> str:
    _has_no_context(row)
    instruction = row.text("instruction")
    # As LLaMA-Factory joins them; most files leave the input empty, or out.
    return instruction if row.fields.get("input", "") == "" else f"{instruction}\n{row.text('input')}"


def label_of(row: Row) -> Label:
    """The label of a labelled response."""
    label = row.fields.get("label")
    if isinstance(label, bool) or label not in (0, 1):
        raise row.error("field 'label' is missing or neither 0 nor 1")
    return 1 if label == 1 else 0


def _labelled_prompt(row: Row) -> str:
    label_of(row)
    return row.text("query")


def _labelled_example(row: Row) -> Example | Skipped:
    example = Example(row.text("query"), row.text("response"))
    return example if label_of(row) else Skipped(row.number, LABEL_ZERO)


def _has_no_context(row: Row) -> None:
    for name in _CONTEXT_FIELDS:
        if row.fields.get(name):
            raise row.error(f"field {name!r} is set; it would be lost, a prompt is the request alone")


RANKING = Format("LLaMA-Factory ranking rows", _ranking_prompt, _chosen_of(_ranking_pair), _ranking_pair)
PAIRS = Format(
    "rows of prompt, chosen and rejected", lambda row: row.text("prompt"), _chosen_of(_plain_pair), _plain_pair
)
ALPACA = Format("Alpaca rows", _alpaca_prompt, lambda row: Example(_alpaca_prompt(row), row.text("output")))
EXAMPLES = Format(
    "rows of prompt and completion",
    lambda row: row.text("prompt"),
    lambda row: Example(row.text("prompt"), row.text("completion")),
)
LABELLED = Format("rows of query, response and label", _labelled_prompt, _labelled_example)
PROMPTS = Format("rows of prompts", lambda row: row.text("prompt"))
VERL = Format("verl prompts", lambda row: row.only_turn("prompt", "role", "content", ("user",)))
LINES = Format("lines of prompts", lambda row: row.text("prompt"))

_FORMATS: list[tuple[Set[str], Format]] = [
    ({"conversations", "chosen", "rejected"}, RANKING),
    ({"prompt", "chosen", "rejected"}, PAIRS),
    ({"prompt", "completion"}, EXAMPLES),
    ({"query", "response", "label"}, LABELLED),
    ({"instruction", "output"}, ALPACA),
]
"""The first row tells the format; every other row must be alike."""
