"""Archiving beside a recording: the sessions that are complete, then the files of this one, as they are closed."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import anyio
import anyio.to_thread

from transcriber.adapters.archive import Archived, SessionArchive, archive_session
from transcriber.adapters.session_folder_index import SessionEntry, SessionState, list_sessions
from transcriber.adapters.session_retention import sessions_to_remove
from transcriber.app.reporting import brief
from transcriber.app.retention import retention_rules
from transcriber.app.services import Services
from transcriber.errors import StorageError
from transcriber.supervision import ChildSpec

INTERVAL = 60.0
"""Seconds between two looks for files that were closed: a track closes one every five minutes."""


@dataclass(frozen=True, slots=True)
class Archiving:
    """Archives in a thread, one session at a time, until it is cancelled. A failure is a line in the log."""

    services: Services

    def children(self) -> tuple[ChildSpec, ...]:
        """Return it as a child of a session's tree; none unless the settings ask for it."""
        child = ChildSpec(name="archiving", start=lambda: self, essential=False)
        return (child,) if self.services.settings.storage.archive == "flac" else ()

    async def run(self) -> None:
        """Archive what is there, then what comes. A cancellation waits for no file."""
        ended = threading.Event()
        try:
            await self._run(lambda: not ended.is_set())
        finally:
            ended.set()

    async def _run(self, go_on: Callable[[], bool]) -> None:
        services = self.services
        for entry in await self._attempt(self._complete) or ():
            await self._archive(entry.id, partial(archive_session, entry.path, go_on))
        session = SessionArchive(services.folder, go_on)
        while True:
            until = {track: services.tally.of(track).coverage.position for track in services.folder.tracks}
            await self._archive(services.folder.id, partial(session.archive, until))
            await anyio.sleep(INTERVAL)

    def _complete(self) -> list[SessionEntry]:
        """Return the sessions that are complete, and do not go by the rules of retention."""
        parent = self.services.settings.session.place.absolute()
        going = {entry.path for entry in sessions_to_remove(parent, retention_rules(self.services.settings))}
        entries = list_sessions(parent)
        return [entry for entry in entries if entry.state is SessionState.CLEAN and entry.path not in going]

    async def _archive(self, session: str, archive: Callable[[], Archived]) -> None:
        log, done = self.services.log, await self._attempt(archive)
        if done is None:
            return
        for file, reason in done.refused.items():
            log.warning("file_not_archived", component="archiving", id=session, file=file, reason=reason)
        if done.files:
            counts = {"files": done.files, "bytes_before": done.before, "bytes_after": done.after}
            log.info("files_archived", component="archiving", id=session, **counts)

    async def _attempt[T](self, call: Callable[[], T]) -> T | None:
        try:
            return await anyio.to_thread.run_sync(call, abandon_on_cancel=True)
        except StorageError as error:
            self.services.log.warning("archiving_failed", component="archiving", reason=brief(error))
            return None
