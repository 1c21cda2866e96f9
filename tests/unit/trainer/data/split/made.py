"""Rows to split, made of random characters: what is alike is so because it was made so."""

from __future__ import annotations

import json
import random
from pathlib import Path

CHARACTERS = "春夏秋冬山川河海风花雪月云雨晨暮灯火星光松竹梅兰茶酒诗书琴棋远近高低长短明暗冷暖轻重"


class Maker:
    """Writes files of rows. Same seed, same rows."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self.folder = folder
        self._random = random.Random(seed)

    def text(self, length: int) -> str:
        return "".join(self._random.choices(CHARACTERS, k=length))

    def pair(self, chosen: int = 40, rejected: int = 40) -> dict[str, object]:
        return {
            "prompt": self.text(8),
            "chosen": self.text(chosen),
            "rejected": self.text(rejected),
        }

    def pairs(self, count: int) -> list[dict[str, object]]:
        """Of all lengths, the chosen one mostly longer; each fifth one is about as long."""
        rows = []
        for number in range(count):
            rejected = self._random.randint(18, 40)
            chosen = rejected + self._random.choice((-3, -1, 0, 2, 3)) if number % 5 == 0 else rejected * 2
            rows.append(self.pair(chosen, rejected))
        return rows

    def labelled(self, count: int) -> list[dict[str, object]]:
        return [
            {
                "query": self.text(8),
                "response": self.text(self._random.randint(20, 60) + 15 * (number % 2)),
                "label": number % 2,
            }
            for number in range(count)
        ]

    def file(self, rows: list[dict[str, object]], name: str = "data.jsonl") -> str:
        path = self.folder / name
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        return str(path)


def nearly(text: object) -> str:
    """A text with one character exchanged in its middle."""
    assert isinstance(text, str)
    return f"{text[: len(text) // 2]}哦{text[len(text) // 2 + 1 :]}"
