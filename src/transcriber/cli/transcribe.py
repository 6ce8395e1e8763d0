"""`transcriber transcribe`: files, as fast as the machine goes."""

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import anyio
import click

from transcriber.adapters import export
from transcriber.adapters.logs import open_logger
from transcriber.app.offline import Offline, Transcribed, offline
from transcriber.cli import options
from transcriber.core.document import FORMATS, Document
from transcriber.errors import ConfigError, NoModelError, StorageError, TranscriberError
from transcriber.settings import Settings


@click.command("transcribe")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path, readable=False))
@click.option(
    "--format",
    "style",
    type=click.Choice(list(FORMATS)),
    default="txt",
    show_default=True,
    help="What to write: plain text, subtitles, one JSON object, or one JSON line for each segment.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write STEM.FORMAT for each file into this folder, not to standard output.",
)
@options.model
@options.language
@options.config
@options.logs
def command(files: Sequence[Path], style: str, output: Path | None, config: Path | None) -> None:
    """Transcribe media files: anything that ffmpeg reads, video too."""
    settings = options.load_settings(config)
    for path in files:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is not there"
            raise ConfigError(f"{path} {what}: name the files to transcribe")
    anyio.run(_transcribe, settings, files, style, output)


async def _transcribe(settings: Settings, files: Sequence[Path], style: str, output: Path | None) -> None:
    names = output_names(files, style)
    failed: list[TranscriberError] = []
    # At the default level the log would repeat what the command shows anyway.
    level = "warning" if settings.logs.level == "info" else settings.logs.level
    with open_logger(style=settings.logs.format, level=level, file=settings.logs.file) as log:
        async with offline(settings, log) as engine:
            for path, name in zip(files, names, strict=True):
                try:
                    transcribed = await _one(engine, path)
                    await _write(transcribed.document, style, output, name)
                    if transcribed.fault is not None:
                        raise transcribed.fault
                except NoModelError:
                    raise
                except TranscriberError as error:
                    if len(files) == 1:
                        raise
                    click.echo(f"error: {error}" if str(path) in str(error) else f"error: {path}: {error}", err=True)
                    failed.append(error)
    if failed:
        raise type(failed[0])(f"{len(failed)} of {len(files)} files could not be transcribed to their end: see above")


async def _one(engine: Offline, path: Path) -> Transcribed:
    with _progress(path.name) as progress:
        return await engine.transcribe(path, progress)


async def _write(document: Document, style: str, output: Path | None, name: str) -> None:
    text = FORMATS[style](document)
    if output is None:
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError:
            raise  # nobody reads any more, which is no failure
        except OSError as error:
            raise StorageError(f"cannot write to standard output: {error.strerror}; name a folder: --output") from error
        return
    click.echo(await export.write(output, name, text, private=False), err=True)


def output_names(files: Sequence[Path], style: str) -> Sequence[str]:
    """Return a file name for each input: its stem, and a number where an earlier input has the same."""
    names: list[str] = []
    for path in files:
        name, count = path.stem, 1
        while f"{name}.{style}".casefold() in (taken.casefold() for taken in names):
            count += 1
            name = f"{path.stem}-{count}"
        names.append(f"{name}.{style}")
    return names


@contextmanager
def _progress(title: str) -> Generator[Callable[[float], None]]:
    """Show a bar with the time that is left on a terminal; elsewhere show nothing."""
    if not sys.stderr.isatty():
        yield lambda share: None  # noqa: ARG005 - a progress that nobody sees
        return
    from rich.console import Console  # noqa: PLC0415 - rich is for those who look
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415 - as above

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task(title, total=1.0)
        yield lambda share: bars.update(bar, completed=share)
