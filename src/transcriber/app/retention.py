"""Room for recordings: what was kept for long enough goes, and none begins where there is too little left."""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio.to_thread

from transcriber.adapters.free_space import free_space
from transcriber.adapters.session_folder_index import remove
from transcriber.adapters.session_retention import sessions_to_remove
from transcriber.app.reporting import Log, brief
from transcriber.core.retention import RetentionRules
from transcriber.core.space import REMEDY, size_in_words
from transcriber.errors import StorageError
from transcriber.settings import Settings
from transcriber.supervision import ChildSpec, Restart


@dataclass(frozen=True, slots=True)
class Retention:
    """Removes the sessions that the settings do not keep, one by one, and ends. A failure is a line in the log."""

    settings: Settings
    log: Log

    def children(self) -> tuple[ChildSpec, ...]:
        """Return it as a child of a session's tree; none where everything is kept."""
        once = ChildSpec(name="retention", start=lambda: self, restart=Restart.TEMPORARY, essential=False)
        return (once,) if retention_rules(self.settings).limited else ()

    async def run(self) -> None:
        """Remove them in a thread, for which a cancellation does not wait."""
        in_thread = partial(anyio.to_thread.run_sync, abandon_on_cancel=True)
        parent, rules = self.settings.session.place.absolute(), retention_rules(self.settings)
        try:
            gone = await in_thread(partial(sessions_to_remove, parent, rules))
        except StorageError as error:
            self.log.warning("retention_failed", component="retention", reason=brief(error))
            return
        for entry in gone:
            try:
                await in_thread(partial(remove, entry.path))
            except StorageError as error:
                self.log.warning("retention_failed", component="retention", reason=brief(error))
            else:
                self.log.info("session_removed", component="retention", id=entry.id, bytes=entry.size)


def retention_rules(settings: Settings, *, unfinished: bool = False) -> RetentionRules:
    """Return what the settings keep, where 0 means no limit."""
    given = settings.session
    return RetentionRules(given.keep_days or None, given.keep_bytes or None, unfinished=unfinished)


async def make_room(settings: Settings, log: Log) -> None:
    """See to it that a recording has room; where it has not, what is not to be kept goes first.

    Raises:
        StorageError: less than `storage.least_free` is free on the disk of the sessions.

    """
    place, least = settings.session.place.absolute(), settings.storage.least_free
    free = await _free(place)
    if free < least and retention_rules(settings).limited:
        await Retention(settings, log).run()
        free = await _free(place)
    if free < least:
        raise StorageError(
            f"{size_in_words(free)} are free on the disk of {place}, and storage.least_free asks for "
            f"{size_in_words(least)}: {REMEDY}"
        )


async def _free(place: Path) -> int:
    """Return the bytes that are free. Where that cannot be found out, all that one can wish: who writes will know."""
    free = await anyio.to_thread.run_sync(free_space, place, abandon_on_cancel=True)
    return sys.maxsize if free is None else free
