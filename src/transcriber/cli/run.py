"""`transcriber run`: record and transcribe until stopped."""

from collections.abc import Sequence
from pathlib import Path

import anyio
import click

from transcriber.app.reporting import Log
from transcriber.app.transcriber import Transcriber
from transcriber.cli import options
from transcriber.cli.live import LiveRun
from transcriber.cli.objectives import parse_objectives
from transcriber.core.source_spec import parse_source, parse_sources, split_name
from transcriber.errors import ConfigError
from transcriber.plugins import schemes
from transcriber.settings import Track


@click.command("run")
@click.option(
    "--source",
    "sources",
    multiple=True,
    metavar="[NAME=]SOURCE",
    help="What to record; each is a track: loopback[:NAME], microphone[:NAME], file:PATH or pcm:-. "
    "Default: the default loopback.",
)
@click.option(
    "--fallback",
    "fallbacks",
    multiple=True,
    metavar="[NAME=]SOURCE",
    help="Source to go on with while a track's own is gone; several are tried in order. With several tracks the n-th "
    "belongs to the n-th --source, unless NAME says to which.",
)
@options.model
@options.language
@options.sessions
@options.setting("--name", "session.name", "NAME")
@options.setting("--pace", "capture.pace")
@options.setting("--source-quality", "storage.source_quality")
@click.option("--duration", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="End after so long.")
@options.setting("--format", "output.format")
@click.option(
    "--require",
    metavar="OBJECTIVES",
    help="Exit with 6 unless they are met, for example 'coverage>=1.0,commit_p95<=2.5'.",
)
@options.setting("--status-port", "status.port", "N")
@options.switch("--no-status", "status.enabled", value=False, words="No status page.")
@options.config
@options.logs
def command(
    sources: Sequence[str],
    fallbacks: Sequence[str],
    duration: float | None,
    require: str | None,
    config: Path | None,
) -> None:
    """Record and transcribe until stopped.

    Ctrl-C ends the recording and transcribes what is left of it; a second one leaves the rest to `transcriber resume`.
    """
    objectives = parse_objectives(require) if require else ()
    settings = options.load_settings(config, make_tracks(sources, fallbacks))

    def make(log: Log) -> Transcriber:
        return Transcriber(settings, duration=duration, log=log, backlog=True)

    run = LiveRun(settings, make, objectives, settings.status)
    anyio.run(run.run)


def make_tracks(sources: Sequence[str], fallbacks: Sequence[str]) -> Sequence[Track]:
    """Return the tracks that the flags name.

    Raises:
        ConfigError: a source is wrong, or it is not clear what a fallback stands in for.

    """
    specs = parse_sources(sources, schemes=schemes())
    standins: dict[str, list[str]] = {spec.track: [] for spec in specs}
    unnamed = iter(standins)
    for text in fallbacks:
        name, source = split_name(text)
        if name is None:
            name = next(iter(standins) if len(standins) == 1 else unnamed, None)
        if name not in standins:
            raise ConfigError(f"--fallback {text}: no such track; give one --source before each, or write NAME=SOURCE")
        standins[name].append(str(parse_source(source, schemes=schemes())))
    return [Track(name=spec.track, source=str(spec), fallbacks=tuple(standins[spec.track])) for spec in specs]
