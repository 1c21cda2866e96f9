"""A process that is never ready and does not listen to SIGTERM: ``python -m tests.integration.trainer.stubborn``."""

from __future__ import annotations

import signal
import sys
import time


def main() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.stderr.write("never ready\n")
    sys.stderr.flush()
    time.sleep(600)


if __name__ == "__main__":
    main()
