"""Writes .env from .env.example with new keys, for docker compose. What is there already is left alone.

python deploy/new_env.py [.env]
"""

from __future__ import annotations

import os
import re
import secrets
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[1] / ".env.example"
KEY_BYTES = 24
REQUIRED = re.compile(r"^([A-Z_]+)=$", re.MULTILINE)
"""A variable without a value: each gets a key of its own."""


def with_keys(example: str) -> str:
    """The text of an example, in which every empty variable has a key of letters and digits."""
    return REQUIRED.sub(lambda found: f"{found[1]}={secrets.token_hex(KEY_BYTES)}", example)


def main(target: Path) -> None:
    """Write it, readable by its owner alone."""
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        sys.exit(f"{target} is there already; take it away first if you want new keys")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(with_keys(EXAMPLE.read_text(encoding="utf-8")))
    sys.stderr.write(f"{target}: new keys; keep it to yourself\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ".env"))
