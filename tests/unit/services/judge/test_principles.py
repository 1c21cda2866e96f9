"""Principles: what a file may hold, and when their version changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from services.judge.principles import find_principles, shipped_principles
from shared.errors import InvalidData
from shared.principles import MAX_RULE_CHARACTERS, MAX_RULES, Principles, load_principles
from tests.unit.services.judge.made import principles

VALID: dict[str, Any] = {"id": "own-v1", "obtained": "为测试而写", "rules": ["切合请求。", "情意真切。"]}


def written(folder: Path, document: object) -> Path:
    path = folder / "own.yaml"
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document), encoding="utf-8")
    return path


def hash_of(some: Principles) -> str:
    return some.version.partition("#")[2]


def test_every_set_that_ships_is_valid_and_found_by_its_id() -> None:
    shipped = list(shipped_principles())
    assert shipped
    assert len({each.id for each in shipped}) == len(shipped)
    for each in shipped:
        assert find_principles(each.id) == each
        assert each.language == "zh"
        assert 1 <= len(each.rules) <= MAX_RULES


def test_a_version_is_the_id_and_a_hash() -> None:
    some = principles()
    assert some.version.startswith("test-v1#")
    assert len(hash_of(some)) == 8
    assert some.version == principles().version


@pytest.mark.parametrize(
    "change",
    [
        {"rules": ["切合请求", "情意真切。"]},
        {"rules": ["情意真切。", "切合请求。"]},
        {"rules": ["切合请求。", "情意真切。", "得体。"]},
        {"rules": ["切合请求。情意真切。"]},
        {"language": "en"},
    ],
)
def test_the_hash_changes_with_what_the_model_is_shown(change: dict[str, Any]) -> None:
    assert hash_of(principles(**change)) != hash_of(principles())


@pytest.mark.parametrize(
    "change",
    [
        {"id": "test-v2"},
        {"obtained": "由优化得到"},
        {"parent": "test-v0"},
        {"measured": {"agreement": 0.8}},
        {"rules": [" 切合请求。", "情意真切。 "]},
    ],
)
def test_the_hash_stays_where_the_model_is_shown_the_same(change: dict[str, Any]) -> None:
    assert hash_of(principles(**change)) == hash_of(principles())


def test_rules_are_numbered_one_a_line() -> None:
    assert principles().numbered == "1. 切合请求。\n2. 情意真切。"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"rules": []}, "rules"),
        ({"rules": [f"第{number}条。" for number in range(MAX_RULES + 1)]}, "rules"),
        ({"rules": ["长" * (MAX_RULE_CHARACTERS + 1)]}, "rules.0"),
        ({"rules": ["  "]}, "rules.0"),
        ({"rules": ["同一条。", " 同一条。 "]}, "a rule stands twice"),
        ({"rules": ["一行。\n另一行。"]}, "a rule is one line"),
        ({"rules": ["一行。\u2028另一行。"]}, "a rule is one line"),
        ({"rules": "切合请求。"}, "rules"),
        ({"id": "Own V1"}, "id"),
        ({"id": "own#v1"}, "id"),
        ({"language": "fr"}, "language"),
        ({"obtained": ""}, "obtained"),
        ({"wights": [1, 2]}, "wights"),
        ({"measured": {"auc": float("nan")}}, "measured"),
    ],
)
def test_a_file_that_breaks_the_schema_is_refused_with_the_place(
    tmp_path: Path, change: dict[str, Any], complaint: str
) -> None:
    path = written(tmp_path, {**VALID, **change})
    with pytest.raises(InvalidData) as refused:
        load_principles(path)
    assert str(path) in refused.value.detail
    assert complaint in refused.value.detail
    assert len(refused.value.detail.splitlines()) == 1


def test_as_many_rules_of_as_many_characters_as_are_allowed_are_taken(tmp_path: Path) -> None:
    rules = [f"{number}" + "长" * (MAX_RULE_CHARACTERS - 1) for number in range(MAX_RULES)]
    assert load_principles(written(tmp_path, {**VALID, "rules": rules})).rules == rules


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("rules: [", "not YAML"),
        ("!!python/object/apply:os.getcwd []", "not YAML"),
        ("measured: {day: 2026-99-99}", "not YAML"),
        ("- 一\n- 二", "the document"),
        ("", "the document"),
    ],
)
def test_a_file_that_is_no_mapping_in_yaml_is_refused(tmp_path: Path, content: str, complaint: str) -> None:
    with pytest.raises(InvalidData, match=complaint):
        load_principles(written(tmp_path, content))


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_bytes(b"id: \xff\xfe")
    for path in (tmp_path / "own.yaml", tmp_path / "nothing.yaml", tmp_path):
        with pytest.raises(InvalidData, match="cannot be read"):
            load_principles(path)


def test_principles_are_found_by_the_path_of_a_file(tmp_path: Path) -> None:
    path = written(tmp_path, VALID)
    assert find_principles(str(path)).id == "own-v1"


def test_an_unknown_id_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(InvalidData, match="greetings-v1"):
        find_principles("greetings-v0")
