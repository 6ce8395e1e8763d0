"""WAV files that become FLAC: the same to the bit, one whole copy at every moment, and read by everyone."""

import random
import shutil
import signal
import stat
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import anyio
import numpy as np
import pytest

from transcriber.adapters import disk_files, flac_file
from transcriber.adapters.archive import Archived, SessionArchive, archive_session
from transcriber.adapters.disk import InlineDisk
from transcriber.adapters.original_files import check_original, original_files, repair_original, stored_original
from transcriber.adapters.original_writer import write
from transcriber.adapters.recording import TrackRecording, read_extent, read_pieces
from transcriber.adapters.recovery import recover
from transcriber.adapters.recovery_verify import verify
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_manifest import TrackEntry
from transcriber.adapters.session_remake import SessionRemake
from transcriber.adapters.transcript_db import TranscriptDatabase
from transcriber.core import journal, wav
from transcriber.core.original import Part
from transcriber.core.transcript_entry import Entry
from transcriber.core.wire import encode
from transcriber.errors import StorageError
from transcriber.events import Envelope, GapFound
from transcriber.types import RATE, AudioFormat, Block, Coverage, Gap, GapReason, Position, SampleFormat, TrackName

THEM = TrackName("them")
BORDER = 20_000
"""Instead of five minutes, so that a test can pass many of them: some frames of FLAC."""
LENGTH = 50_000
GAP = Gap(Position(17_000), Position(23_000), GapReason.DEVICE)
WAVS, FLACS = ([f"00000{number}{suffix}" for number in (1, 2, 3)] for suffix in (".wav", ".flac"))


@pytest.fixture(autouse=True)
def short_files(monkeypatch):
    monkeypatch.setattr(wav, "FILE_SAMPLES", BORDER)


def sound(start: int, end: int) -> bytes:
    """Samples that tell their place, as loud as can be now and then, and rough enough to fill a FLAC file."""
    places = np.arange(start, end)
    return (8000 * np.sin(places / 9) + places * 7919 % 97 + 20_000 * (places % 1000 == 0)).astype("<i2").tobytes()


WHOLE = [Block(Position(0), sound(0, 17_000)), GAP, Block(Position(23_000), sound(23_000, LENGTH))]


async def record(session: SessionFolder, *, close: bool = True) -> TrackRecording:
    """Record three files, with a gap over the end of the first."""
    track = await TrackRecording.open(session.audio(THEM), session.journal(THEM), InlineDisk())
    for piece in (
        *(Block(Position(start), sound(start, start + 8_500)) for start in (0, 8_500)),
        GAP,
        *(Block(Position(start), sound(start, start + 9_000)) for start in (23_000, 32_000, 41_000)),
    ):
        await track.append([piece])
    if close:
        await track.close()
    return track


def make(parent: Path) -> SessionFolder:
    entry = TrackEntry(name=THEM, source="loopback")
    return SessionFolder.create(parent, [entry], model="auto", app="1", created=datetime.now(UTC))


@pytest.fixture
def path(tmp_path):
    """The folder of a complete session."""
    with closing(make(tmp_path)) as session:
        anyio.run(record, session)
        with closing(TranscriptDatabase.open(session.database)) as database:
            envelope = Envelope(database.reserve().start, 0.0, GapFound(THEM, GAP))
            covered = Coverage(Position(LENGTH), 0, LENGTH - 6_000, 6_000)
            database.store(Entry(envelope, encode(envelope), covered, THEM))
        recover(session)
        session.mark_clean()
    return session.path


@pytest.fixture
def audio(path):
    return path / "audio" / THEM


def content(path: Path) -> list[Block | Gap]:
    """Return all that the track holds, blocks joined."""
    extent = read_extent(path / "journal" / THEM)
    pieces: list[Block | Gap] = []
    for piece in read_pieces(path / "audio" / THEM, extent.gaps, Position(0), extent.durable):
        if isinstance(piece, Block) and pieces and isinstance(pieces[-1], Block):
            pieces[-1] = Block(pieces[-1].start, pieces[-1].pcm + piece.pcm)
        else:
            pieces.append(piece)
    return pieces


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def findings(path: Path) -> list[str]:
    return list(verify(SessionFolder.view(path)).findings)


def test_every_file_becomes_flac_and_is_the_same_to_the_bit(path, audio):
    done = archive_session(path)
    assert names(audio) == FLACS
    assert content(path) == WHOLE
    assert findings(path) == []
    assert (done.files, done.refused) == (3, {})
    assert done.before == 3 * 44 + 2 * (17_000 + 20_000 + 10_000)
    assert done.after == sum(file.stat().st_size for file in audio.iterdir()) < 0.7 * done.before


