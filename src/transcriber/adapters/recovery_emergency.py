"""What emergency files hold, on its way home: what can be merged, and what is kept aside before they are removed."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from transcriber.adapters import emergency_file
from transcriber.adapters.recovery_track import set_aside
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.transcript_db import RESERVED, TranscriptDatabase
from transcriber.core import piece_codec
from transcriber.core.record_log import Damage
from transcriber.core.transcript_entry import Entry, from_held
from transcriber.types import Block, Gap, TrackName


def held_pieces(session: SessionFolder, track: TrackName) -> Sequence[Block | Gap]:
    """Return what is held of a track, in order; where something is damaged, there is a hole.

    Raises:
        StorageError: it cannot be read.

    """
    found = emergency_file.salvaged(session.emergency(track))
    return [piece_codec.decode(content) for content in found if isinstance(content, bytes)]


def held_entries(session: SessionFolder) -> Sequence[tuple[Entry, int] | Damage]:
    """Return what is held of the transcript, each entry with the number of the event before it.

    Raises:
        StorageError: it cannot be read.

    """
    found = emergency_file.salvaged(session.transcript_emergency)
    return [content if isinstance(content, Damage) else from_held(content) for content in found]


def mergeable(held: Sequence[tuple[Entry, int] | Damage], database: TranscriptDatabase) -> Iterator[Entry]:
    """Yield the entries that may be stored, whether those before were stored meanwhile or not.

    None follows one that is missing, here or in the database: it would move the cursor over what that one said, which
    is transcribed again instead.
    """
    newest: int | None = None
    for found in held:
        if isinstance(found, Damage):
            return
        entry, after = found
        number = entry.envelope and entry.envelope.seq
        if after == newest or _follows(database, after) or (number and _is_stored(database, number)):
            newest = number or newest
            yield entry
        elif number:
            return


def unmergeable(held: Sequence[tuple[Entry, int] | Damage], database: TranscriptDatabase) -> int:
    """Return how many whole entries `mergeable` leaves out."""
    return sum(not isinstance(found, Damage) for found in held) - sum(1 for _ in mergeable(held, database))


def merge_transcript(session: SessionFolder, database: TranscriptDatabase) -> Sequence[str]:
    """Store what is held of the transcript; return what was done, a line each.

    Raises:
        StorageError: the disk failed.
        OSError: so it did.

    """
    held = held_entries(session)
    numbers = [found[0].envelope.seq for found in held if isinstance(found, tuple) and found[0].envelope is not None]
    if numbers:
        database.reserve_up_to(max(numbers) + RESERVED)
    actions: list[str] = []
    file = session.transcript_emergency
    if left := unmergeable(held, database):
        set_aside(session.damaged, f"{file.name}-emergency", emergency_file.read_part(file, Damage(0, None)))
        actions.append(f"{file}: {left} entries follow one that is missing, and are set aside")
    merged = 0
    for entry in mergeable(held, database):
        with suppress(ValueError):  # it contradicts what is there: the database had more than was known
            merged += database.store(entry)
    if merged:
        actions.append(f"{session.database}: {merged} entries of the emergency file merged")
    return actions


def remove_emergencies(session: SessionFolder) -> Sequence[str]:
    """Remove the files, whose content is home, once what is damaged in them is aside; return a line for each such part.

    Raises:
        OSError: the disk failed.

    """
    aside: list[str] = []
    for file in files(session):
        for damage in emergency_file.salvaged(file):
            if isinstance(damage, Damage) and (part := emergency_file.read_part(file, damage)):
                set_aside(session.damaged, f"{file.name}-emergency", part)
                aside.append(f"{file}: {len(part)} bytes that are not whole set aside")
    shutil.rmtree(session.emergencies, ignore_errors=True)
    return aside


def files(session: SessionFolder) -> Sequence[Path]:
    """Return the emergency files that a session may have."""
    return [*map(session.emergency, session.tracks), session.transcript_emergency]


def _follows(database: TranscriptDatabase, after: int) -> bool:
    """Tell whether the event before an entry is stored; the first of all has none before it."""
    return _is_stored(database, after) if after else not database.newest()


def _is_stored(database: TranscriptDatabase, number: int) -> bool:
    return any(found == number for found, _ in database.events(number - 1, limit=1))
