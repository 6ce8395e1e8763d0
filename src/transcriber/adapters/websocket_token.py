"""The token that a WebSocket source asks for: from the environment, or from a file of its owner's."""

import os
import secrets
from pathlib import Path

from transcriber.adapters import disk_files
from transcriber.core.listening import Listening, check_token
from transcriber.errors import ConfigError

VARIABLE = "TRANSCRIBER_WEBSOCKET_TOKEN"

_OTHERS = 0o077


def find_token(listening: Listening) -> str:
    """Return the token in the source's `token-file`, which is made if it is not there, else that in VARIABLE.

    Raises:
        ConfigError: there is neither, or the token is too short, or others may read its file.

    """
    where = f"websocket:{listening.address}"
    if listening.token_file:
        return check_token(_in_file(Path(listening.token_file).expanduser(), where), where)
    if token := os.environ.get(VARIABLE):
        return check_token(token, f"{where}: {VARIABLE}")
    raise ConfigError(f"{where}: it needs a token; add ?token-file=PATH (a new one is made there), or set {VARIABLE}")


def _in_file(path: Path, where: str) -> str:
    try:
        if not path.exists():
            disk_files.replace(path, f"{secrets.token_urlsafe(32)}\n".encode())
        if os.name == "posix" and path.stat().st_mode & _OTHERS:
            raise ConfigError(f"{where}: others may read {path}; chmod 600 {path}")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}: the token in {path} cannot be read or made: {error}") from error
