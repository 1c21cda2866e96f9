from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidData
from trainer.data.formats import LABEL_ZERO, PROMPT_PREFIX, SAME_TEXT, load_examples, load_pairs, load_prompts
from trainer.data.records import Example, PreferencePair, Skipped
from trainer.data.starter import load_starter

PROMPT, GOOD, BAD = "给楼上新搬来的小两口", "楼道里添了两双拖鞋，热闹！常来坐。", "祝二老福寿安康。"
LOADERS: list[Callable[[str], object]] = [load_pairs, load_examples, load_prompts]
Rows = list[Any]


def ranking(
    prompt: object = PROMPT, chosen: object = GOOD, rejected: object = BAD, **more: object
) -> dict[str, object]:
    return {
        "conversations": [{"from": "human", "value": prompt}],
        "chosen": {"from": "gpt", "value": chosen},
        "rejected": {"from": "gpt", "value": rejected},
        **more,
    }


def pair(prompt: object = PROMPT, chosen: object = GOOD, rejected: object = BAD) -> dict[str, object]:
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def alpaca(instruction: object = PROMPT, output: object = GOOD, **more: object) -> dict[str, object]:
    return {"instruction": instruction, "input": "", "output": output, **more}


def example(prompt: object = PROMPT, completion: object = GOOD) -> dict[str, object]:
    return {"prompt": prompt, "completion": completion}


def labelled(query: object = PROMPT, response: object = GOOD, label: object = 1) -> dict[str, object]:
    return {"query": query, "response": response, "label": label}


def as_list(rows: Rows) -> str:
    return json.dumps(rows, ensure_ascii=False, indent=1)


def as_lines(rows: Rows) -> str:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)


CONTAINERS = pytest.mark.parametrize("contain", [as_list, as_lines])


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., str]:
    def write(content: str | bytes, name: str = "贺词.json") -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


Save = Callable[..., str]


def save_verl(path: Path, prompts: Rows) -> str:
    pq.write_table(pa.table({"prompt": prompts, "ability": ["text_generation"] * len(prompts)}), path)
    return str(path)


def turn(content: object, role: str = "user") -> dict[str, object]:
    return {"role": role, "content": content}


@CONTAINERS
@pytest.mark.parametrize("row", [ranking(), pair()])
def test_pairs_give_pairs_examples_and_prompts(save: Save, contain: Callable[[Rows], str], row: object) -> None:
    source = save(contain([row, row]))
    assert load_pairs(source).records == [PreferencePair(PROMPT, GOOD, BAD)] * 2
    assert load_examples(source).records == [Example(PROMPT, GOOD)] * 2
    assert load_prompts(source).records == [PROMPT] * 2


@CONTAINERS
@pytest.mark.parametrize("row", [alpaca(), example(), labelled()])
def test_examples_give_examples_and_prompts_but_no_pairs(
    save: Save, contain: Callable[[Rows], str], row: object
) -> None:
    source = save(contain([row]))
    assert load_examples(source).records == [Example(PROMPT, GOOD)]
    assert load_prompts(source).records == [PROMPT]
    with pytest.raises(InvalidData, match="preference pairs cannot be made of that"):
        load_pairs(source)


@pytest.mark.parametrize("load", [load_pairs, load_examples])
def test_prompts_give_prompts_only(save: Save, tmp_path: Path, load: Callable[[str], object]) -> None:
    sources = [
        save(f"{PROMPT}\n", "问.txt"),
        save(as_lines([{"prompt": PROMPT}]), "问.jsonl"),
        save_verl(tmp_path / "问.parquet", [[turn(PROMPT)]]),
    ]
    for source in sources:
        assert load_prompts(source).records == [PROMPT]
        with pytest.raises(InvalidData, match="cannot be made of that"):
            load(source)


def test_the_content_tells_the_format_whatever_the_ending(save: Save, tmp_path: Path) -> None:
    assert load_prompts(save(as_list([alpaca()]), "甲.jsonl")).records == [PROMPT]
    assert load_prompts(save(as_lines([labelled()]), "乙.json")).records == [PROMPT]
    assert load_prompts(save(as_lines([pair()]), "丙")).records == [PROMPT]
    assert load_prompts(save_verl(tmp_path / "丁.bin", [[turn(PROMPT)]])).records == [PROMPT]


def test_a_byte_order_mark_windows_line_ends_and_empty_lines_do_no_harm(save: Save) -> None:
    source = save(b"\xef\xbb\xbf" + as_lines([pair(), pair()]).replace("\n", "\r\n\r\n").encode() + b"\r\n")
    assert len(load_pairs(source).records) == 2
    assert load_prompts(save(b"\xef\xbb\xbf\xe7\x94\xb2\r\n\r\n\xe4\xb9\x99\r\n", "问.txt")).records == ["甲", "乙"]


