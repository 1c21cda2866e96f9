"""Reading documents: every form that is taken, and a typed error with its row for what is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.multi_agent.retrieval.corpus import (
    MAX_CHARACTERS,
    Document,
    corpus_digest,
    folded,
    read_corpus,
    without_copies,
)
from shared.errors import InvalidData

ROWS = [
    {"prompt": "给外婆的生日祝福", "completion": "外婆，长寿面里给您卧了两个蛋。", "engagement": 3},
    {"prompt": "给同事升职的祝福", "response": "恭喜升职，工位留着我的糖。", "click_num": 12.5, "other": ["x"]},
    {"id": "s1", "prompt": "给表妹拜年", "chosen": "表妹，初一好！", "rejected": "别再挑了", "click_num": None},
]
DOCUMENTS = [
    Document(prompt="给外婆的生日祝福", completion="外婆，长寿面里给您卧了两个蛋。", engagement=3),
    Document(prompt="给同事升职的祝福", completion="恭喜升职，工位留着我的糖。", engagement=12.5),
    Document(prompt="给表妹拜年", completion="表妹，初一好！", engagement=0),
]
STARTER = Path(__file__).resolve().parents[5] / "trainer" / "data" / "starter" / "train.jsonl"


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "corpus"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS),
        "\ufeff" + "\r\n\r\n".join(json.dumps(row) for row in ROWS) + "\r\n",
        json.dumps(ROWS, ensure_ascii=False, indent=2),
    ],
    ids=["lines", "lines of Windows", "list"],
)
def test_each_form_gives_the_same_documents(tmp_path: Path, content: str) -> None:
    assert read_corpus(written(tmp_path, content)) == DOCUMENTS


def test_the_chosen_greetings_of_the_starter_set_are_a_corpus() -> None:
    documents = read_corpus(STARTER)
    assert len(documents) == len(without_copies(documents)) == 832


GOOD = '{"prompt": "p", "completion": "c"}'


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{", "Invalid JSON"),
        ("[]", "should be an object"),
        ('{"completion": "c"}', "prompt"),
        ('{"prompt": "p"}', "exactly one of"),
        ('{"prompt": "p", "completion": "c", "chosen": "d"}', "exactly one of"),
        ('{"prompt": " \\u200b", "completion": "c"}', "the prompt is empty"),
        ('{"prompt": "p", "completion": ""}', "the completion is empty"),
        ('{"prompt": "p", "completion": 3}', "completion"),
        ('{"prompt": "p", "completion": "c", "engagement": "7"}', "engagement"),
        ('{"prompt": "p", "completion": "c", "engagement": true}', "engagement"),
        ('{"prompt": "p", "completion": "c", "click_num": NaN}', "click_num"),
        ('{"prompt": "p", "completion": "c", "click_num": 1, "engagement": 1}', "two names"),
        ('{"prompt": "p", "completion": "\\ud800"}', "Invalid JSON"),
        (json.dumps({"prompt": "p", "completion": "c" * (MAX_CHARACTERS + 1)}), "completion"),
    ],
)
def test_a_row_that_is_no_document_is_named(tmp_path: Path, row: str, said: str) -> None:
    path = written(tmp_path, f"{GOOD}\n\n{row}\n{GOOD}\n")
    with pytest.raises(InvalidData, match=rf"row 3: .*{said}") as caught:
        read_corpus(path)
    assert (caught.value.path, caught.value.row) == (str(path), 3)


def test_a_row_of_a_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="row 2: "):
        read_corpus(written(tmp_path, f"[{GOOD}, 7]"))


@pytest.mark.parametrize("content", ["", "\n \n", "[]", "[{]", b"\xff\xfe{}"])
def test_a_file_without_documents_is_refused(tmp_path: Path, content: str | bytes) -> None:
    with pytest.raises(InvalidData):
        read_corpus(written(tmp_path, content))


def test_a_missing_file_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="FileNotFoundError"):
        read_corpus(tmp_path / "none")
    with pytest.raises(InvalidData, match="IsADirectoryError"):
        corpus_digest(tmp_path)


def test_the_best_received_of_copies_stays_in_the_place_of_the_first() -> None:
    first, other, copy = (
        Document(prompt="给外婆", completion="安康！"),
        Document(prompt="给外公", completion="安康！"),
        Document(prompt="给外婆 ", completion="安\u200b康!", engagement=2),
    )
    assert without_copies([first, other, copy]) == [copy, other]


@pytest.mark.parametrize("text", ["安康 吉祥！", " 安康\n\n吉祥！ ", "安\u200b康\u3000吉祥!", "\ufeff安康\t吉祥！"])
def test_what_a_reader_does_not_see_makes_no_difference(text: str) -> None:
    assert folded(text) == "安康 吉祥!"
