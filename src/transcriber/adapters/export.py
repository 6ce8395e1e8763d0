"""Exports: text files that appear whole or not at all."""

import os
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

import aiofiles
import aiofiles.os
from anyio import to_thread

from transcriber.adapters.disk_files import FILE_MODE, FOLDER_MODE
from transcriber.errors import StorageError

PUBLIC_FILE, PUBLIC_FOLDER = 0o666, 0o777
"""Modes less the umask, as any program's files are."""


async def write(folder: Path, name: str, text: str, *, private: bool) -> Path:
    """Write `text` to a file in `folder`, which is made if it is not there, and return its path.

    A file of that name is replaced: it is an earlier export of the same thing. Until the new one is whole and on disk
    the old one stays. `private` keeps it to its owner, for what is said is private; otherwise the umask rules.

    Raises:
        StorageError: it cannot be written, or something that is no file has the name.

    """
    mode, folder_mode = (FILE_MODE, FOLDER_MODE) if private else (PUBLIC_FILE, PUBLIC_FOLDER)
    target = folder / name
    draft = folder / f".{name}.{token_hex(4)}.tmp"
    try:
        await aiofiles.os.makedirs(folder, mode=folder_mode, exist_ok=True)
        try:
            async with aiofiles.open(draft, "xb", opener=lambda path, flags: os.open(path, flags, mode)) as file:
                await file.write(text.encode(errors="replace"))
                await file.flush()
                await to_thread.run_sync(os.fsync, file.fileno())
            await aiofiles.os.replace(draft, target)
        except BaseException:
            _discard(draft)
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"cannot write {target}: {reason}; choose another folder with --output") from error
    return target


def _discard(draft: Path) -> None:
    with suppress(OSError):
        draft.unlink()
