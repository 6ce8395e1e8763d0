"""What a line holds: the fields of `docs/logs.md`, flat, without what was said.

Functions with a logger and a method in front are structlog's processors; both are ignored.
"""

import sys
import traceback
from collections.abc import Iterator, Mapping, MutableMapping
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, cast

import msgspec

from transcriber.errors import TranscriberError

VERSION = 1
"""Of the schema. It grows when a key goes, or changes its meaning; a new key or event may come without."""

PRIVATE = frozenset({"hotwords", "password", "pcm", "prompt", "secret", "text", "token", "word", "words"})
"""Keys that may hold what was said, or open a door; written at level debug only."""

FIRST = ("v", "ts", "level", "event", "component", "session", "track")
"""The order that lines begin with; a key that a line does not have is left out."""

type Fields = MutableMapping[str, Any]


def explain_error(_: object, __: str, fields: Fields) -> Fields:
    """Replace `exc_info` by flat keys: `error`, `error_message`, `error_stack`, `error_cause`.

    The message is given for errors that Transcriber or the system worded. Another may quote what was being worked on,
    so that its message is written at level debug only. There are never values of variables.
    """
    error = _exception(fields.pop("exc_info", None))
    if error is None:
        return fields
    first, *causes = _chain(error)
    fields["error"] = type(first).__name__
    if isinstance(first, TranscriberError | OSError) or fields.get("level") == "debug":
        fields["error_message"] = str(first)
    if stack := traceback.extract_tb(first.__traceback__):
        # The innermost call first: a shipper that cuts a long line leaves what matters.
        fields["error_stack"] = " < ".join(f"{_place(call.filename)}:{call.lineno} {call.name}" for call in stack[::-1])
    if causes:
        fields["error_cause"] = " < ".join(type(cause).__name__ for cause in causes)
    return fields


def _exception(given: object) -> BaseException | None:
    """Return the exception of what structlog and logging take as `exc_info`: one, its triple, or True."""
    if isinstance(given, tuple):
        given = cast("tuple[object, ...]", given)[1]
    if isinstance(given, BaseException):
        return given
    return sys.exception() if given else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Go from an error to what caused it. A group, which only says that tasks ran beside, gives way to its first."""
    seen = set[int]()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        if isinstance(following, BaseExceptionGroup):
            following = cast("BaseExceptionGroup[BaseException]", following).exceptions[0]
            continue
        yield following
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)


def _place(filename: str) -> str:
    """Return the end of a path that names the module, without the folders of whose machine it is."""
    return "/".join(Path(filename).parts[-2:])


def drop_private(_: object, __: str, fields: Fields) -> Fields:
    """Leave plain values only: numbers, text, and lists of them; anything else is replaced by the name of its type.

    Above level debug the private keys are dropped, since they may hold what was said, also those of nested mappings,
    which become flat: a key is joined to the outer one by an underscore.
    """
    private = frozenset[str]() if fields.get("level") == "debug" else PRIVATE
    return dict(_flat("", fields, private))


def _flat(prefix: str, fields: Mapping[str, Any], private: frozenset[str]) -> Iterator[tuple[str, Any]]:
    for key, value in fields.items():
        if key in private:
            continue
        if isinstance(value, dict):
            yield from _flat(f"{prefix}{key}_", cast("dict[str, Any]", value), private)
        else:
            yield f"{prefix}{key}", _plain(value)


def _plain(value: object) -> object:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Enum():
            return _plain(value.value)
        case Path() | datetime():
            return str(value)
        case list() | tuple():
            return [_plain(each) for each in cast("list[object]", value)]
        case _:
            return type(value).__name__


def complete(_: object, __: str, fields: Fields) -> Fields:
    """Add the version of the schema, and put the keys that every reader looks for in front."""
    fields["v"] = VERSION
    return {key: fields[key] for key in FIRST if key in fields} | dict(fields)


def to_json(_: object, __: str, fields: Fields) -> bytes:
    """Return the line."""
    try:
        return msgspec.json.encode(fields) + b"\n"
    except (ValueError, OverflowError):
        # Text from the system may hold halves of characters, and a number more than 64 bits.
        return msgspec.json.encode({key: ascii(value) for key, value in fields.items()}) + b"\n"
