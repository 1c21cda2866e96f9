"""A process that runs a stack, to be interrupted and killed: ``python -m tests.integration.trainer.stack_process``.

It prints ``up`` when all are ready, and ends with status 0 when it was interrupted while they were, 3 otherwise.
"""

from __future__ import annotations

import argparse
import signal
import sys

from rich.console import Console

from shared.errors import ZhufuError
from trainer.stack import ServiceSpec, Stack

SERVICE_OFFSET = 2


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--base-port", type=int, required=True)
    parser.add_argument("--module", required=True)
    arguments = parser.parse_args()
    # Whoever runs the tests in the background may ignore SIGINT (&) or SIGHUP (nohup), and that is inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    console = Console()
    service = ServiceSpec(name="greetings", module=arguments.module, port_offset=SERVICE_OFFSET)
    try:
        with Stack(
            reward_checkpoint="none", base_port=arguments.base_port, console=console, services=[service]
        ) as stack:
            console.print("up")
            stack.run_until_interrupted()
    except (ZhufuError, KeyboardInterrupt) as error:
        console.print(f"{type(error).__name__}: {error}")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
