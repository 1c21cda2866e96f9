"""Logs as structlog events: JSON lines for machines, colours for people at a terminal.

Prompts and completions are logged at debug level only; keys are never logged.
"""

from __future__ import annotations

import logging
import sys
from typing import Literal

import structlog

LogFormat = Literal["auto", "json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]


class _NamedLogger(structlog.WriteLogger):
    """Writes straight to standard error: through the standard library's logging, a line would cost three times as much.

    Args:
        name: Of the module.
    """

    def __init__(self, name: str = "") -> None:
        super().__init__(sys.stderr)
        self.name = name


def configure_logging(level: LogLevel = "info", log_format: LogFormat = "auto") -> None:
    """Send all logs, those of libraries too, to standard error.

    Args:
        level: The least level that is shown.
        log_format: ``json``, ``console``, or ``auto``: console where standard error is a terminal, else JSON.
    """
    as_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    before_rendering: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if as_json:
        before_rendering.append(structlog.processors.format_exc_info)
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json  # structlog's own choice, rich tracebacks, prints local variables: keys and texts among them
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    structlog.configure(
        processors=[*before_rendering, renderer],
        logger_factory=_NamedLogger,
        # Unlike the standard library's levels, this one costs nothing where an event is not shown.
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before_rendering,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    logging.getLogger("uvicorn.access").setLevel("WARNING")
    for name in ("httpx", "httpx2", "openai"):  # each tells every request, with its URL
        logging.getLogger(name).setLevel("WARNING")
