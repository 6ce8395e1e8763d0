"""Names that are safe as a file name on every platform, and the id of a session."""

import re
import unicodedata
from datetime import UTC, datetime

from transcriber.errors import ConfigError
from transcriber.types import TrackName

MAX_LENGTH = 64

_NAME = re.compile(r"[A-Za-z0-9_-]([A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?")
_STAMP, _STAMP_LENGTH = "%Y-%m-%dT%H-%M-%SZ", len("2026-11-23T09-15-02Z")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
"""Windows takes these for devices in every folder and with every suffix."""


def is_safe(name: str) -> bool:
    """Tell whether `name` may name a session or a track.

    Letters, digits, `.`, `_`, `-`, at most 64; no dot at either end (hidden on Unix, dropped by Windows); no name of a
    Windows device.

    >>> [is_safe(name) for name in ("standup", "a.b", ".hidden", "con", "nul.txt", "")]
    [True, True, False, False, False, False]
    """
    return _NAME.fullmatch(name) is not None and _RESERVED.fullmatch(name) is None


def check_name(name: str, what: str = "name") -> str:
    """Return `name` if it is safe.

    Raises:
        ConfigError: it is not; the message proposes one that is.

    """
    if not is_safe(name):
        raise ConfigError(
            f"{what} {name!r} cannot name a folder: use letters, digits, '.', '_', '-' (at most {MAX_LENGTH}), "
            f"for example {safe_name(name)!r}"
        )
    return name


def track_name(name: str) -> TrackName:
    """Return `name` as a track's.

    Raises:
        ConfigError: it is not safe as a file name.

    """
    return TrackName(check_name(name, "track"))


def safe_name(text: str, default: str = "session") -> str:
    """Make a safe name from free text.

    >>> safe_name("Réunion: Zürich / Genève")
    'Reunion-Zurich-Geneve'
    >>> safe_name("con")
    'session-con'
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    name = _UNSAFE.sub("-", plain)[:MAX_LENGTH].strip("-.") or default
    return name if is_safe(name) else f"{default}-{name}"[:MAX_LENGTH].rstrip("-.")


def session_id(created: datetime, name: str | None = None) -> str:
    """Return the id of a session: when it began, in UTC, and its name. Ids sort by time.

    >>> session_id(datetime(2026, 11, 23, 9, 15, 2, tzinfo=UTC), "standup")
    '2026-11-23T09-15-02Z-standup'
    """
    stamp = created.astimezone(UTC).strftime(_STAMP)
    return f"{stamp}-{check_name(name)}" if name else stamp


def parse_session_id(text: str) -> tuple[datetime | None, str | None]:
    """Return when a session with this id began, and its name; None for what the id does not tell.

    >>> parse_session_id("2026-11-23T09-15-02Z-standup")[1]
    'standup'
    >>> parse_session_id("copy of standup")
    (None, None)
    """
    stamp, name = text[:_STAMP_LENGTH], text[_STAMP_LENGTH + 1 :]
    try:
        return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC), name or None
    except ValueError:
        return None, None