def test_only_line_feeds_end_a_line(save: Save) -> None:
    text = "一\u2028二\x85三\x0b四"
    assert load_prompts(save(f"{text}\n五", "问.txt")).records == [text, "五"]
    assert load_prompts(save(as_lines([{"prompt": text}]))).records == [text]


def test_an_alpaca_input_follows_the_instruction_on_a_line_of_its_own(save: Save) -> None:
    rows = [alpaca(input="她属兔"), {"instruction": PROMPT, "output": GOOD}]
    assert load_prompts(save(as_list(rows))).records == [f"{PROMPT}\n她属兔", PROMPT]


def test_the_papers_prefix_comes_off_where_it_stands_unless_asked_not_to(tmp_path: Path) -> None:
    prompts = [f"{PROMPT_PREFIX}{PROMPT}", PROMPT, f"请问{PROMPT_PREFIX}"]
    source = save_verl(tmp_path / "问.parquet", [[turn(prompt)] for prompt in prompts])
    assert load_prompts(source).records == [PROMPT, PROMPT, prompts[2]]
    assert load_prompts(source, strip_prefix=False).records == prompts


def test_a_prefix_with_nothing_behind_it_is_no_prompt(save: Save) -> None:
    with pytest.raises(InvalidData, match="row 2: nothing follows"):
        load_prompts(save(f"{PROMPT}\n{PROMPT_PREFIX} \n", "问.txt"))


@pytest.mark.parametrize("row", [ranking, pair])
def test_a_pair_of_equal_texts_is_left_out_and_told(save: Save, row: Callable[..., dict[str, object]]) -> None:
    source = save(as_list([row(), row(rejected=GOOD), row()]))
    pairs = load_pairs(source)
    assert (len(pairs.records), pairs.skipped) == (2, [Skipped(2, SAME_TEXT)])
    assert load_examples(source).skipped == [Skipped(2, SAME_TEXT)]
    assert len(load_prompts(source).records) == 3


def test_a_response_with_label_zero_is_no_example_and_told(save: Save) -> None:
    source = save(as_lines([labelled(label=0), labelled()]))
    examples = load_examples(source)
    assert (len(examples.records), examples.skipped) == (1, [Skipped(1, LABEL_ZERO)])
    assert len(load_prompts(source).records) == 2


def test_a_file_of_which_nothing_can_be_used_is_an_error(save: Save) -> None:
    with pytest.raises(InvalidData, match=r"no examples: 0 of 2 rows; 2 left out, label 0.* \(rows 1, 2\)"):
        load_examples(save(as_lines([labelled(label=0)] * 2)))


@pytest.mark.parametrize("contain", [as_list, as_lines])
@pytest.mark.parametrize(
    ("row", "detail"),
    [
        ({"prompt": PROMPT, "chosen": GOOD}, "field 'rejected' is missing"),
        (pair(chosen=""), "field 'chosen' is empty"),
        (pair(chosen=" \n"), "field 'chosen' is empty"),
        (pair(rejected=None), "field 'rejected' is null, not text"),
        (pair(rejected=[BAD]), "field 'rejected' is a list, not text"),
        (pair(prompt=3.5), "field 'prompt' is a number, not text"),
        (pair(prompt=True), "field 'prompt' is true or false, not text"),
        ([PROMPT], "a row must be an object, this one is a list"),
        ("问", "a row must be an object, this one is text"),
        (None, "a row must be an object, this one is null"),
    ],
)
def test_a_bad_field_is_named_with_file_and_row(
    save: Save, contain: Callable[[Rows], str], row: object, detail: str
) -> None:
    source = save(contain([pair(), row, pair()]))
    with pytest.raises(InvalidData) as caught:
        load_pairs(source)
    assert str(caught.value) == f"{source}, row 2: {detail}"
    assert (caught.value.path, caught.value.row) == (source, 2)


@pytest.mark.parametrize(
    ("row", "detail"),
    [
        (ranking(prompt=""), "'value' in the turn in field 'conversations' is empty"),
        (ranking(chosen=7), "'value' in field 'chosen' is a number, not text"),
        (ranking(conversations=[]), "field 'conversations' has 0 turns"),
        (ranking(conversations=[{"from": "human", "value": "早"}] * 3), "field 'conversations' has 3 turns"),
        (ranking(conversations=PROMPT), "field 'conversations' is text, not a list of turns"),
        (ranking(conversations=[PROMPT]), "the turn in field 'conversations' is text, not an object"),
        (ranking(conversations=[{"from": "gpt", "value": "早"}]), "is not from human or user"),
        (ranking(conversations=[{"from": ["human"], "value": "早"}]), "is not from human or user"),
        (ranking(conversations=[{"value": "早"}]), "has no 'from'"),
        (ranking(rejected="晚", chosen="早") | {"rejected": "晚"}, "field 'rejected' is text, not an object"),
        (ranking() | {"chosen": {"from": "human", "value": GOOD}}, "field 'chosen' is not from gpt or assistant"),
        (ranking() | {"chosen": {"from": "gpt"}}, "field 'chosen' has no 'value'"),
        (ranking(system="你是诗人"), "field 'system' is set"),
    ],
)
def test_a_ranking_row_is_checked_turn_by_turn(save: Save, row: object, detail: str) -> None:
    with pytest.raises(InvalidData, match=detail) as caught:
        load_pairs(save(as_list([ranking(), row])))
    assert caught.value.row == 2


