"""`transcriber resume`: finish what a crash or an overload left."""

from collections.abc import Sequence
from pathlib import Path

import anyio
import click
from msgspec.structs import replace

from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_index import find, unfinished
from transcriber.app.resuming import as_begun
from transcriber.app.transcriber import Transcriber
from transcriber.cli import options
from transcriber.cli.errors import report
from transcriber.cli.live import LiveRun
from transcriber.cli.view.wording import count
from transcriber.settings import Settings


@click.command("resume")
@click.argument("sessions", nargs=-1, metavar="[SESSION]...")
@options.model
@options.language
@options.sessions
@options.setting("--format", "output.format")
@options.config
@options.logs
@click.pass_context
def command(ctx: click.Context, sessions: Sequence[str], config: Path | None) -> None:
    """Repair SESSION (an id or a folder) where need be, and transcribe the rest of its recording.

    Without SESSION all that are unfinished, oldest first: what fails is told, and the next one goes on. Each with the
    model and the language that it was begun with, unless others are named here.
    """
    settings = options.load_settings(config)
    place = settings.session.place
    if sessions:
        named = [SessionFolder.view(find(place, session)) for session in sessions]
        for complete in (folder for folder in named if folder.clean):
            click.echo(f"{complete.id} is complete: there is nothing to resume", err=True)
        left = [folder for folder in named if not folder.clean]
    else:
        left = unfinished(place)
        if not left:
            click.echo(f"nothing to resume in {place}", err=True)
    ctx.exit(_resume_all(left, settings, debug=ctx.obj["debug"]))


def _resume_all(folders: Sequence[SessionFolder], settings: Settings, *, debug: bool) -> int:
    """Resume one after the other, until one is interrupted; return the exit code of the first that failed, or 0."""
    failed: list[int] = []
    finished = 0
    for folder in folders:
        run = _run(folder, _as_begun(settings, folder))
        try:
            anyio.run(run.run)
        except (click.Abort, BrokenPipeError):
            raise
        except Exception as error:  # noqa: BLE001 - told as at the end of the program; others follow
            failed.append(report(error, debug=debug))
        else:
            finished += 1
        if run.stopped:
            break
    if finished < len(folders) and len(folders) > 1:
        left = count(len(folders) - finished, "session")
        click.echo(f"{left} of {len(folders)} still to be finished: transcriber resume", err=True)
    return failed[0] if failed else 0


def _run(folder: SessionFolder, settings: Settings) -> LiveRun:
    return LiveRun(settings, lambda log: Transcriber(settings, resume=folder.path, log=log))


def _as_begun(settings: Settings, folder: SessionFolder) -> Settings:
    """Return the settings that the session was begun with, but for those that the command line names."""
    begun, given = as_begun(settings, folder.manifest), options.given()
    named = {key: getattr(settings.engine, key) for key in ("model", "language") if f"engine.{key}" in given}
    return replace(begun, engine=replace(begun.engine, **named))
