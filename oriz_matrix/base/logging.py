"""Logging: structlog in front of the standard library's logging, as JSON or as text.

Lines of libraries pass through the same formatter, so every line has the same fields. What a line belongs to
(request, user, room) comes from the context of the running task: `begin_context` starts it, `add_context` adds to it.
"""

import logging
import sys
from collections.abc import MutableMapping
from contextvars import ContextVar
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any, Literal, TextIO

import msgspec
import structlog
from structlog.typing import Processor, WrappedLogger

_CONTEXT: ContextVar[dict[str, str] | None] = ContextVar("log_context", default=None)


def begin_context(**fields: str) -> None:
    """Let the lines of this task carry these fields, and none of those before."""
    _CONTEXT.set(fields)


def add_context(**fields: str) -> None:
    """Let the lines of this task carry these fields too."""
    _CONTEXT.set({**(_CONTEXT.get() or {}), **fields})


def configure(form: Literal["json", "text"] = "text", level: str = "info", to: Path | TextIO | None = None) -> None:
    """Set up logging for the process; may be called again to change it.

    Lines go to standard error where nothing else is given; a file is appended to, and begun anew where it is moved
    away. Raises OSError.
    """
    shared: list[Processor] = [
        _with_context,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    if isinstance(to, Path):
        target: logging.Handler = WatchedFileHandler(to, encoding="utf-8")
    else:
        target = logging.StreamHandler(to or sys.stderr)
    target.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=_rendering(form)))
    root = logging.getLogger()
    root.handlers = [target]
    root.setLevel(level.upper())


def _rendering(form: Literal["json", "text"]) -> list[Processor]:
    """The last steps. Tracebacks are plain: the values of variables can be tokens and messages."""
    meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if form == "json":
        return [meta, structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_to_json)]
    return [meta, structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)]


def _to_json(line: Any, **_options: Any) -> str:
    return msgspec.json.encode(line, enc_hook=repr).decode()


def _with_context(_logger: WrappedLogger, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in (_CONTEXT.get() or {}).items():
        line.setdefault(name, value)
    return line
