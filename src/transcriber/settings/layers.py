"""The layers that settings are given in: a TOML file and the environment, each flattened to dotted keys.

A value remembers its origin, so that a message can say where it was given, whichever layer it came from.
"""

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import msgspec

from transcriber.errors import ConfigError
from transcriber.settings.reference import accepted
from transcriber.settings.schema import Section, Settings

PREFIX = "TRANSCRIBER_"

SECTIONS: Mapping[str, type[Section]] = {
    field.name: field.type
    for field in msgspec.structs.fields(Settings)
    if isinstance(field.type, type) and issubclass(field.type, Section)
}
"""The tables of the file; `tracks`, an array of tables, is not among them."""

KEYS: Mapping[str, Any] = {
    f"{section}.{field.name}": field.type
    for section, kind in SECTIONS.items()
    for field in msgspec.structs.fields(kind)
} | {field.name: field.type for field in msgspec.structs.fields(Settings) if field.name not in SECTIONS}
"""Every dotted key and its annotated type."""


@dataclass(frozen=True, slots=True)
class Given:
    """A value as a layer gave it. `text` marks one that arrived as text whatever its type is."""

    value: object
    origin: str
    text: bool = False


def from_file(path: Path) -> dict[str, Given]:
    """Return what a TOML file gives.

    Raises:
        ConfigError: it cannot be read, is not TOML, or has a value where a table belongs.

    """
    origin = f"file {path}"
    text = ""
    try:
        # Editors on Windows put a byte-order mark in front, which TOML does not know.
        text = path.read_text(encoding="utf-8-sig")
        document = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"settings cannot be read: {error.strerror or error} ({origin})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"settings are not UTF-8 text: byte {error.start} ({origin})") from error
    except tomllib.TOMLDecodeError as error:
        # The parser gives a line, but for what is still open where the file ends.
        where = f"at line {len(text.splitlines())}, the end"
        raise ConfigError(
            f"settings are not TOML: {str(error).replace('at end of document', where)} ({origin})"
        ) from error
    return {key: Given(value, origin) for key, value in _flatten(document, origin)}


def _flatten(document: Mapping[str, object], origin: str) -> Iterator[tuple[str, object]]:
    for name, value in document.items():
        if name not in SECTIONS:
            # Left whole: either a known key without a section, or one that `trace` refuses by this name.
            yield name, value
        elif isinstance(value, dict):
            yield from ((f"{name}.{key}", inner) for key, inner in cast("dict[str, object]", value).items())
        else:
            raise ConfigError(f"{name}: a table [{name}] is accepted, not {shown(value)} ({origin})")


def from_environment(environ: Mapping[str, str]) -> dict[str, Given]:
    """Return what the environment gives. Names without a section are left alone, but for `TRANSCRIBER_TRACKS`.

    Raises:
        ConfigError: a name has one underscore where the two between section and key belong, or tracks are not TOML.

    """
    given: dict[str, Given] = {}
    for variable, value in environ.items():
        if not variable.upper().startswith(PREFIX):
            continue
        origin = f"variable {variable}"
        key = variable[len(PREFIX) :].lower().replace("__", ".", 1)
        if "." in key:
            given[key] = Given(value, origin, text=True)
        elif key in KEYS:
            given[key] = Given(_toml_value(value, key, origin), origin)
        elif key.partition("_")[0] in SECTIONS:
            # The two underscores between section and key are easily written as one, and would be ignored.
            raise ConfigError(f"{variable}: no such setting{nearest(variable, [variable_of(known) for known in KEYS])}")
    return given


def variable_of(key: str) -> str:
    """Return the name of the environment variable that sets a dotted key."""
    return PREFIX + key.replace(".", "__").upper()


def _toml_value(text: str, key: str, origin: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{key}: {accepted(KEYS[key])} is accepted, as TOML: {error} ({origin})") from error


def nearest(key: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown key: the known one that it may have meant, if there is one."""
    matches = difflib.get_close_matches(key, list(known), n=1)
    return f"; did you mean {matches[0]}?" if matches else ""


def shown(value: object) -> str:
    """Return a value as it may stand in a message of one line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - about half a line of a terminal
