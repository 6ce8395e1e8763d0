"""Which sessions in a folder have been kept for long enough, by what is on disk."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from transcriber.adapters.session_folder_index import SessionEntry, SessionState, list_sessions
from transcriber.core.retention import RetentionRules, StoredSession, to_remove
from transcriber.types import seconds


def sessions_to_remove(parent: Path, rules: RetentionRules) -> Sequence[SessionEntry]:
    """Return the sessions in a folder that are to go by `rules`, the oldest first; nothing is removed.

    Raises:
        StorageError: the folder cannot be read. One that is not there holds no session.

    """
    entries = {entry.path.name: entry for entry in list_sessions(parent)}
    stored = [_stored(name, entry) for name, entry in entries.items()]
    return [entries[one.id] for one in to_remove(stored, rules, datetime.now(UTC))]


def _stored(name: str, entry: SessionEntry) -> StoredSession:
    return StoredSession(
        id=name,
        ended=entry.created + timedelta(seconds=seconds(max(entry.captured.values(), default=0))),
        size=entry.size,
        running=entry.state is SessionState.RUNNING,
        complete=entry.state is SessionState.CLEAN,
    )
