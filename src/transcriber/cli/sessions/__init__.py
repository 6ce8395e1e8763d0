"""`transcriber sessions`: what was recorded, and what to do with it.

Only `archive`, `remove`, `prune` and `verify --repair` change anything.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import click
import msgspec

from transcriber.adapters import export as files
from transcriber.adapters import session_folder_index as index
from transcriber.adapters.archive import archive_session
from transcriber.adapters.recovery_repair import repair as repair_session
from transcriber.adapters.recovery_verify import VerifyReport
from transcriber.adapters.recovery_verify import verify as verify_session
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_index import SessionEntry, SessionState
from transcriber.adapters.session_retention import sessions_to_remove
from transcriber.adapters.transcript_db import TranscriptDatabase
from transcriber.app.reading import read_document, read_originals, read_states, stem
from transcriber.app.retention import retention_rules
from transcriber.cli import options
from transcriber.cli.sessions import overview, states, verdicts
from transcriber.cli.view import wording
from transcriber.core.document import FORMATS
from transcriber.core.stamps import clock
from transcriber.errors import StorageError

FAILED = 1


def located(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say where the sessions are."""
    return options.sessions(options.config(command))


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def command() -> None:
    """List, show, export, verify, archive, search, remove or prune sessions.

    SESSION is an id, the start of one, a name or a folder.
    """


@command.command("list")
@located
@as_json
def list_(config: Path | None, *, as_json: bool) -> None:
    """List the sessions, oldest first."""
    parent = _parent(config)
    entries = index.list_sessions(parent)
    if as_json:
        _print_json([overview.overview(entry) for entry in entries])
    elif entries:
        click.echo("\n".join(overview.table(entries)))
    else:
        click.echo(f"no sessions in {parent}", err=True)


@command.command()
@click.argument("session")
@located
@click.option("--history", is_flag=True, help="Show the latest changes of state as well; JSON has them always.")
@as_json
def show(config: Path | None, session: str, *, history: bool, as_json: bool) -> None:
    """Show what is known about SESSION, and its transcript; with --json the figures and the states alone."""
    entry = _find(config, session)
    document, originals, told = read_document(entry), read_originals(entry), read_states(entry)
    if as_json:
        _print_json(overview.detail(entry, document, originals, told))
        return
    changes = states.changes(told) if history else ()
    heading = overview.heading(entry, document, originals)
    for line in (*heading, *states.table(told), *changes, *overview.transcript(document)):
        click.echo(line)


@command.command()
@click.argument("session")
@located
@click.option("--format", "style", type=click.Choice(list(FORMATS)), default="txt", show_default=True)
@click.option(
    "--output",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write a file in DIR, in the place of an earlier export, instead of to standard output.",
)
@click.option("--track", "tracks", metavar="NAME", multiple=True, help="Only this track; may be repeated.")
def export(config: Path | None, session: str, style: str, output: Path | None, tracks: tuple[str, ...]) -> None:
    """Write the transcript of SESSION as text, subtitles or JSON."""
    entry = _find(config, session)
    text = FORMATS[style](read_document(entry, tracks))
    if output is None:
        click.echo(text, nl=False)
        return
    write = partial(files.write, output, f"{stem(entry, tracks)}.{style}", text, private=True)
    click.echo(anyio.run(write), err=True)


@command.command()
@click.argument("sessions", nargs=-1, required=True, metavar="SESSION...")
@located
@click.option("--repair", is_flag=True, help="Repair what is damaged first; what that costs is then for `resume`.")
@as_json
@click.pass_context
def verify(ctx: click.Context, config: Path | None, sessions: tuple[str, ...], *, repair: bool, as_json: bool) -> None:
    """Check every checksum, position and count of each SESSION; exit 0 only if all hold."""
    told: list[verdicts.Verdict] = []
    for entry in [_find(config, session) for session in sessions]:
        report, repairs = _verified(entry, repair=repair)
        told.append(verdicts.verdict(entry, report, repairs))
        if not as_json:
            click.echo("\n".join(verdicts.lines(entry, report, repairs)))
    if as_json:
        _print_json(told)
    ctx.exit(0 if all(verdict.ok for verdict in told) else FAILED)


def _verified(entry: SessionEntry, *, repair: bool) -> tuple[VerifyReport, Sequence[str]]:
    """Return what is wrong with a session, and what was repaired before; one that is being written is left alone."""
    report = verify_session(SessionFolder.view(entry.path))
    if not repair or report.ok or index.state_of(entry.path) is SessionState.RUNNING:
        return report, ()
    repairs = repair_session(entry.path)
    return verify_session(SessionFolder.view(entry.path)), repairs