def test_any_part_can_be_read_back(path, audio):
    archive_session(path)
    extent = read_extent(path / "journal" / THEM)
    rng = random.Random(1)  # noqa: S311 - the same each time
    for _ in range(100):
        start, end = sorted(rng.randrange(LENGTH + 1) for _ in range(2))
        pieces = read_pieces(audio, extent.gaps, Position(start), Position(end))
        position = start
        for piece in pieces:
            assert piece.start == position
            assert piece == GAP or isinstance(piece, Gap) or piece.pcm == sound(piece.start, piece.end)
            position = piece.end
        assert position == max(start, end)
        assert all(17_000 <= piece.start < piece.end <= 23_000 for piece in pieces if isinstance(piece, Gap))


def test_what_is_archived_stays_the_owners_alone(path, audio):
    archive_session(path)
    assert {stat.S_IMODE(file.stat().st_mode) for file in audio.iterdir()} == {0o600}


def test_it_is_done_once(path, audio):
    archive_session(path)
    before = {file.name: (file.stat().st_mtime_ns, file.stat().st_ino) for file in audio.iterdir()}
    assert archive_session(path) == Archived()
    assert {file.name: (file.stat().st_mtime_ns, file.stat().st_ino) for file in audio.iterdir()} == before


def test_recovery_takes_an_archived_session_as_it_is(path):
    archive_session(path)
    with closing(SessionFolder.open(path)) as session:
        assert recover(session).actions == []
        session.mark_clean()
    assert content(path) == WHOLE
    assert findings(path) == []


def test_an_unfinished_session_is_left_alone(path, audio):
    (path / "clean").unlink()
    with pytest.raises(StorageError, match=r"not complete; finish it first: transcriber resume"):
        archive_session(path)
    assert names(audio) == WAVS


def test_a_session_that_is_written_is_left_alone(path, audio):
    with closing(SessionFolder.open(path)), pytest.raises(StorageError, match="is being written"):
        archive_session(path)
    assert names(audio) == WAVS


def test_others_may_write_it_afterwards(path):
    archive_session(path)
    SessionFolder.open(path).close()


@pytest.mark.parametrize("damage", ["sample", "header", "tail"])
def test_what_is_not_what_was_recorded_stays_as_it_is(path, audio, damage):
    file = audio / "000002.wav"
    with file.open("r+b") as there:
        there.seek({"sample": 20_000, "header": 40, "tail": 0}[damage], 2 if damage == "tail" else 0)
        there.write(b"\1\2")
    before = file.read_bytes()
    done = archive_session(path)
    assert done.refused == {"audio/them/000002.wav": "it is not what was recorded"}
    assert names(audio) == ["000001.flac", "000002.wav", "000003.flac"]
    assert file.read_bytes() == before


def test_a_journal_that_is_damaged_vouches_for_nothing_after_it(path, audio):
    with (path / "journal" / THEM).open("r+b") as file:
        file.seek(4 * journal.RECORD_BYTES)
        file.write(bytes(journal.RECORD_BYTES))
    done = archive_session(path)
    assert names(audio) == ["000001.flac", "000002.wav", "000003.wav"]
    assert set(done.refused) == {"audio/them/000002.wav", "audio/them/000003.wav"}


def test_of_a_session_that_is_recorded_only_what_is_closed_and_transcribed_is_archived(tmp_path):
    async def run() -> None:
        session = make(tmp_path)
        archive, folder = SessionArchive(session), session.audio(THEM)
        track = await record(session, close=False)
        assert archive.archive({THEM: Position(BORDER - 1)}).files == 0
        assert archive.archive({THEM: Position(BORDER)}).files == 1
        assert names(folder) == ["000001.flac", "000002.wav", "000003.wav"]
        assert archive.archive({THEM: Position(LENGTH)}).files == 1
        assert names(folder) == ["000001.flac", "000002.flac", "000003.wav"]
        assert await track.read(Position(0), Position(LENGTH)) == [
            Block(Position(0), sound(0, 17_000)),
            GAP,
            *(Block(Position(start), sound(start, end)) for start, end in ((23_000, 40_000), (40_000, LENGTH))),
        ]
        await track.append([Block(Position(LENGTH), sound(LENGTH, 61_000))])
        assert archive.archive({THEM: Position(61_000)}).files == 1
        await track.close()
        session.close()
        assert read_extent(session.journal(THEM)).durable == 61_000
        assert names(folder) == [*FLACS, "000004.wav"]

    anyio.run(run)


def test_a_recording_that_was_killed_is_recovered_with_its_archived_files(tmp_path):
    with closing(make(tmp_path)) as session:
        anyio.run(lambda: record(session, close=False))
        SessionArchive(session).archive({THEM: Position(LENGTH)})
    with closing(SessionFolder.open(session.path)) as found:
        [track] = recover(found).tracks
    assert (track.durable, track.damage, track.kept) == (LENGTH, [], 0)
    assert content(session.path) == WHOLE


