"""Repair of a session that nobody writes, whatever it was left as."""

from collections.abc import Sequence
from pathlib import Path

from transcriber.adapters.recovery import recover
from transcriber.adapters.recovery_verify import verify
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_index import SessionState


def repair(path: Path) -> Sequence[str]:
    """Recover a session, and mark it as clean if nothing is left to transcribe; return what was changed, a line each.

    It may be stopped at any step and started again: what is left undone, it does then, or `resume` does.

    Raises:
        StorageError: another process writes the session, it is newer than this program, or the disk failed.

    """
    session = SessionFolder.open(path)
    try:
        actions = recover(session).actions
        if verify(session, SessionState.CLEAN).ok:
            session.mark_clean()
    finally:
        session.close()
    return actions
