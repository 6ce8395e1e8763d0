"""`transcriber resume`: finish what a crash or an overload left."""

from pathlib import Path

import anyio
import click

from transcriber.adapters.session_folder_index import find
from transcriber.app.transcriber import Transcriber
from transcriber.cli import options
from transcriber.cli.live import LiveRun


@click.command("resume")
@click.argument("session", metavar="SESSION")
@options.model
@options.language
@options.sessions
@options.setting("--format", "output.format")
@options.config
@options.logs
def command(session: str, config: Path | None) -> None:
    """Repair SESSION (an id or a folder) where need be, and transcribe the rest of its recording."""
    settings = options.load_settings(config)
    folder = find(Path(settings.session.folder).expanduser(), session)
    run = LiveRun(settings, lambda log: Transcriber(settings, resume=folder, log=log))
    anyio.run(run.run)
