"""Settings as a TOML document that loads to equal settings."""

import json
from collections.abc import Callable, Iterator

from transcriber.settings.schema import Section, Settings, Track


def to_toml(settings: Settings, remark: Callable[[str], str]) -> str:
    """Return every setting as TOML; `remark` gives the comment above a dotted key, or nothing.

    The keys of all tracks share their remarks: `tracks.source`. A table's remark is asked for by its name.
    """
    return "\n".join(_lines(settings, remark)).lstrip("\n") + "\n"


def _lines(settings: Settings, remark: Callable[[str], str]) -> Iterator[str]:
    for name in settings.__struct_fields__:
        value: Section | tuple[Track, ...] = getattr(settings, name)
        tables = value if isinstance(value, tuple) else (value,)
        for index, table in enumerate(tables):
            yield ""
            if index == 0:
                yield from _comment(remark(name))
            yield f"[[{name}]]" if isinstance(value, tuple) else f"[{name}]"
            for key in table.__struct_fields__:
                if index == 0:
                    yield from _comment(remark(f"{name}.{key}"))
                yield f"{key} = {_literal(getattr(table, key))}"


def _comment(text: str) -> Iterator[str]:
    yield from (f"# {line}" for line in text.splitlines())


def _literal(value: str | float) -> str:
    # A basic string of TOML is one of JSON, but for DEL, which has to be escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