@pytest.mark.parametrize("label", [None, 2, -1, 0.5, "1", True, False, [1], {}])
def test_a_label_is_zero_or_one_and_nothing_else(save: Save, label: object) -> None:
    source = save(as_lines([labelled(), labelled(label=label)]))
    for load in (load_examples, load_prompts):
        with pytest.raises(InvalidData, match="row 2: field 'label' is missing or neither 0 nor 1"):
            load(source)


def test_an_alpaca_row_with_history_is_refused_since_it_would_be_lost(save: Save) -> None:
    assert load_prompts(save(as_list([alpaca(history=[], system="")]))).records == [PROMPT]
    with pytest.raises(InvalidData, match="row 1: field 'history' is set"):
        load_examples(save(as_list([alpaca(history=[["早", "早！"]])])))


@pytest.mark.parametrize(
    ("prompts", "row", "detail"),
    [
        ([[turn(PROMPT)], [turn("有礼", "system"), turn(PROMPT)]], 2, "has 2 turns"),
        ([[turn(PROMPT, "assistant")]], 1, "not from user"),
        ([[turn(PROMPT)], [turn(None)]], 2, "is null, not text"),
        ([[turn(PROMPT)], [turn("")]], 2, "is empty"),
        ([[turn(PROMPT)], None], 2, "is null, not a list of turns"),
        ([PROMPT], 1, "is text, not a list of turns"),
        ([["问"]], 1, "is text, not an object"),
        ([[{"role": "user", "text": PROMPT}]], 1, "has no 'content'"),
    ],
)
def test_a_bad_verl_prompt_is_named_with_its_row(tmp_path: Path, prompts: Rows, row: int, detail: str) -> None:
    with pytest.raises(InvalidData, match=detail) as caught:
        load_prompts(save_verl(tmp_path / "问.parquet", prompts))
    assert caught.value.row == row


def test_parquet_text_that_is_not_utf8_is_named_with_its_row(tmp_path: Path) -> None:
    broken = pa.array([PROMPT.encode(), b"\xff\xfe"]).view(pa.utf8())
    roles = pa.array(["user", "user"])
    turns = pa.StructArray.from_arrays([roles, broken], ["role", "content"])
    path = tmp_path / "问.parquet"
    pq.write_table(pa.table({"prompt": pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), turns)}), path)
    with pytest.raises(InvalidData, match="row 2: column 'prompt' is not UTF-8"):
        load_prompts(path)


def test_a_parquet_file_without_prompts_or_rows_or_sense_is_refused(save: Save, tmp_path: Path) -> None:
    other = tmp_path / "别的.parquet"
    pq.write_table(pa.table({"text": ["问"]}), other)
    with pytest.raises(InvalidData, match="has no column 'prompt'; it has text"):
        load_prompts(other)
    with pytest.raises(InvalidData, match="holds no prompts"):
        load_prompts(save_verl(tmp_path / "空.parquet", []))
    for content in (b"PAR1", b"PAR1" + b"\x00" * 64 + b"PAR1", as_list([pair()]).encode()):
        with pytest.raises(InvalidData, match="not a parquet file that can be read"):
            load_prompts(save(content, "坏.parquet"))
    whole = save_verl(tmp_path / "断.parquet", [[turn(PROMPT)]] * 50)
    Path(whole).write_bytes(Path(whole).read_bytes()[:-9])
    with pytest.raises(InvalidData, match="not a parquet file that can be read"):
        load_prompts(whole)


