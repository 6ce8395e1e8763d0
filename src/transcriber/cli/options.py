"""Options that commands share. An option that is a setting takes its help and its choices from the setting."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import click

from transcriber.settings import KEYS, Loaded, Settings, Track, descriptions, trace

_META = "transcriber.cli.options"

type Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

config: Decorator = click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Settings file; TRANSCRIBER_CONFIG names one as well.",
)
"""Gives the command a parameter `config: Path | None`."""


def setting(flag: str, key: str, metavar: str | None = None) -> Decorator:
    """Return the option that sets a dotted key. Its value does not reach the command, but `load_settings` does."""

    def remember(ctx: click.Context, _: click.Parameter, value: object) -> None:
        if value is not None:
            ctx.meta.setdefault(_META, {})[key] = (flag, value)

    kind = get_args(KEYS[key])[0]
    choices = get_args(kind)
    return click.option(
        flag,
        f"_{key.replace('.', '_')}",
        type=click.Choice(choices) if choices else kind,
        is_flag=kind is bool,
        default=None,
        metavar=metavar,
        help=descriptions()[key].replace("`", ""),
        callback=remember,
        expose_value=False,
    )


def switch(flag: str, key: str, value: object, words: str) -> Decorator:
    """Return the flag that gives a dotted key this value."""

    def remember(ctx: click.Context, _: click.Parameter, given: object) -> None:
        if given:
            ctx.meta.setdefault(_META, {})[key] = (flag, value)

    return click.option(flag, is_flag=True, help=words, callback=remember, expose_value=False)


sessions = setting("--sessions", "session.folder", "DIR")
model = setting("--model", "engine.model", "NAME|PATH")
language = setting("--language", "engine.language", "CODE")


def logs(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the three options about logs."""
    for option in (
        setting("--log-level", "logs.level"),
        setting("--log-file", "logs.file", "FILE"),
        setting("--log-format", "logs.format"),
    ):
        command = option(command)
    return command


def given() -> dict[str, tuple[str, object]]:
    """Return the settings that the running command was given: dotted key → flag, value."""
    return dict(click.get_current_context().meta.get(_META, {}))


def load_settings(file: Path | None, tracks: Sequence[Track] = ()) -> Settings:
    """Return the settings of the running command: file, environment, its flags, and its tracks if it names any.

    Raises:
        ConfigError: a setting is wrong.

    """
    return trace_settings(file, tracks).settings


def trace_settings(file: Path | None, tracks: Sequence[Track] = ()) -> Loaded:
    """Return what `load_settings` does, and where each value came from."""
    flags: Mapping[str, tuple[str, object]] = given() | ({"tracks": ("--source", tracks)} if tracks else {})
    return trace(
        file,
        os.environ,
        {key: value for key, (_, value) in flags.items()},
        flag_names={key: flag for key, (flag, _) in flags.items()},
    )
