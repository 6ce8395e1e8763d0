"""A session that is being recorded, after somebody removed files of it: made anew, so that it can go on.

What was recorded and is gone is named in the journal, as a gap with the reason `disk`. The transcript is not made anew
here: `resume` makes it from what is left of the audio.
"""

import errno
from collections.abc import Collection, Sequence
from pathlib import Path

from transcriber.adapters import disk_files
from transcriber.adapters.sample_files import SampleFiles
from transcriber.adapters.session_folder import SessionFolder
from transcriber.core import journal, wav
from transcriber.core.journal_repair import repaired
from transcriber.types import Gap, GapReason, Position, TrackName


class SessionRemake:
    """Makes anew what was removed of a session, which this process writes. Blocking."""

    def __init__(self, session: SessionFolder) -> None:
        self._session = session
        self._device = session.path.parent.stat().st_dev

    def track(self, name: TrackName, durable: Position, gaps: Sequence[Gap]) -> None:
        """Have the folders, `session.json` and the lock there, and a journal that covers `[0, durable)` of a track.

        `gaps` is what was missing of it already.

        Raises:
            StorageError: it cannot be made; or the folder went away with its disk, which may come back.

        """
        session = self._session
        try:
            if not session.path.exists() and session.path.parent.stat().st_dev != self._device:
                raise FileNotFoundError(errno.ENOENT, "its disk is not there", str(session.path))
            for folder in (session.path, session.path / "journal", session.path / "audio", session.audio(name)):
                if not folder.exists():
                    disk_files.make_folder(folder)
            if not (session.path / "session.json").exists():
                session.save(session.manifest)
            session.relock()
            _remake_journal(session.audio(name), session.journal(name), durable, gaps)
        except OSError as error:
            raise disk_files.explain(error, session.path) from error


def _remake_journal(audio: Path, journal_file: Path, durable: Position, gaps: Sequence[Gap]) -> None:
    """Nothing after `durable` is trusted: it is still in memory."""
    before = journal_file.read_bytes() if journal_file.exists() else b""
    found = [record for record in journal.scan(before) if isinstance(record, journal.Audio | journal.Clock)]
    known = sorted([*(record for record in found if _place(record) < durable), *gaps], key=_place)
    with SampleFiles(audio) as samples:
        there = {index: wav.whole_samples(samples.path(index).stat().st_size) for index in samples.wavs()}
        there |= {index: samples.readable(index) for index in samples.archived()}
        files = {
            index: min(count, durable - wav.file_start(index), wav.FILE_SAMPLES)
            for index, count in there.items()
            if wav.file_start(index) < durable
        }
        records = repaired(known, files, samples.checksum, at_least=durable)
    disk_files.replace(journal_file, journal.encode_all(_named(records, set(known))))
    disk_files.sync_folder(audio)


def _place(record: journal.Audio | journal.Clock | Gap) -> Position:
    return record.position if isinstance(record, journal.Clock) else record.start


def _named(records: Sequence[journal.Record], known: Collection[journal.Record]) -> Sequence[journal.Record]:
    """Return the records; what is missing only now was recorded and could not be kept, in as few gaps as can be."""
    named: list[journal.Record] = []
    for record in records:
        if isinstance(record, Gap) and record not in known:
            start = record.start
            if named and isinstance(last := named[-1], Gap) and last not in known:
                start = last.start
                named.pop()
            named.append(Gap(start, record.end, GapReason.DISK))
        elif not isinstance(record, journal.End):
            named.append(record)
    return named