@pytest.mark.parametrize(
    ("content", "row", "detail"),
    [
        ("[", 1, "not JSON"),
        ("[]", None, "holds no rows"),
        ('[{"prompt": "问"}', 1, "',' or ']' expected"),
        ('[{"prompt": "问"} {"prompt": "问"}]', 1, "',' or ']' expected at column 18"),
        ('[{"prompt": "问"},]', 2, "not JSON"),
        ('[{"prompt": "问"},\n {"prompt": ]', 2, "not JSON: Expecting value at line 2, column 13"),
        ('[{"prompt": "问"}] 完', None, "something follows the list"),
        ('[{"prompt": "问"}, {"prompt": "断', 2, "not JSON"),
        ('{"prompt": "问"}\n{"prompt"', 2, "not JSON"),
        ('{"prompt": "问"}\n\n{"prompt": "问"}{}', 3, "not one JSON object a line: more follows in column 16"),
        ('{\n"prompt": "问"}', 1, "not JSON"),
        ('{"prompt": "问"}\n{"prompt": "问", "score": NaN}', 2, "not JSON: NaN is not a JSON value"),
        ('[{"prompt": "问"}, {"prompt": "问", "score": -Infinity}]', 2, "-Infinity is not a JSON value"),
        ('{"prompt": "问"}\n{"prompt": "早", "prompt": "晚"}', 2, "field 'prompt' stands twice"),
        ('{"prompt": "问"}\n{"prompt": "\\ud83d"}', 2, "field 'prompt' holds lone surrogates"),
        ('[{"prompt": "问"}, {"prompt": "\\udc00早"}]', 2, "field 'prompt' holds lone surrogates"),
        ('{"prompt": "问", "n": ' + "9" * 5000 + "}", 1, "not JSON"),
        ("[" * 200_000, 1, "nested too deeply"),
        ('{"title": "问"}', 1, r"its fields \(title\) are those of no known format"),
        ("[{}]", 1, r"its fields \(none\) are those of no known format"),
        ("问\n", 1, "not JSON"),
        ("", None, "is empty"),
        (" \n\n", None, "is empty"),
        ("\ufeff", None, "holds no rows"),
    ],
)
def test_what_is_not_good_json_is_named_with_its_row(save: Save, content: str, row: int | None, detail: str) -> None:
    source = save(content)
    with pytest.raises(InvalidData, match=detail) as caught:
        load_prompts(source)
    assert (caught.value.path, caught.value.row) == (source, row)


@pytest.mark.parametrize("name", ["问.txt", "问.json"])
def test_text_that_is_not_utf8_is_named_with_its_line(save: Save, name: str) -> None:
    lines = '{"prompt": "早"}\n{"prompt": "晚"}'.encode("gb18030")
    with pytest.raises(InvalidData, match="is not UTF-8: byte 13, in line 1"):
        load_prompts(save(lines, name))


@pytest.mark.parametrize("load", LOADERS)
def test_a_source_that_cannot_be_read_is_an_error(tmp_path: Path, save: Save, load: Callable[[str], object]) -> None:
    for source, detail in (
        (str(tmp_path / "没有.json"), "there is no such file"),
        (str(tmp_path), "is a folder"),
        ("空\0字.json", "cannot be read: embedded null"),
        (save("问,答\n", "表.csv"), "is neither JSON, JSON lines, parquet nor a .txt file"),
        ("starter:dev", "no such split; it has train, validation, test"),
    ):
        with pytest.raises(InvalidData, match=detail):
            load(source)


def test_the_starter_set_loads_by_name_and_by_path() -> None:
    assert load_pairs("starter") == load_pairs("starter:train")
    rows = load_starter("test")
    assert load_pairs("starter:test").records == [row.pair for row in rows]
    assert load_examples("starter:test").records == [Example(row.prompt, row.chosen) for row in rows]
    assert load_prompts("starter:test").records == [row.prompt for row in rows]
    path = Path(__file__).parents[3] / "trainer/data/starter/test.jsonl"
    assert load_pairs(path) == load_pairs("starter:test")
    assert load_prompts(path) == load_prompts("starter:test")


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: bool(text.strip()))


@given(rows=st.lists(st.tuples(texts, texts, texts), min_size=1), as_one_list=st.booleans(), escaped=st.booleans())
def test_any_text_comes_back_as_it_was_and_no_row_is_lost(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], as_one_list: bool, escaped: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "任意.json"
    objects = [pair(*row) for row in rows]
    parts = [json.dumps(row, ensure_ascii=escaped) for row in objects]
    path.write_bytes((f"[{','.join(parts)}]" if as_one_list else "\n".join(parts)).encode())
    prompts = load_prompts(path, strip_prefix=False)
    assert prompts.records == [prompt for prompt, _, _ in rows]
    different = [PreferencePair(*row) for row in rows if row[1] != row[2]]
    if different:
        pairs = load_pairs(path)
        assert pairs.records == different
        assert [skipped.row for skipped in pairs.skipped] == [
            number for number, row in enumerate(rows, start=1) if row[1] == row[2]
        ]
    else:
        with pytest.raises(InvalidData, match="holds no preference pairs"):
            load_pairs(path)


@given(content=st.binary(max_size=200) | st.text('[]{}":,0一pt\\nu\n ').map(str.encode))
def test_any_bytes_load_or_are_refused_with_the_typed_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    for name in ("随机.json", "随机.parquet", "随机.txt"):
        path = tmp_path_factory.getbasetemp() / name
        path.write_bytes(content)
        with contextlib.suppress(InvalidData):
            load_prompts(path)
