"""`transcriber resume`: finish what a crash or an overload left."""

from pathlib import Path

import anyio
import click
from msgspec.structs import replace

from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_index import find
from transcriber.app.transcriber import Transcriber
from transcriber.cli import options
from transcriber.cli.live import LiveRun
from transcriber.settings import Settings


@click.command("resume")
@click.argument("session", metavar="SESSION")
@options.model
@options.language
@options.sessions
@options.setting("--format", "output.format")
@options.config
@options.logs
def command(session: str, config: Path | None) -> None:
    """Repair SESSION (an id or a folder) where need be, and transcribe the rest of its recording.

    With the model and the language that it was begun with, unless others are named here.
    """
    settings = options.load_settings(config)
    folder = SessionFolder.view(find(settings.session.place, session))
    if folder.clean:
        click.echo(f"{folder.id} is complete: there is nothing to resume", err=True)
        return
    settings = _as_begun(settings, folder)
    run = LiveRun(settings, lambda log: Transcriber(settings, resume=folder.path, log=log))
    anyio.run(run.run)


def _as_begun(settings: Settings, folder: SessionFolder) -> Settings:
    asked = {"model": folder.manifest.model, "language": folder.manifest.language or "auto"}
    begun = {name: value for name, value in asked.items() if f"engine.{name}" not in options.given()}
    return replace(settings, engine=replace(settings.engine, **begun))
