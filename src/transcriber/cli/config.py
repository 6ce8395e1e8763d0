"""`transcriber config`: check a settings file, show what is in effect, or print the JSON Schema."""

from pathlib import Path

import click
import msgspec

from transcriber.cli import options
from transcriber.core.source_spec import BUILT_IN, parse_sources
from transcriber.plugins import schemes
from transcriber.settings import Settings, to_toml


@click.group()
def command() -> None:
    """Check or show the settings, or their schema."""


@command.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
def check(file: Path | None) -> None:
    """Check FILE (else the file that TRANSCRIBER_CONFIG names), with the environment on top of it."""
    loaded = options.trace_settings(file)
    _check_sources(loaded.settings)
    given = len(loaded.origins)
    click.echo(f"ok: {given} {'setting' if given == 1 else 'settings'} given, the others at their defaults")


def _check_sources(settings: Settings) -> None:
    known = {*BUILT_IN, *schemes()}
    parse_sources((track.source for track in settings.tracks), schemes=known)
    parse_sources((text for track in settings.tracks for text in track.fallbacks), schemes=known)


@command.command()
@options.config
def show(config: Path | None) -> None:
    """Print the settings in effect as TOML, and where those came from that were given."""
    loaded = options.trace_settings(config)
    click.echo(to_toml(loaded.settings, lambda key: loaded.origins.get(key, "")), nl=False)


@command.command()
def schema() -> None:
    """Print the JSON Schema of the settings file."""
    click.echo(msgspec.json.format(msgspec.json.encode(msgspec.json.schema(Settings)), indent=2))
