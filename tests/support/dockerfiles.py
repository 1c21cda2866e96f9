"""What a Dockerfile of the project says of its last stage, which is what is run."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from pathlib import Path

from tests.support.processes import ROOT


@dataclasses.dataclass(frozen=True)
class Dockerfile:
    """One file; only what our files use is understood."""

    path: Path

    @property
    def instructions(self) -> list[tuple[str, str]]:
        """Of all stages: the name in capitals, and what follows it, without line breaks and comments."""
        lines = [line for line in self.path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
        joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
        found = [line.partition(" ") for line in joined.splitlines() if line.strip()]
        return [(name, rest.strip()) for name, _, rest in found]

    @property
    def last_stage(self) -> list[tuple[str, str]]:
        begins = [place for place, (name, _) in enumerate(self.instructions) if name == "FROM"]
        return self.instructions[begins[-1] :]

    def said(self, name: str) -> list[str]:
        """What an instruction of the last stage says, each time that it is there."""
        return [rest for found, rest in self.last_stage if found == name]

    @property
    def environment(self) -> dict[str, str]:
        words = [word for rest in self.said("ENV") for word in shlex.split(rest)]
        return dict(word.split("=", 1) for word in words)

    @property
    def command(self) -> list[str]:
        """In exec form; another is a `json.JSONDecodeError`."""
        (command,) = self.said("CMD")
        return list(json.loads(command))

    @property
    def health_check(self) -> list[str] | None:
        (check,) = self.said("HEALTHCHECK")
        return None if check == "NONE" else list(json.loads(check.partition(" CMD ")[2] or check[4:]))

    @property
    def copied(self) -> list[str]:
        """What of the project, in any stage."""
        copies = [shlex.split(rest) for name, rest in self.instructions if name == "COPY"]
        return [source for words in copies if not words[0].startswith("--from") for source in words[:-1]]


FILES = {
    "judge": Dockerfile(ROOT / "services/judge/Dockerfile"),
    "reward-model": Dockerfile(ROOT / "services/reward_model/Dockerfile"),
    "multi-agent": Dockerfile(ROOT / "services/multi_agent/Dockerfile"),
    "local-llm": Dockerfile(ROOT / "trainer/local_llm/Dockerfile"),
    "trainer": Dockerfile(ROOT / "trainer/Dockerfile"),
}
"""By service of Compose."""
