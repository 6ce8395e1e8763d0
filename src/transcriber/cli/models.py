"""`transcriber models`: list, fetch and verify Whisper models."""

from pathlib import Path

import click
import msgspec

from transcriber.adapters import models, models_hub
from transcriber.core.model_catalogue import CATALOGUE, entry_named
from transcriber.errors import EngineError, NoModelError


class Row(msgspec.Struct, frozen=True):
    """A model as it is listed. `verified` is None where there is nothing to compare."""

    name: str
    bytes: int
    languages: str
    where: str | None
    verified: bool | None


@click.group()
def command() -> None:
    """List, fetch or verify Whisper models."""


@command.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def list_(*, as_json: bool) -> None:
    """List the models that have a name, and where they are on this machine."""
    here: dict[str, Path] = {}
    for local in models.present():
        here.setdefault(local.name, local.path)
    rows = [_row(name, here.get(name)) for name in CATALOGUE]
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(rows), indent=2))
        return
    for row in rows:
        where = f"{row.where} ({'verified' if row.verified else 'CHECKSUM DIFFERS'})" if row.where else "-"
        click.echo(f"{row.name:16} {row.bytes / 1e6:7.0f} MB  {row.languages:13} {where}")


@command.command()
@click.argument("name")
def fetch(name: str) -> None:
    """Download the model NAME, by its pinned revision, and verify it."""
    entry = entry_named(name)
    try:
        click.echo(models.cached(entry) or models_hub.fetch(entry))
    except NoModelError as error:
        raise NoModelError(models.ways_out(entry.name, str(error))) from error


@command.command()
@click.argument("model", metavar="[NAME|PATH]", required=False)
def verify(model: str | None) -> None:
    """Compare the checksum of a model, or of every one that is here. Exits with 1 if one differs."""
    found = [models.find(model, None)] if model else list(models.present())
    wrong = 0
    for local in found:
        if not isinstance(local, models.LocalModel):
            raise NoModelError(models.ways_out(local.name, f"{local.name} is not on this machine"))
        entry = CATALOGUE.get(local.name)
        if entry is None:
            click.echo(f"{local.name}: no checksum is known ({local.path})")
            continue
        right = models.verified(local.path, entry.sha256)
        wrong += not right
        click.echo(f"{local.name}: {'ok' if right else 'DIFFERS'} ({local.path})")
    if wrong:
        raise EngineError(f"{wrong} of {len(found)} models differ from what is known: fetch them again")


def _row(name: str, path: Path | None) -> Row:
    entry = CATALOGUE[name]
    return Row(
        name,
        entry.size,
        "English" if entry.english_only else "multilingual",
        str(path) if path else None,
        models.verified(path, entry.sha256) if path else None,
    )
