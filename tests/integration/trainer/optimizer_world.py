"""A world for the judge optimizer: labelled data, and a language model that plays all roles by rules that a test knows.

The Detector is as able as the rules it is shown say: with 「本领7」 in them it is right about every labelled text whose
number ends in 0 to 6, and wrong about the others. An attack is caught where its request says 「露馅」.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.llm_server import Reply, said

SKILL = re.compile(r"本领(\d+)")
NUMBER = re.compile(r"第(\d+)号")
GOOD, BAD = "好", "坏"
REQUEST = "请求："

Propose = Callable[[str], list[str]]
"""From the question to the strategy optimizer (rules and feedback) to new rules."""


def write_labelled(path: Path, first: int, pairs: int, *, caught_every: int = 2) -> Path:
    """Labelled responses: as many good ones as bad ones, all of one length; some requests give attacks away."""
    rows = []
    for number in range(first, first + pairs):
        betrayed = "，露馅" if number % caught_every == 0 else ""
        query = f"第{number:04d}号请求{betrayed}"
        rows += [
            {"query": query, "response": f"这是{kind}的一句话，第{number:04d}号祝福", "label": int(kind == GOOD)}
            for kind in (GOOD, BAD)
        ]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def write_rules(path: Path, rules: list[str], name: str = "start-v1") -> Path:
    """A strategy to start from."""
    document = {"id": name, "parent": None, "language": "zh", "obtained": "为测试而写", "rules": rules}
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")  # JSON is YAML
    return path


def role_of(body: Mapping[str, Any]) -> str:
    """Who is asked."""
    return str(body["response_format"]["json_schema"]["name"])


def question_of(body: Mapping[str, Any]) -> str:
    """The last message."""
    return str(body["messages"][-1]["content"])


def fixed_part_of(body: Mapping[str, Any]) -> str:
    """The first message, where the rules in force stand."""
    return str(body["messages"][0]["content"])


def answers(document: Mapping[str, Any], **changes: Any) -> Reply:
    """JSON as an answer."""
    return said(json.dumps(document, ensure_ascii=False), **changes)


def adds_nothing(question: str) -> list[str]:
    """The rules as they are: no change."""
    return re.findall(r"^\d+\. (.*)$", question, re.MULTILINE)


@dataclasses.dataclass
class World:
    """Use it as the script of an `LlmServer`.

    Attributes:
        detector_rules: What the strategy optimizer makes of S_D.
        generator_rules: What it makes of S_G.
        instead: Answers that a role gives instead, or None: (role, body) to a reply.
        delay: Seconds before the answer to a question.
    """

    detector_rules: Propose = adds_nothing
    generator_rules: Propose = adds_nothing
    instead: Callable[[str, Mapping[str, Any]], Reply | None] = lambda role, body: None
    delay: Callable[[str], float] = lambda question: 0.0
    asked: dict[str, list[str]] = dataclasses.field(default_factory=lambda: collections.defaultdict(list))
    lock: Any = dataclasses.field(default_factory=threading.Lock)

    def __call__(self, body: Mapping[str, Any]) -> Reply:
        role, question = role_of(body), question_of(body)
        with self.lock:
            self.asked[role].append(question)
        reply = self.instead(role, body)
        if reply is None:
            reply = answers(getattr(self, f"_{role}")(body, question))
        return dataclasses.replace(reply, delay_seconds=self.delay(question))

    def _generator(self, body: Mapping[str, Any], question: str) -> dict[str, Any]:
        request = question.partition(REQUEST)[2].split("\n")[0]
        return {"greeting": f"为{request}写的贺词", "explanation": f"{request}的毛病"}

    def _detector(self, body: Mapping[str, Any], question: str) -> dict[str, Any]:
        text = question.split("】\n")[1]
        if "贺词" in text:
            return {"reason": "看了贺词", "verdict": 0 if "露馅" in text else 1}
        skill = max(map(int, SKILL.findall(fixed_part_of(body))), default=5)
        right = int(NUMBER.findall(text)[0]) % 10 < skill
        label = int(f"这是{GOOD}的" in text)
        return {"reason": "看了祝福", "verdict": label if right else 1 - label}

    def _adviser(self, body: Mapping[str, Any], question: str) -> dict[str, Any]:
        number = NUMBER.findall(question)[0]
        return {"suggestion": f"第{number}号要藏得好些"}

    def _reflector(self, body: Mapping[str, Any], question: str) -> dict[str, Any]:
        number = NUMBER.findall(question.rpartition(REQUEST)[2])[0]
        kind = GOOD if f"这是{GOOD}的" in question else BAD
        return {"error": f"第{number}号{kind}的判错了", "suggestion": f"第{number}号要看仔细"}

    def _generator_rules(self, body: Mapping[str, Any], question: str) -> dict[str, Any]:
        return {"rules": self.generator_rules(question)}

    def _detector_rules(self, body: Mapping[str, Any], question: str) -> dict[str, Any]:
        return {"rules": self.detector_rules(question)}


def only_these_llm_settings(monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    """Whatever whoever runs the tests has set."""
    for name in list(os.environ):
        if name.startswith("ZHUFU_"):
            monkeypatch.delenv(name)
    for name, value in settings.items():
        monkeypatch.setenv(f"ZHUFU_LLM_{name.upper()}", value)


def drifting(question: str) -> list[str]:
    """New rules whose skill hangs on the whole question: better and worse ones, the same in every run."""
    rules = adds_nothing(question)
    digest = hashlib.sha256("".join(rules).encode() + question.encode()).digest()
    kept = [rule for rule in rules if not SKILL.search(rule)][:8]
    return [*kept, f"本领{digest[0] % 11}，第{digest[1]}稿"]
