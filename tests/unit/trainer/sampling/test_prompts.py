"""Reading the prompts of a bulk run: a faulty row is named and left out, a repeated one is asked once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.errors import InvalidData
from trainer.data.formats import PROMPT_PREFIX, load_prompts
from trainer.sampling.prompts import Prompt, read_prompts

FAULTY_LINES = [
    (b"{oops", "not JSON: Expecting property name enclosed in double quotes at column 2"),
    (b'"a text"', "a row must be an object, this one is text"),
    (b"[1]", "a row must be an object, this one is a list"),
    (b'[{"prompt": "in a list"}]', "a row must be an object, this one is a list"),
    (b'{"prompt": 1}', "field 'prompt' is a number, not text"),
    (b'{"prompt": " "}', "field 'prompt' is empty"),
    (b'{"other": "x"}', "field 'prompt' is missing"),
    (b'{"prompt": "a", "prompt": "b"}', "not JSON: field 'prompt' stands twice"),
    (b'{"prompt": "a"} {"prompt": "b"}', "not one JSON object a line: more follows in column 16"),
    (b'{"prompt": "\xff"}', "is not UTF-8: byte 13 of the line"),
    (b'{"prompt": "\\ud83c"}', "field 'prompt' holds lone surrogates, which are not text"),
]


def written(folder: Path, name: str, *lines: bytes) -> str:
    path = folder / name
    path.write_bytes(b"\n".join(lines) + b"\n")
    return str(path)


def row(prompt: str) -> bytes:
    return json.dumps({"prompt": prompt}, ensure_ascii=False).encode()


@pytest.mark.parametrize(("line", "reason"), FAULTY_LINES)
def test_a_faulty_line_is_left_out_with_its_reason_and_the_rest_is_asked(
    tmp_path: Path, line: bytes, reason: str
) -> None:
    read = read_prompts(written(tmp_path, "prompts.jsonl", row("给外婆"), line, row("给爷爷")))
    assert read.asked == [Prompt(1, "给外婆"), Prompt(3, "给爷爷")]
    assert [(skipped.row, skipped.reason) for skipped in read.skipped] == [(2, reason)]
    left_out = read.left_out()
    assert left_out is not None
    assert left_out.startswith("2 of 3 rows; 1 left out, ")


def test_faulty_lines_before_the_first_good_one_do_not_hide_the_format(tmp_path: Path) -> None:
    read = read_prompts(written(tmp_path, "p.jsonl", b"{", b'{"x": 1}', b'{"query": "q", "response": "r", "label": 1}'))
    assert read.asked == [Prompt(3, "q")]
    assert [skipped.row for skipped in read.skipped] == [1, 2]


def test_a_repeated_prompt_is_asked_once_and_said(tmp_path: Path) -> None:
    read = read_prompts(written(tmp_path, "p.jsonl", row("甲"), row("乙"), row("甲"), row("甲")))
    assert [prompt.id for prompt in read.asked] == ["row-1", "row-2"]
    assert [(repeated.row, repeated.reason) for repeated in read.repeated] == [
        (3, "asks what row 1 asks"),
        (4, "asks what row 1 asks"),
    ]


def test_a_text_file_has_a_prompt_a_line(tmp_path: Path) -> None:
    read = read_prompts(written(tmp_path, "p.txt", "\ufeff甲".encode(), b"", "　".encode(), b"\xff", b"[1]\r"))
    assert read.asked == [Prompt(1, "甲"), Prompt(5, "[1]")]
    assert [skipped.row for skipped in read.skipped] == [4]


def test_a_list_goes_on_behind_an_element_without_a_prompt(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps([{"prompt": "甲"}, {"no": 1}, {"prompt": "乙"}]))
    read = read_prompts(str(path))
    assert read.asked == [Prompt(1, "甲"), Prompt(3, "乙")]
    assert [(skipped.row, skipped.reason) for skipped in read.skipped] == [(2, "field 'prompt' is missing")]


def test_the_papers_prefix_is_taken_off(tmp_path: Path) -> None:
    read = read_prompts(written(tmp_path, "p.jsonl", row(PROMPT_PREFIX + "给外婆"), row(PROMPT_PREFIX)))
    assert read.asked == [Prompt(1, "给外婆")]
    assert [skipped.row for skipped in read.skipped] == [2]


def test_a_table_is_read_too(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    turns = [[{"role": "user", "content": text}] for text in ("甲", " ", "乙")]
    pq.write_table(pa.table({"prompt": turns}), tmp_path / "p.parquet")
    read = read_prompts(str(tmp_path / "p.parquet"))
    assert read.asked == [Prompt(1, "甲"), Prompt(3, "乙")]
    assert len(read.skipped) == 1


def test_the_starter_set_is_a_source() -> None:
    texts = list(dict.fromkeys(load_prompts("starter:train").records))
    read = read_prompts("starter:train")
    assert [prompt.text for prompt in read.asked] == texts
    assert read.skipped == []


def test_of_a_good_file_the_same_prompts_are_read_as_in_training(tmp_path: Path) -> None:
    path = written(tmp_path, "p.jsonl", row("甲\u2028乙"), b"", row(" 丙 "))
    assert [prompt.text for prompt in read_prompts(path).asked] == load_prompts(path).records


def test_a_limit_counts_distinct_prompts(tmp_path: Path) -> None:
    read = read_prompts(written(tmp_path, "p.jsonl", row("甲"), row("甲"), b"{", row("乙"), row("丙")), limit=2)
    assert [prompt.text for prompt in read.asked] == ["甲", "乙"]


def test_the_digest_tells_other_prompts_and_other_rows_apart(tmp_path: Path) -> None:
    digests = {
        read_prompts(written(tmp_path, f"{number}.jsonl", *lines)).sha256
        for number, lines in enumerate([[row("甲"), row("乙")], [row("乙"), row("甲")], [row("甲")], [b"{", row("甲")]])
    }
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("p.jsonl", b"{\n[\n", "holds no prompts: 0 of 2 rows; 1 left out, not JSON"),
        ("p.json", b'[{"prompt": "a"} {', "not JSON: ',' or ']' expected"),
        ("p.csv", b"prompt\na\n", "is neither JSON, JSON lines, parquet nor a .txt file"),
        ("p.txt", b" \n", "is empty"),
    ],
)
def test_a_file_that_holds_no_prompts_is_an_error(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidData) as raised:
        read_prompts(str(tmp_path / name))
    assert says in raised.value.detail


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="there is no such file"):
        read_prompts(str(tmp_path / "none.jsonl"))
    with pytest.raises(InvalidData, match="no such split"):
        read_prompts("starter:tset")
