"""The file that holds the token of the status page, for programs that read it: only its owner may."""

import os
from pathlib import Path
from secrets import token_urlsafe

from transcriber.adapters.disk_files import FILE_MODE, FOLDER_MODE
from transcriber.errors import ConfigError


def read_token(path: Path) -> str:
    """Return the token in a file, which is made with a new one if it is not there.

    Raises:
        ConfigError: it cannot be read or made, or others may read it.

    """
    try:
        path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        except FileExistsError:
            pass
        else:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(token_urlsafe(32) + "\n")
        if os.name != "nt" and path.stat().st_mode & 0o077:
            raise ConfigError(f"status.token_file: others may read {path}; chmod 600 it")
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"status.token_file: {path}: {error.strerror or error}; choose another file") from error
