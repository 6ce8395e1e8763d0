"""Bring a session that was not closed in order back to one that can be read, checked and resumed.

Recovery keeps all that can be kept, and sets aside what it cuts (`damaged/`). It may be stopped at any step, by a
crash of its own, and started again: a session that is whole is not changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from transcriber.adapters import disk_files
from transcriber.adapters.original_files import repair_original
from transcriber.adapters.recovery_emergency import held_pieces, merge_transcript, remove_emergencies
from transcriber.adapters.recovery_track import RecoveredTrack, TrackRecovery, set_aside
from transcriber.adapters.recovery_transcript import recover_transcript
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_manifest import COPY, FILE, sealed
from transcriber.adapters.transcript_db import TranscriptDatabase
from transcriber.types import TrackName


@dataclass(frozen=True, slots=True)
class RecoveryReport:
    """What recovery found and did."""

    tracks: Sequence[RecoveredTrack]
    actions: Sequence[str]
    """What was changed, one line each; nothing if the session was whole."""
    transcript_cut: bool
    """True if a part of the transcript is lost: it is to be transcribed again."""


def recover(session: SessionFolder) -> RecoveryReport:
    """Repair a session that `SessionFolder.open` has locked. Blocking; reads the last WAV file of each track.

    Raises:
        StorageError: the disk failed, or a file is newer than this program. It can be tried again.

    """
    try:
        actions = _recover_manifest(session)
        transcript = recover_transcript(session)
        actions += transcript.actions
        database = TranscriptDatabase.open(session.database)
        try:
            if database.keep(COPY, sealed(session.manifest).decode()):
                actions.append(f"{session.database}: a copy of {FILE} stored")
            actions += merge_transcript(session, database)
            tracks = [_recover_track(session, track, database) for track in _with_folders(session)]
        finally:
            database.close()
        originals = [repair_original(session.original(track), session.damaged) for track in session.tracks]
        aside = remove_emergencies(session)
    except OSError as error:
        raise disk_files.explain(error, session.path, doing="recover") from error
    actions += [line for lines in (*(track.actions for track in tracks), *originals, aside) for line in lines]
    return RecoveryReport(tracks, actions, transcript.cut)


def _recover_manifest(session: SessionFolder) -> list[str]:
    """Put `session.json` in order, first of all: what else is repaired may be where it is made from."""
    if session.fault is None:
        return []
    file, fault = session.path / FILE, session.fault
    if file.exists():
        set_aside(session.damaged, FILE, file.read_bytes())
    session.save(session.manifest)
    return [f"{file}: {fault}; restored"]


def _recover_track(session: SessionFolder, track: TrackName, database: TranscriptDatabase) -> RecoveredTrack:
    recovery = TrackRecovery(track, session.audio(track), session.journal(track), session.damaged)
    return recovery.run(database.cursor(track).position, held_pieces(session, track))


def _with_folders(session: SessionFolder) -> Sequence[TrackName]:
    """Return the tracks, each with the folders that its files belong in."""
    for folder in (session.path / "audio", session.path / "journal", *map(session.audio, session.tracks)):
        if not folder.exists():
            disk_files.make_folder(folder)
    return session.tracks
