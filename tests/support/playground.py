"""Real services behind a playground, with a language model that plays all parts: it likes what is written for somebody.

What it likes is told by a word of the greeting, so that the page has something good and something bad to show.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from services.multi_agent.retrieval.embeddings import UrlEmbedder
from tests.support.judge import BAD, GOOD, ended, judge_service, messages_of
from tests.support.llm_server import MODEL, LlmServer, Reply, Script, said
from tests.support.multi_agent import agent_of, built_index, flaws, judged, merits, multi_agent_service, reflected
from tests.support.processes import Service, free_port, service_command

KEY = "a-key-for-the-page"
OWN_WORDS = ("长寿面", "笔记", "留的月饼")
"""A greeting with one of these is written for somebody; the page's examples have them."""
DOCUMENTS = [
    {
        "prompt": "给奶奶的七十大寿祝福",
        "completion": "奶奶，您种的桂花今年开了两回，像是知道您七十了。愿您慢慢走，我们慢慢陪。",
        "engagement": 120,
    },
    {
        "prompt": "外公生日快乐怎么说",
        "completion": "外公，棋盘我擦好了，今天您先走三步，我让您一辈子。",
        "engagement": 95,
    },
    {"prompt": "祝老师教师节快乐", "completion": "老师，粉笔灰落在您肩上，也落成了我们走的路。", "engagement": 60},
]
POINTS: Mapping[str, dict[bool, Any]] = {
    "positive": {
        True: {
            "merits": [
                {"aspect": "creativity", "why": "不说大话，只让外婆坐着吃面，新鲜"},
                {"aspect": "specificity", "why": "长寿面、洗碗，都是外婆家里的事"},
                {"aspect": "feeling", "why": "没有一个爱字，处处是疼她"},
            ]
        },
        False: merits("fluency", why="四字词整齐，读来顺口"),
    },
    "negative": {
        True: flaws(),
        False: {
            "flaws": [
                {"aspect": "generic", "why": "换给任何一位长辈都可以"},
                {"aspect": "flatness", "why": "全是现成的话，听不出是谁在说"},
            ]
        },
    },
    "judge": {
        True: judged(1, "细节出自生活，称呼、场合都合；没有值得一提的缺点。"),
        False: judged(0, "通顺而空泛，与八十岁、与外婆都没有关系。"),
    },
    "reflect": {
        True: reflected(1, "优点都能在原文里指出来，维持裁决。"),
        False: reflected(0, "两条缺点都成立，维持裁决。"),
    },
}
REASONS = {
    True: {"reason": "从一碗长寿面写到谁来洗碗，具体而亲切。", "verdict": 1},
    False: {"reason": "套话相连，看不出写给谁。", "verdict": 0},
}


class Reader:
    """A script for an `LlmServer`: judge and agents answer by what the greeting says."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """As at first."""
        self.delay_seconds = 0.0
        """How long each agent thinks."""
        self.fails_for: str | None = None
        """The agent that gives no usable answer."""
        self.says: str | None = None
        """What everybody says, whatever was asked."""
        self.instead: Script | None = None
        """Who answers in its place."""

    def __call__(self, body: Any) -> Reply:
        if self.instead is not None:
            return self.instead(body)
        asked = messages_of(body)[-1]
        good = any(word in asked for word in OWN_WORDS)
        if "response_format" not in body:
            share = 0.93 if good else 0.22
            top = {GOOD: math.log(share * 0.9), BAD: math.log((1 - share) * 0.9)}
            return said(GOOD if good else BAD, top=top)
        agent = agent_of(body)
        if agent == self.fails_for:
            return said("我不想说。", delay_seconds=self.delay_seconds)
        answer = REASONS[good] if agent == "verdict" else POINTS[agent][good]
        if self.says is not None:
            answer = _saying(answer, self.says)
        return said(
            json.dumps(answer, ensure_ascii=False),
            prompt_tokens=900 + len(asked),
            completion_tokens=40,
            delay_seconds=self.delay_seconds if agent in POINTS else 0.0,
        )


def _saying(answer: Any, text: str) -> Any:
    """The same answer in other words."""
    if isinstance(answer, list):
        return [_saying(each, text) for each in answer]
    if isinstance(answer, dict):
        return {name: text if name in {"why", "reason"} else _saying(part, text) for name, part in answer.items()}
    return answer


@contextlib.contextmanager
def playground(folder: Path, llm: LlmServer, other: Service, **settings: Any) -> Iterator[tuple[Service, Service]]:
    """A judge, whose page also asks the agents and ``other``, and the agents; ``settings`` are of the judge."""
    port = free_port()
    rewards = f"multi_agent=http://127.0.0.1:{port},{other.output.stem}={other.url}"
    judge = judge_service(folder / "judge.log", llm, playground_rewards=rewards, api_keys=KEY, **settings)
    with ended(judge):
        retrieval: dict[str, Any] = {
            "index": built_index(folder, DOCUMENTS, UrlEmbedder(llm.url, MODEL)),
            "embedding_url": llm.url,
            "embedding_model": MODEL,
            "keep_examples": 2,
        }
        agents = multi_agent_service(folder / "agents.log", llm, port=port, api_keys=KEY, **retrieval)
        with ended(agents):
            judge.wait_until()
            agents.wait_until()
            yield judge, agents


def greetings_service(folder: Path, *arguments: str, **settings: object) -> Service:
    """A `tests.support.scorers.MarkedScorer` as a service; its reward has no upper bound."""
    environment = {
        "ZHUFU_LOG_FORMAT": "json",
        **{f"ZHUFU_{name.upper()}": str(value) for name, value in settings.items()},
    }
    return Service(service_command(*arguments), folder / "greetings.log", environment, free_port())