def test_a_recording_whose_files_were_removed_is_made_anew_with_its_archived_files(tmp_path):
    with closing(make(tmp_path)) as session:
        anyio.run(lambda: record(session, close=False))
        SessionArchive(session).archive({THEM: Position(LENGTH)})
        (session.audio(THEM) / "000003.wav").unlink()
        session.journal(THEM).unlink()
        SessionRemake(session).track(THEM, Position(LENGTH), [GAP])
    lost = Gap(Position(40_000), Position(LENGTH), GapReason.DISK)
    assert content(session.path) == [*WHOLE[:2], Block(Position(23_000), sound(23_000, 40_000)), lost]


STEPS = {"sync": 3, "sync_folder": 6, "replace": 3, "unlink": 3}


@pytest.fixture(params=[(step, nth) for step, count in STEPS.items() for nth in range(1, count + 1)], ids=str)
def failing(request, monkeypatch):
    """The n-th call of one step of the archiving of three files fails."""
    step, nth = request.param
    calls = 0
    place, name = {
        "sync": (disk_files, "sync"),
        "sync_folder": (disk_files, "sync_folder"),
        "replace": (Path, "replace"),
        "unlink": (Path, "unlink"),
    }[step]
    real = getattr(place, name)

    def fail(*arguments, **options):
        nonlocal calls
        calls += not options  # `missing_ok` tidies up, and is no step
        if calls == nth and not options:
            raise OSError(5, "Input/output error")
        return real(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(place, name, fail)
        yield patch


def test_whichever_step_fails_nothing_is_lost_and_the_next_archiving_does_the_rest(path, audio, failing):
    with pytest.raises(StorageError, match="cannot archive"):
        archive_session(path)
    failing.undo()
    assert content(path) == WHOLE
    assert findings(path) == []
    archive_session(path)
    assert names(audio) == FLACS
    assert content(path) == WHOLE
    assert findings(path) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from transcriber.adapters import disk_files, flac_file
from transcriber.adapters.archive import archive_session
from transcriber.core import wav

wav.FILE_SAMPLES = 20_000
left = int(sys.argv[2])

def counted(call):
    def step(*arguments, **options):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **options)
    return step

steps = {
    disk_files: ("open_private", "sync", "sync_folder"),
    Path: ("replace", "unlink"),
    flac_file: ("same_sound",),
    flac_file.soundfile.SoundFile: ("buffer_write", "close"),
}
for place, names in steps.items():
    for name in names:
        setattr(place, name, counted(getattr(place, name)))
archive_session(Path(sys.argv[1]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the signals are those of POSIX")
@pytest.mark.parametrize("step", [*range(1, 40, 3), 1000])
def test_killed_at_any_step_one_whole_copy_is_there_and_the_next_archiving_cleans_up(path, audio, step):
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path), str(step)], check=False, timeout=60)
    assert killed.returncode == (0 if step == 1000 else -signal.SIGKILL)
    assert content(path) == WHOLE
    assert findings(path) == []
    with closing(SessionFolder.open(path)) as session:
        assert recover(session).actions == []
        session.mark_clean()
    archive_session(path)
    assert names(audio) == FLACS
    assert content(path) == WHOLE
    assert findings(path) == []


def test_it_ends_at_once_when_it_is_not_to_go_on(path, audio):
    asked = 0

    def go_on() -> bool:
        nonlocal asked
        asked += 1
        return asked < 5

    with pytest.raises(StorageError, match="archiving ends"):
        archive_session(path, go_on)
    assert content(path) == WHOLE
    assert "000003.wav" in names(audio)
    assert not [name for name in names(audio) if name.endswith("~")]


def damaged_somewhere(data: bytes, rng: random.Random) -> bytes:
    """Return what is left of a file after one of the things that happen to files."""
    place = rng.randrange(len(data))
    match rng.randrange(4):
        case 0:
            return data[:place]
        case 1:
            return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]
        case 2:
            return data[:place] + bytes(min(500, len(data) - place)) + data[place + 500 :]
        case _:
            return b""


@pytest.mark.parametrize("number", [1, 2, 3])
def test_damage_is_named_and_never_a_crash_nor_a_wrong_sample(path, audio, number):
    archive_session(path)
    file = audio / f"00000{number}.flac"
    sound_one, rng = file.read_bytes(), random.Random(number)  # noqa: S311 - the same each time
    extent = read_extent(path / "journal" / THEM)
    before = (path / "journal" / THEM).read_bytes()
    for _ in range(20):
        file.write_bytes(damaged_somewhere(sound_one, rng))
        position = 0
        for piece in read_pieces(audio, extent.gaps, Position(0), Position(LENGTH)):
            assert piece.start == position
            position = piece.end
            if isinstance(piece, Block):
                assert piece.pcm == sound(piece.start, piece.end)
            else:
                assert piece == GAP or piece.reason is GapReason.DAMAGE
        assert position == LENGTH
        told = findings(path)
        whole = content(path) == WHOLE
        assert bool(told) or whole
        if not whole:
            assert any(f"audio/them/{file.name}" in finding for finding in told)
        with closing(SessionFolder.open(path)) as session:
            [track] = recover(session).tracks
            assert track.durable == LENGTH
            assert recover(session).actions == []
            session.mark_clean()
        pieces = content(path)
        assert sum(piece.end - piece.start for piece in pieces) == LENGTH
        (path / "journal" / THEM).write_bytes(before)


