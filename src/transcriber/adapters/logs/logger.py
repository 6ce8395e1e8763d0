"""structlog, put together by hand: one logger, its processors, and the writer at their end."""

import logging
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, cast

from transcriber.adapters.logs.fields import Fields, complete, drop_private, explain_error, to_json
from transcriber.adapters.logs.writer import DescriptorTarget, FileTarget, LogWriter, Target
from transcriber.errors import ConfigError

if "rich" in sys.modules:
    import structlog
else:
    # structlog loads rich for tracebacks that are never drawn here: 180 ms and 6 MB. It does without if it must.
    sys.modules["rich"] = cast("Any", None)
    try:
        import structlog
    finally:
        del sys.modules["rich"]

LogStyle = Literal["auto", "console", "json"]


@contextmanager
def open_logger(
    *, style: LogStyle = "auto", level: str = "info", file: str = "", descriptor: int = 2
) -> Generator[structlog.typing.FilteringBoundLogger]:
    """Log to a file, or else to a descriptor of the process, until the context is left.

    `auto` is `console` on a terminal and `json` elsewhere; `level` is one of `logging`'s. A call of the logger never
    waits for a disk or a terminal, and never fails: what cannot be written is dropped, and counted by the event
    `log_lines_lost`.

    Raises:
        ConfigError: the file cannot be opened.

    """
    terminal = not file and os.isatty(descriptor)
    console = style == "console" or (style == "auto" and terminal)
    processors = _console_processors(colors=terminal) if console else _json_processors()
    lost = _logger(processors, level, lambda line: line).bind(component="logs")
    with LogWriter(_target(file, descriptor), lambda count: lost.warning("log_lines_lost", lines=count)) as writer:
        yield _logger(processors, level, writer.put)


class _Output:
    """What structlog wraps: it calls the method of the line's level with the line."""

    def __init__(self, put: Callable[[bytes], object]) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = put


def _logger(
    processors: list[structlog.typing.Processor], level: str, put: Callable[[bytes], object]
) -> structlog.typing.FilteringBoundLogger:
    wrapper = structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()])
    return structlog.wrap_logger(_Output(put), processors, wrapper, dict).bind()


def _json_processors() -> list[structlog.typing.Processor]:
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts")
    return [structlog.processors.add_log_level, explain_error, drop_private, stamp, complete, to_json]


def _console_processors(*, colors: bool) -> list[structlog.typing.Processor]:
    # On Windows structlog would put colorama around the streams of the whole process.
    colors = colors and os.name != "nt" and not os.environ.get("NO_COLOR")
    stamp = structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False, key="ts")
    renderer = structlog.dev.ConsoleRenderer(timestamp_key="ts", colors=colors, pad_level=False)

    def render(logger: object, method: str, fields: Fields) -> bytes:
        return f"{renderer(logger, method, fields)}\n".encode(errors="backslashreplace")

    return [structlog.processors.add_log_level, explain_error, drop_private, stamp, render]


def _target(file: str, descriptor: int) -> Target:
    if not file:
        return DescriptorTarget(descriptor)
    try:
        return FileTarget(Path(file).expanduser())
    except OSError as error:
        raise ConfigError(f"logs.file: {file} cannot be written: {error.strerror or error}") from error