@command.command()
@click.argument("sessions", nargs=-1, required=True, metavar="SESSION...")
@located
def archive(config: Path | None, sessions: tuple[str, ...]) -> None:
    """Halve the audio of each complete SESSION: its WAV files become FLAC, the same to the bit."""
    failed = 0
    for entry in [_find(config, session) for session in sessions]:
        try:
            done = archive_session(entry.path)
        except StorageError as error:
            failed += 1
            click.echo(f"error: {error}", err=True)
        else:
            failed += bool(done.refused)
            click.echo("\n".join(overview.archived(entry, done)), err=True)
    if failed:
        raise StorageError(f"{failed} of {wording.count(len(sessions), 'session')} not archived: see above")


@command.command()
@click.argument("text")
@located
def search(config: Path | None, text: str) -> None:
    """Print the segments of all sessions that contain TEXT, or all of its words."""
    if not text.strip():
        raise click.UsageError("TEXT is empty: name what to look for")
    parent = _parent(config)
    found = False
    for line in _matches(parent, text):
        found = True
        click.echo(line)
    if not found:
        click.echo(f"nothing said like {text!r} in {parent}", err=True)


@command.command()
@click.argument("session")
@located
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(config: Path | None, session: str, *, yes: bool) -> None:
    """Delete SESSION for good: its audio and its transcript. One that is being recorded is refused."""
    entry = _find(config, session)
    if entry.state is SessionState.RUNNING:
        raise StorageError(f"{entry.id} is being recorded: stop it before you remove it")
    length = clock(max(entry.captured.values(), default=0))
    if yes or click.confirm(f"Delete {entry.id} ({length}, {overview.megabytes(entry.size)}) for good?", err=True):
        index.remove(entry.path)
        click.echo(f"removed {entry.id}", err=True)


@command.command()
@located
@options.setting("--keep-days", "session.keep_days", "DAYS")
@options.setting("--keep-bytes", "session.keep_bytes", "BYTES")
@click.option("--unfinished", is_flag=True, help="Also those that `transcriber resume` could finish.")
@click.option("--dry-run", is_flag=True, help="Only say which would be removed.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def prune(config: Path | None, *, unfinished: bool, dry_run: bool, yes: bool) -> None:
    """Delete for good the sessions that are not to be kept any longer. One that is being recorded never goes."""
    settings = options.load_settings(config)
    rules = retention_rules(settings, unfinished=unfinished)
    if not rules.limited:
        raise click.UsageError("nothing says what to keep: give --keep-days or --keep-bytes, or set session.keep_days")
    entries = sessions_to_remove(settings.session.place, rules)
    if not entries:
        click.echo(f"nothing to remove in {settings.session.place}", err=True)
        return
    click.echo("\n".join(overview.table(entries)))
    size = overview.megabytes(sum(entry.size for entry in entries))
    if not dry_run and (yes or click.confirm(f"Delete these ({size}) for good?", err=True)):
        _remove_all(entries)


def _remove_all(entries: Sequence[SessionEntry]) -> None:
    """Remove what can be removed, and then say what could not."""
    failed = 0
    for entry in entries:
        try:
            index.remove(entry.path)
        except StorageError as error:
            failed += 1
            click.echo(f"error: {error}", err=True)
        else:
            click.echo(f"removed {entry.id}", err=True)
    if failed:
        raise StorageError(f"{failed} of {wording.count(len(entries), 'session')} could not be removed: see above")


def _parent(config: Path | None) -> Path:
    return options.load_settings(config).session.place


def _find(config: Path | None, session: str) -> SessionEntry:
    return index.describe(index.find(_parent(config), session))


def _matches(parent: Path, text: str) -> Iterator[str]:
    words = re.compile("|".join(map(re.escape, {text, *text.split()})), re.IGNORECASE)
    for entry in index.list_sessions(parent):
        try:
            with closing(TranscriptDatabase.view(entry.path / "transcript.db")) as database:
                segments = database.search(text)
        except StorageError as error:
            click.echo(f"left out {entry.id}: {error}", err=True)
            continue
        for segment in segments:
            shown = words.sub(lambda match: click.style(match[0], bold=True), segment.text)
            yield f"{entry.id} [{clock(segment.start)}] {segment.track}: {shown}"


def _print_json(value: object) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))