def test_what_is_before_the_damage_can_be_read(path, audio):
    archive_session(path)
    file = audio / "000003.flac"
    file.write_bytes(file.read_bytes()[:-2_000])
    with closing(SessionFolder.open(path)) as session:
        [track] = recover(session).tracks
        session.mark_clean()
    [gap] = track.damage
    assert 40_000 + 4_095 <= gap.start < gap.end == LENGTH
    assert content(path)[-2] == Block(Position(23_000), sound(23_000, gap.start))
    assert [finding for finding in findings(path) if "audio" in finding] == []


FORMS = [AudioFormat(44_100, 2), AudioFormat(48_000, 6, SampleFormat.S24), AudioFormat(8_000, 1, SampleFormat.U8)]
STAY = [AudioFormat(48_000, 2, SampleFormat.F32), AudioFormat(48_000, 2, SampleFormat.S32)]


def keep(path: Path, form: AudioFormat, second: int) -> bytes:
    """Keep a second of noise in source quality; return it."""
    noise = random.Random(second).randbytes(form.rate * form.frame_bytes)  # noqa: S311 - as above
    if form.sample is SampleFormat.F32:
        noise = bytes(len(noise))
    write(path / "original" / THEM, [Part(Position(second * RATE), 0, form, noise)])
    return noise


def test_what_is_kept_in_source_quality_is_archived_where_flac_can_hold_it(path):
    noises = [keep(path, form, 2 * number) for number, form in enumerate([*FORMS, *STAY])]
    folder = path / "original" / THEM
    before = stored_original(THEM, folder)
    assert archive_session(path).files == 3 + len(FORMS)
    files = original_files(folder)
    assert [file.archived for file in files] == [True] * len(FORMS) + [False] * len(STAY)
    assert [file.form for file in files] == [*FORMS, *STAY]
    after = stored_original(THEM, folder)
    assert (after.length, after.files, after.formats) == (before.length, before.files, before.formats)
    for file, form, noise in zip(files, FORMS, noises, strict=False):
        with flac_file.soundfile.SoundFile(str(file.path)) as decoded:
            assert decoded.samplerate == form.rate
            numbers = np.frombuffer(decoded.buffer_read(dtype="int32"), "<i4") >> 32 - 8 * form.sample.width
        if form.sample is SampleFormat.U8:
            assert (numbers + 128).astype("<u1").tobytes() == noise
        else:
            parts = numbers.astype("<i4").view("<u1").reshape(-1, 4)
            assert parts[:, : form.sample.width].tobytes() == noise
    assert list(check_original(folder)) == []
    assert repair_original(folder, path / "damaged") == []
    assert archive_session(path) == Archived()


def test_damage_in_an_archived_original_is_found(path):
    keep(path, FORMS[0], 0)
    archive_session(path)
    folder = path / "original" / THEM
    [file] = folder.iterdir()
    data = file.read_bytes()
    for changed in (data[: len(data) // 2], data[:5000] + bytes(100) + data[5100:], b""):
        file.write_bytes(changed)
        assert len(list(check_original(folder))) == 1
    [action] = repair_original(folder, path / "damaged")
    assert "set aside" in action
    assert list(check_original(folder)) == []


def test_the_newest_original_of_a_session_that_is_recorded_is_not_closed(tmp_path):
    with closing(make(tmp_path)) as session:
        for second in (0, 5):
            keep(session.path, FORMS[0], second)
        SessionArchive(session).archive({THEM: Position(0)})
        assert names(session.original(THEM)) == ["000000000000.flac", "000000080000.wav"]


def test_the_model_libraries_and_the_decoder_are_not_imported_for_it():
    code = "import sys, transcriber.adapters.archive, transcriber.adapters.recovery; print('soundfile' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert told.stdout == "False\n"


def test_a_disk_without_room_leaves_everything_as_it_was(small_disk, path, audio):
    filler = small_disk / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(small_disk).free - 8192))
    with pytest.raises(StorageError, match="cannot archive"):
        archive_session(path)
    assert names(audio) == WAVS
    assert content(path) == WHOLE
    filler.unlink()
    assert archive_session(path).files == 3
    assert content(path) == WHOLE
