"""What a killed run left in its emergency files is merged, whatever the disk it failed on took."""

from contextlib import closing, suppress
from datetime import UTC, datetime

import anyio
import pytest

from transcriber.adapters import recovery_emergency, recovery_track
from transcriber.adapters.disk import InlineDisk
from transcriber.adapters.emergency_file import EmergencyFile
from transcriber.adapters.recording import TrackRecording, read_extent, read_pieces
from transcriber.adapters.recovery import recover
from transcriber.adapters.recovery_verify import verify
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_index import remove
from transcriber.adapters.session_folder_manifest import TrackEntry
from transcriber.adapters.transcript_db import TranscriptDatabase
from transcriber.core import piece_codec, wav, wire
from transcriber.core.transcript_entry import Entry
from transcriber.events import Envelope, GapFound, StateChanged
from transcriber.types import Block, Coverage, Gap, GapReason, Position, TrackName

THEM = TrackName("them")
BORDER = 1_000


def sound(start, end):
    return b"".join((1 + position * 7919 % 65_521).to_bytes(2, "little") for position in range(start, end))


def block(start, end):
    return Block(Position(start), sound(start, end))


@pytest.fixture(autouse=True)
def _short_files(monkeypatch):
    monkeypatch.setattr(wav, "FILE_SAMPLES", BORDER)


@pytest.fixture(params=["in the session", "elsewhere"])
def session(tmp_path, request):
    entry = TrackEntry(name=THEM, source="loopback")
    elsewhere = tmp_path / "other disk" if request.param == "elsewhere" else None
    session = SessionFolder.create(
        tmp_path / "sessions", [entry], model="auto", app="1", created=datetime.now(UTC), emergency=elsewhere
    )
    yield session
    session.close()


def record(session, *pieces):
    async def write():
        track = await TrackRecording.open(session.audio(THEM), session.journal(THEM), InlineDisk())
        for piece in pieces:
            await track.append([piece])
        track._writer.revoke()

    anyio.run(write)


def hold(session, *pieces):
    session.emergencies.mkdir(parents=True, exist_ok=True)
    EmergencyFile(session.emergency(THEM), 1 << 20).append([piece_codec.encode(piece) for piece in pieces])


def on_disk(session):
    extent = read_extent(session.journal(THEM))
    return list(read_pieces(session.audio(THEM), extent.gaps, Position(0), extent.durable)), extent


