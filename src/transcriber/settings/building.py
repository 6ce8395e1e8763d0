"""Values that were given become settings, or an error that says which key, what is accepted, and where it was given."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import msgspec

from transcriber.errors import ConfigError
from transcriber.settings.layers import KEYS, SECTIONS, Given, nearest, shown
from transcriber.settings.reference import accepted
from transcriber.settings.schema import Section, Settings, Track


def build(given: Mapping[str, Given]) -> Settings:
    """Return the defaults with what was given in their place.

    Raises:
        ConfigError: a key is unknown, or a value is not accepted, alone or beside the others.

    """
    values = {key: _value(key, entry) for key, entry in given.items()}
    whole: dict[str, Any] = {}
    for name, section in SECTIONS.items():
        prefix = f"{name}."
        inner = {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}
        whole[name] = _construct(section, inner, prefix, (given[prefix + key].origin for key in inner))
    whole |= {key: value for key, value in values.items() if "." not in key}
    return _construct(Settings, whole, "", (given[key].origin for key in values if "." not in key))


def _value(key: str, entry: Given) -> object:
    if key not in KEYS:
        raise ConfigError(f"{key}: no such setting ({entry.origin}){nearest(key, [*KEYS, *SECTIONS])}")
    return _tracks(entry) if key == "tracks" else _checked(key, entry.value, KEYS[key], entry)


def _checked[T](path: str, value: object, kind: type[T], entry: Given) -> T:
    try:
        return msgspec.convert(value, kind, strict=not entry.text)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {accepted(kind)} is accepted, not {shown(value)} ({entry.origin})") from error


def _construct[S: Section](kind: type[S], values: Mapping[str, Any], prefix: str, origins: Iterable[str]) -> S:
    """Build a table of checked values; what they must be beside each other is checked here, and names one of them."""
    try:
        return kind(**values)
    except ValueError as error:
        raise ConfigError(f"{prefix}{error} ({', '.join(sorted(set(origins)))})") from error


def _tracks(entry: Given) -> tuple[Track, ...]:
    tables = msgspec.to_builtins(entry.value)
    if not isinstance(tables, list | tuple):
        raise ConfigError(f"tracks: {accepted(KEYS['tracks'])} is accepted, not {shown(entry.value)} ({entry.origin})")
    tracks = (_track(f"tracks[{index}]", table, entry) for index, table in enumerate(cast("list[object]", tables)))
    return _checked("tracks", list(tracks), KEYS["tracks"], entry)


def _track(path: str, table: object, entry: Given) -> Track:
    """Check one table of the array by itself, so that a message names it, and the key in it."""
    fields = {field.name: field for field in msgspec.structs.fields(Track)}
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: a table is accepted, not {shown(table)} ({entry.origin})")
    given = cast("dict[str, object]", table)
    for key in given:
        if key not in fields:
            raise ConfigError(f"{path}.{key}: no such setting ({entry.origin}){nearest(key, fields)}")
    for key, field in fields.items():
        if field.required and key not in given:
            raise ConfigError(f"{path}.{key}: is missing; {accepted(field.type)} is accepted ({entry.origin})")
    values = {key: _checked(f"{path}.{key}", value, fields[key].type, entry) for key, value in given.items()}
    return _construct(Track, values, f"{path}.", [entry.origin])
