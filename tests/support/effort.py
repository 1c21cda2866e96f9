"""How much is done where a test can do more or less of the same."""

from __future__ import annotations

import os

SLOW = "ZHUFU_SLOW_TESTS" in os.environ
"""Whether everything is run in full; else what takes minutes is left out or shortened."""
KILLS = 10 if SLOW else 3
"""How often a process is killed at a random place and started again."""
FUZZ_EXAMPLES = int(os.environ.get("ZHUFU_FUZZ_EXAMPLES", "5"))
"""How many requests are made up for each operation of a service."""