def scribble(session, start, pcm):
    """Write samples that were never acknowledged, as a disk does that fails."""
    path = session.audio(THEM) / wav.file_name(start // BORDER)
    with path.open("r+b") as file:
        file.seek(wav.byte_offset(Position(start)))
        file.write(pcm)


def test_what_is_held_follows_what_was_recorded(session):
    record(session, block(0, 400))
    hold(session, block(400, 900), Gap(Position(900), Position(1300), GapReason.DEVICE), block(1300, 2500))
    report = recover(session)
    pieces, extent = on_disk(session)
    assert b"".join(piece.pcm for piece in pieces if isinstance(piece, Block)) == sound(0, 900) + sound(1300, 2500)
    assert extent.gaps == [Gap(Position(900), Position(1300), GapReason.DEVICE)]
    assert extent.ended
    assert report.tracks[0].durable == 2500
    assert report.tracks[0].damage == []
    assert any("2100 samples of the emergency file merged" in action for action in report.actions)
    assert not session.emergencies.exists()
    assert list(recover(session).actions) == []


def test_what_the_failing_disk_took_and_did_not_acknowledge_is_not_trusted(session):
    record(session, block(0, 400))
    scribble(session, 400, b"\x55\xaa" * 300)
    hold(session, block(400, 600))
    recover(session)
    pieces, extent = on_disk(session)
    assert extent.durable == 600
    assert b"".join(piece.pcm for piece in pieces) == sound(0, 600)


def test_what_had_come_home_already_is_not_written_again(session):
    record(session, block(0, 400), block(400, 700))
    hold(session, block(400, 700), block(700, 1200))
    recover(session)
    pieces, extent = on_disk(session)
    assert extent.durable == 1200
    assert b"".join(piece.pcm for piece in pieces) == sound(0, 1200)


def test_a_transcript_that_is_ahead_of_the_recording_needs_no_damage_that_is_not_there(session):
    record(session, block(0, 400))
    hold(session, block(400, 900))
    database = TranscriptDatabase.open(session.database)
    database.store(Entry(None, "", Coverage(Position(1000), 0, 1000, 0), THEM))
    database.close()
    report = recover(session)
    assert report.tracks[0].damage == [Gap(Position(900), Position(1000), GapReason.DAMAGE)]


def test_a_recording_of_which_the_disk_lost_more_than_it_had_said_has_a_gap_before_what_is_held(session):
    record(session, block(0, 400))
    hold(session, block(450, 900))
    assert recover(session).tracks[0].damage == [Gap(Position(400), Position(450), GapReason.DAMAGE)]


@pytest.mark.parametrize("step", range(12))
def test_a_crash_in_the_middle_of_the_merge_is_made_good_by_the_next_recovery(session, monkeypatch, step):
    record(session, block(0, 400))
    hold(session, block(400, 900), block(900, 2500), block(2500, 2600))
    count = [0]

    def until_the_crash(function):
        def call(*arguments):
            count[0] += 1
            if count[0] > step:
                raise KeyboardInterrupt
            return function(*arguments)

        return call

    with monkeypatch.context() as patch:
        for name in ("write_at", "sync", "sync_folder"):
            patch.setattr(recovery_track.disk_files, name, until_the_crash(getattr(recovery_track.disk_files, name)))
        with suppress(KeyboardInterrupt):
            recover(session)
    recover(session)
    pieces, extent = on_disk(session)
    assert extent.durable == 2600
    assert b"".join(piece.pcm for piece in pieces) == sound(0, 2600)


def test_to_remove_a_session_removes_its_emergency_files_wherever_they_are(session):
    hold(session, block(0, 100))
    session._lock.release()
    remove(session.path)
    assert not session.emergencies.exists()
    assert not session.path.exists()


def test_a_damaged_piece_is_a_gap_and_those_after_it_are_kept(session):
    record(session, block(0, 400))
    hold(session, block(400, 600), block(600, 800), block(800, 900))
    content = bytearray(session.emergency(THEM).read_bytes())
    content[content.index(sound(600, 800))] ^= 1
    session.emergency(THEM).write_bytes(content)
    assert any(f"emergency/{THEM}" in finding for finding in verify(session).findings)
    assert recover(session).tracks[0].damage == [Gap(Position(600), Position(800), GapReason.DAMAGE)]
    pieces, extent = on_disk(session)
    assert extent.durable == 900
    assert b"".join(piece.pcm for piece in pieces if isinstance(piece, Block)) == sound(0, 600) + sound(800, 900)


def test_an_entry_of_the_transcript_is_not_merged_without_the_one_before_it(session):
    envelope = Envelope(7, 0.0, StateChanged("lag", "normal", "alert", "so"))
    entry = Entry(envelope, wire.encode(envelope), Coverage(Position(900), 900, 0, 0), THEM)
    session.emergencies.mkdir(parents=True, exist_ok=True)
    TranscriptDatabase.open(session.database).close()
    EmergencyFile(session.transcript_emergency, 1 << 16).append([entry.held(after=6)])
    recover(session)
    database = TranscriptDatabase.open(session.database)
    assert database.cursor(THEM).position == 0
    assert database.reserve().start > 7
    database.close()


def test_an_entry_that_is_stored_already_does_not_hold_up_those_after_it(session):
    gap = GapFound(THEM, Gap(Position(0), Position(100), GapReason.DEVICE))
    again, news = Envelope(7, 0.0, gap), Envelope(8, 0.0, StateChanged("lag", "normal", "alert", "so"))
    database = TranscriptDatabase.open(session.database)
    database.store(Entry(Envelope(6, 0.0, gap), wire.encode(Envelope(6, 0.0, gap)), None, None))
    database.close()
    session.emergencies.mkdir(parents=True, exist_ok=True)
    file = EmergencyFile(session.transcript_emergency, 1 << 16)
    for envelope, after in ((again, 6), (news, 7)):
        file.append([Entry(envelope, wire.encode(envelope), None, None).held(after)])
    recover(session)
    database = TranscriptDatabase.open(session.database)
    assert [number for number, _ in database.events()] == [6, 8]
    database.close()


def test_a_part_that_is_damaged_is_kept_aside_before_its_file_is_removed(session):
    record(session, block(0, 400))
    hold(session, block(400, 600), block(600, 800), block(800, 900))
    content = bytearray(session.emergency(THEM).read_bytes())
    at = content.index(sound(600, 800))
    content[at] ^= 1
    session.emergency(THEM).write_bytes(content)
    assert any("bytes that are not whole set aside" in action for action in recover(session).actions)
    [aside] = session.damaged.glob(f"{THEM}-emergency-*")
    assert bytes(content[at : at + 400]) in aside.read_bytes()
    assert sound(400, 600) not in aside.read_bytes()
    assert not session.emergencies.exists()


def hold_entries(session, *numbers_and_after):
    session.emergencies.mkdir(parents=True, exist_ok=True)
    file = EmergencyFile(session.transcript_emergency, 1 << 16)
    for number, after in numbers_and_after:
        envelope = Envelope(number, 0.0, StateChanged("lag", "normal", "alert", "so"))
        coverage = Coverage(Position(number), number, 0, 0)
        entry = Entry(envelope, wire.encode(envelope), coverage, THEM) if after != number else None
        file.append([(entry or Entry(None, "", coverage, THEM)).held(after)])


def stored(session):
    with closing(TranscriptDatabase.open(session.database)) as database:
        return [number for number, _ in database.events()], database.cursor(THEM).position


def test_entries_that_follow_one_that_is_missing_are_told_and_kept_aside(session):
    record(session)
    hold_entries(session, (1, 0), (2, 1), (4, 3), (5, 4))
    TranscriptDatabase.open(session.database).close()
    assert any("2 entries follow one that is missing" in finding for finding in verify(session).findings)
    content = session.transcript_emergency.read_bytes().rstrip(b"\0")
    assert any("2 entries follow one that is missing" in action for action in recover(session).actions)
    assert [aside.read_bytes() for aside in session.damaged.glob("~transcript-emergency-*")] == [content]
    assert stored(session) == ([1, 2], 2)


def test_the_first_entry_of_all_is_merged_where_no_event_is_stored_and_nowhere_else(session):
    hold_entries(session, (1, 0))
    database = TranscriptDatabase.open(session.database)
    envelope = Envelope(9, 0.0, StateChanged("lag", "normal", "alert", "so"))
    database.store(Entry(envelope, wire.encode(envelope), None, None))
    database.close()
    recover(session)
    assert stored(session) == ([9], 0)


def test_a_coverage_alone_is_merged_after_its_event_and_never_without_it(session):
    hold_entries(session, (1, 0), (5, 5), (7, 7))  # the cursor at 5 and at 7, after events of these numbers
    recover(session)
    assert stored(session) == ([1], 1)


def test_a_merge_that_was_cut_off_is_gone_on_with(session):
    hold_entries(session, (1, 0), (2, 1), (3, 2))
    database = TranscriptDatabase.open(session.database)
    held = recovery_emergency.held_entries(session)
    for entry in list(recovery_emergency.mergeable(held, database))[:2]:
        database.store(entry)
    database.close()
    recover(session)
    assert stored(session) == ([1, 2, 3], 3)
