"""What a person is told about a stack that is up: the URLs, and a first request to try."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trainer.stack.llm import LLM
from trainer.stack.redis_server import queue_url, without_secrets
from trainer.stack.services import ServiceSpec

EXAMPLE = {
    "id": "1",
    "prompt": "给外婆的八十岁生日祝福",
    "completion": "外婆，八十年的风霜都成了您眼角的笑。愿您天天有人陪着晒太阳。",
}
KEY_VARIABLE = "ZHUFU_API_KEY"


def print_summary(
    console: Console, urls: Mapping[str, str], services: Sequence[ServiceSpec], log_dir: Path | None
) -> None:
    """Show every URL without its secrets, a command to try for each service, and where the logs are."""
    redis_url = without_secrets(urls["redis"])
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("redis", Text(redis_url))
    for service in services:
        table.add_row(service.name, Text(urls[service.name]))
        table.add_row(f"{service.name}, queued", Text(queue_url(redis_url, service.name)))
    if LLM in urls:
        table.add_row("llm", Text(urls[LLM]))
    if services:
        table.add_row("playground", Text(f"{urls[services[0].name]}/"))
    console.print(table)
    for service in services:
        with_key = any(os.environ.get(name) for name in ("ZHUFU_API_KEYS", f"{service.prefix}API_KEYS"))
        _print_line(console, curl_example(urls[service.name], with_key=with_key))
    _print_line(console, f"logs: {log_dir}")


def curl_example(url: str, *, with_key: bool = False) -> str:
    """A command for a shell that asks a service for a score; ``with_key`` where the service wants one."""
    body = json.dumps({"rollouts": [EXAMPLE]}, ensure_ascii=False)
    key = f' -H "Authorization: Bearer ${KEY_VARIABLE}"' if with_key else ""
    return f"curl -s {url}/v1/score -H 'Content-Type: application/json'{key} -d {shlex.quote(body)}"


def _print_line(console: Console, line: str) -> None:
    """Neither wrapped nor coloured, so that it can be copied."""
    console.print(Text(line), soft_wrap=True)
