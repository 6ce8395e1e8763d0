"""Sources by scheme, from the entry points of whatever is installed.

What Transcriber brings is registered as third parties register theirs, in the group `transcriber.sources`: the name of
an entry point is the scheme, its object a `SourceFactory`. Nothing is imported until a source of its scheme is made.
"""

from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, cast

from transcriber.core.source_spec import SourceSpec
from transcriber.errors import ConfigError
from transcriber.ports import Source
from transcriber.types import CaptureOptions

GROUP = "transcriber.sources"


class SourceFactory(Protocol):
    """Makes the source of a spec. Nothing is opened yet."""

    def __call__(self, spec: SourceSpec, options: CaptureOptions) -> Source:
        """Return the source.

        Raises:
            ConfigError: the spec is wrong.

        """
        ...


def schemes() -> tuple[str, ...]:
    """Return the schemes that a source may have, in alphabetical order."""
    return tuple(sorted(entry_points(group=GROUP).names))


def make_source(spec: SourceSpec, options: CaptureOptions) -> Source:
    """Return the source of a spec.

    Raises:
        ConfigError: none or more than one has this scheme, it cannot be imported, or the spec is wrong.

    """
    found = entry_points(group=GROUP, name=spec.scheme)
    if not found:
        raise ConfigError(
            f"source {spec!s}: no such scheme {spec.scheme!r}; there are {', '.join(schemes()) or 'none'}"
        )
    if len(found) > 1:
        raise ConfigError(
            f"source {spec!s}: its scheme is registered by {' and by '.join(map(_owner, found))}; keep one"
        )
    return _load(next(iter(found)))(spec, options)


def _load(entry: EntryPoint) -> SourceFactory:
    try:
        return cast("SourceFactory", entry.load())
    except Exception as error:  # whatever a module of someone else does while it is imported
        raise ConfigError(
            f"source {entry.name}: {_owner(entry)} registers it as {entry.value}, which cannot be imported: {error!r}"
        ) from error


def _owner(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unnamed distribution"
