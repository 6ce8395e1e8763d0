import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import wave
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transcriber.adapters.disk import Disk, InlineDisk
from transcriber.adapters.recording import TrackRecording, read_extent, read_pieces
from transcriber.adapters.recording_writer import Acknowledged, FilesRemovedError, TrackWriter
from transcriber.adapters.sample_files import SampleFiles
from transcriber.core import journal, wav
from transcriber.errors import StorageError
from transcriber.types import Block, Gap, GapReason, Position

pytestmark = pytest.mark.anyio

BORDER = wav.FILE_SAMPLES


def sound(start: int, end: int) -> bytes:
    """Samples that tell their position: no two places of a test sound alike."""
    return b"".join((position * 7919 % 65_521).to_bytes(2, "little") for position in range(start, end))


def block(start: int, end: int) -> Block:
    return Block(Position(start), sound(start, end))


def gap(start: int, end: int, reason: GapReason = GapReason.DEVICE) -> Gap:
    return Gap(Position(start), Position(end), reason)


class Track:
    """Where a track of a session lies."""

    def __init__(self, folder: Path) -> None:
        self.audio = folder / "audio"
        self.journal = folder / "journal" / "them"
        self.audio.mkdir(parents=True)
        self.journal.parent.mkdir()

    async def open(self, disk=None) -> TrackRecording:
        return await TrackRecording.open(self.audio, self.journal, disk or InlineDisk())

    def files(self) -> dict[str, int]:
        found = {}
        for path in sorted(self.audio.iterdir()):
            with wave.open(str(path)) as file:
                found[path.name] = file.getnframes()
        return found

    def read(self, start: int = 0, end: int | None = None):
        """Return what is on disk, as a program that finds it there reads it."""
        extent = read_extent(self.journal)
        return read_pieces(self.audio, extent.gaps, Position(start), Position(extent.durable if end is None else end))

    def writer(self) -> TrackWriter:
        return TrackWriter(self.audio, self.journal, Acknowledged(Position(0), 0, ()))


@pytest.fixture
def track(tmp_path):
    return Track(tmp_path)


@pytest.fixture
async def disk():
    disk = Disk(deadline=30)
    yield disk
    await disk.close()


async def test_what_is_appended_is_read_back_by_position(track, disk):
    recording = await track.open(disk)
    assert await recording.append([block(0, 100), block(100, 150), gap(150, 200)]) == 200
    assert await recording.append([block(200, 260)]) == recording.durable == 260
    assert await recording.read(Position(0), Position(260)) == [block(0, 150), gap(150, 200), block(200, 260)]
    assert await recording.read(Position(149), Position(201)) == [block(149, 150), gap(150, 200), block(200, 201)]
    assert await recording.read(Position(160), Position(170)) == [gap(160, 170)]
    assert await recording.read(Position(150), Position(150)) == []
    await recording.close()
    assert track.files() == {"000001.wav": 260}


async def test_a_piece_may_be_given_twice_or_overlap(track):
    recording = await track.open()
    await recording.append([block(0, 100)])
    assert await recording.append([block(0, 100)]) == 100
    assert await recording.append([block(50, 150), gap(120, 180), block(170, 200)]) == 200
    assert await recording.read(Position(0), Position(200)) == [block(0, 150), gap(150, 180), block(180, 200)]
    assert await recording.append([]) == 200


@pytest.mark.parametrize("pieces", [[block(1, 9)], [block(0, 9), gap(10, 12)], [Block(Position(0), b"odd")]])
async def test_a_hole_without_a_name_and_half_a_sample_are_refused_before_anything_is_written(track, pieces):
    recording = await track.open()
    with pytest.raises(ValueError, match=r"nothing says|half a sample"):
        await recording.append(pieces)
    assert recording.durable == 0
    assert not track.journal.exists()
    assert track.files() == {}


async def test_files_rotate_by_position_and_a_long_gap_costs_no_disk(track):
    recording = await track.open()
    hours = 100 * BORDER
    await recording.append([gap(0, BORDER - 10), block(BORDER - 10, BORDER + 10), gap(BORDER + 10, hours + 5)])
    await recording.append([block(hours + 5, hours + 9)])
    assert track.files() == {"000001.wav": BORDER, "000002.wav": 10, "000101.wav": 9}
    assert sum(path.stat().st_blocks * 512 for path in track.audio.iterdir()) < 1_000_000
    assert await recording.read(Position(BORDER - 12), Position(hours + 9)) == [
        *(gap(BORDER - 12, BORDER - 10), block(BORDER - 10, BORDER), block(BORDER, BORDER + 10)),
        *(gap(BORDER + 10, hours + 5), block(hours + 5, hours + 9)),
    ]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 60)), max_size=12), st.data())
@settings(max_examples=30, deadline=None)
async def test_any_cut_into_calls_gives_the_same_track(tmp_path_factory, lengths, data):
    track = Track(tmp_path_factory.mktemp("track"))
    recording = await track.open()
    start = BORDER - 150
    expected = [gap(0, start)]
    for silent, length in lengths:
        expected.append((gap if silent else block)(start, start + length))
        start += length
    rest = list(expected)
    while rest:
        count = data.draw(st.integers(1, len(rest)))
        await recording.append(rest[:count])
        rest = rest[count:]
    await recording.close()
    assert read_extent(track.journal).durable == start
    for piece in expected:
        parts = track.read(piece.start, piece.end)
        assert [part.start for part in parts] + [piece.end] == [piece.start, *(part.end for part in parts)]
        if isinstance(piece, Gap):
            assert parts == [piece]
        else:
            assert b"".join(part.pcm for part in parts) == piece.pcm


async def test_a_track_is_appended_to_after_it_was_closed(track):
    recording = await track.open()
    await recording.append([block(0, 100)])
    await recording.clock(Position(90), 5, 6)
    await recording.close()
    await recording.close()
    recording = await track.open()
    assert recording.durable == 100
    assert read_extent(track.journal).clock == journal.Clock(Position(90), 5, 6)
    await recording.append([gap(100, 150, GapReason.CRASH), block(150, 160)])
    assert recording.gaps == (gap(100, 150, GapReason.CRASH),)
    await recording.close()
    assert track.read() == [
        block(0, 100),
        gap(100, 150, GapReason.CRASH),
        block(150, 160),
    ]
    assert read_extent(track.journal).ended


async def test_what_is_not_durable_cannot_be_read(track):
    recording = await track.open()
    await recording.append([block(0, 10)])
    with pytest.raises(ValueError, match="not within"):
        await recording.read(Position(5), Position(11))


async def test_acknowledged_samples_that_are_gone_come_back_as_a_gap(track):
    recording = await track.open()
    await recording.append([gap(0, BORDER - 20), block(BORDER - 20, BORDER + 10)])
    os.truncate(track.audio / "000001.wav", 44 + 2 * (BORDER - 15) + 1)
    (track.audio / "000002.wav").unlink()
    assert await recording.read(Position(BORDER - 20), Position(BORDER + 10)) == [
        block(BORDER - 20, BORDER - 15),
        gap(BORDER - 15, BORDER, GapReason.DAMAGE),
        gap(BORDER, BORDER + 10, GapReason.DAMAGE),
    ]


async def test_samples_that_the_disk_cannot_read_are_a_gap_and_other_trouble_is_an_error(track, monkeypatch):
    recording = await track.open()
    await recording.append([block(0, 10)])
    number = errno.EIO

    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "open", fail)
    assert await recording.read(Position(2), Position(10)) == [gap(2, 10, GapReason.DAMAGE)]
    number = errno.EMFILE
    with pytest.raises(StorageError, match="ulimit -n"):
        await recording.read(Position(2), Position(10))


async def test_a_journal_that_does_not_add_up_is_not_appended_to(track):
    track.journal.write_bytes(journal.encode_all([gap(5, 9)]))
    with pytest.raises(StorageError, match="does not follow 0; resume"):
        await track.open()


@pytest.mark.parametrize("place", [0, 64, 100])
async def test_a_damaged_journal_is_not_appended_to(track, place):
    recording = await track.open()
    await recording.append([block(0, 10)])
    await recording.close()
    content = bytearray(track.journal.read_bytes())
    content[place] ^= 1
    track.journal.write_bytes(content)
    with pytest.raises(StorageError, match="damaged"):
        await track.open()


class Calls:
    """Notes the calls to the system that make a file durable, and fails one of them if told to."""

    def __init__(self, monkeypatch) -> None:
        self.made: list[str] = []
        self.fail: tuple[str, int] | None = None
        for name in ("write", "fdatasync", "fsync"):
            monkeypatch.setattr(os, name, self._noting(name, getattr(os, name)))

    def _noting(self, name, call):
        def noted(descriptor, *arguments):
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            what = f"{name} {path.name}"
            if name == "write" and os.lseek(descriptor, 0, os.SEEK_CUR) == 0 and path.suffix == ".wav":
                what = f"header {path.name}"
            self.made.append(what)
            if self.fail is not None and self.fail[0] == what:
                error, self.fail = self.fail[1], None
                raise OSError(error, os.strerror(error))
            return call(descriptor, *arguments)

        return noted


@pytest.fixture
def calls(monkeypatch):
    if not Path("/proc/self/fd").exists():
        pytest.skip("tells descriptors apart through /proc")
    return Calls(monkeypatch)


FLUSH = ["write 000001.wav", "header 000001.wav", "fdatasync 000001.wav", "write them", "fdatasync them"]


async def test_samples_then_header_then_sync_then_journal_then_sync_then_folder(track, calls):
    recording = await track.open()
    await recording.append([block(0, 10)])
    assert calls.made == ["header 000001.wav", *FLUSH, "fsync audio", "fsync journal"]
    calls.made.clear()
    await recording.append([block(10, 20), block(20, 30)])
    assert calls.made == FLUSH


async def test_a_gap_is_durable_before_the_samples_after_it(track, calls):
    recording = await track.open()
    await recording.append([block(0, 10)])
    calls.made.clear()
    await recording.append([block(10, 20), gap(20, 30), block(30, 40)])
    assert calls.made == [*FLUSH, *FLUSH]


async def test_the_old_file_is_synced_before_a_new_one_is_begun_and_the_folder_last(track, calls):
    recording = await track.open()
    await recording.append([gap(0, BORDER - 10), block(BORDER - 10, BORDER - 5)])
    calls.made.clear()
    await recording.append([block(BORDER - 5, BORDER + 5)])
    assert calls.made == [
        *("write 000001.wav", "header 000001.wav", "fdatasync 000001.wav"),
        *("header 000002.wav", "write 000002.wav", "header 000002.wav", "fdatasync 000002.wav"),
        *("write them", "fdatasync them", "fsync audio"),
    ]


@pytest.mark.parametrize("gone", ["audio", "journal"])
async def test_files_that_were_removed_acknowledge_nothing(track, gone):
    recording = await track.open()
    await recording.append([block(0, 10)])
    shutil.rmtree(track.audio if gone == "audio" else track.journal.parent)
    for _ in range(2):
        with pytest.raises(FilesRemovedError):
            await recording.append([block(10, 20)])
    assert recording.durable == 10


async def test_a_file_that_was_cut_short_is_not_written_on(track):
    recording = await track.open()
    await recording.append([block(0, 10), gap(10, 20)])
    writer = TrackWriter(track.audio, track.journal, Acknowledged(Position(20), 2, (gap(10, 20),)))
    writer.append([block(20, 30)])
    assert track.read() == [block(0, 10), gap(10, 20), block(20, 30)]
    writer = TrackWriter(track.audio, track.journal, Acknowledged(Position(30), 3, (gap(10, 20),)))
    os.truncate(track.audio / "000001.wav", 44 + 2 * 29)
    with pytest.raises(FilesRemovedError):
        writer.append([block(30, 40)])


async def test_a_moved_folder_takes_on_what_its_open_files_can(track, tmp_path):
    recording = await track.open()
    await recording.append([block(0, 10)])
    track.audio.rename(tmp_path / "elsewhere")
    assert await recording.append([block(10, 20)]) == 20
    assert (tmp_path / "elsewhere" / "000001.wav").read_bytes()[44:] == sound(0, 20)


FAULTS = [
    *(("write 000001.wav", errno.ENOSPC), ("header 000001.wav", errno.EIO), ("fdatasync 000001.wav", errno.EIO)),
    *(("write them", errno.EDQUOT), ("fdatasync them", errno.EIO), ("fsync audio", errno.EIO)),
]


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize(
    ("fault", "durable"),
    [*((fault, 0) for fault in FAULTS), *((fault, 10) for fault in FAULTS[:-1])],  # a folder is synced only once
    ids=str,
)
async def test_what_a_failed_step_left_is_written_again_through_new_descriptors(track, calls, fault, durable):
    recording = await track.open()
    before = open_files()
    await recording.append([block(0, durable)])
    calls.fail = fault
    with pytest.raises(StorageError) as failure:
        await recording.append([block(durable, 500), block(500, 550), gap(550, 600), block(600, 650)])
    assert "\n" not in str(failure.value)
    assert recording.durable == durable
    assert open_files() == before
    # Given again in other parts than before: nothing of the failed call may be left.
    calls.made.clear()
    assert await recording.append([block(durable, 300)]) == 300
    assert track.files() == {"000001.wav": 300}
    assert (track.audio / "000001.wav").stat().st_size == 44 + 600
    assert track.journal.stat().st_size == (2 if durable else 1) * 64
    assert calls.made[-2:] == ["fsync audio", "fsync journal"]
    await recording.append([gap(300, 400), block(400, 600)])
    await recording.close()
    assert track.read() == [block(0, 300), gap(300, 400), block(400, 600)]


@pytest.mark.parametrize("fault", [("write 000001.wav", errno.ENOSPC), ("fdatasync them", errno.EIO)], ids=str)
def test_a_failed_call_closes_its_descriptors_though_nobody_waits_for_it(track, calls, fault):
    writer = track.writer()
    before = open_files()
    calls.fail = fault
    with pytest.raises(StorageError):
        writer.append([block(0, 10)])
    assert open_files() == before
    writer.append([block(0, 10)])
    assert writer.acknowledged.durable == 10
    writer.revoke()
    assert open_files() == before


async def test_a_short_write_is_continued(track, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: real(descriptor, bytes(content)[:7]))
    recording = await track.open()
    await recording.append([block(0, 100)])
    assert await recording.read(Position(0), Position(100)) == [block(0, 100)]
    assert track.files() == {"000001.wav": 100}


async def test_a_call_that_hangs_cannot_harm_what_is_written_after_it(track, monkeypatch):
    """The stuck call wakes up when its samples were given again, in other parts, and more was appended."""
    disk = Disk(deadline=0.1)
    recording = await track.open(disk)
    await recording.append([block(0, 10)])
    real, stuck, threads = os.fdatasync, threading.Event(), []

    def hang_once(descriptor):
        if not threads:
            threads.append(threading.current_thread())
            stuck.wait()
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", hang_once)
    with pytest.raises(StorageError, match="no answer"):
        await recording.append([block(10, 50)])
    assert await recording.append([block(10, 20)]) == 20
    assert await recording.append([block(20, 80)]) == 80
    stuck.set()
    await anyio.to_thread.run_sync(threads[0].join)
    assert await recording.append([block(80, 90)]) == 90
    await recording.close()
    await disk.close()
    assert track.read() == [block(0, 90)]
    assert track.files() == {"000001.wav": 90}


async def test_an_append_that_is_cancelled_is_finished_and_may_be_given_again(track, disk, monkeypatch):
    go, real = threading.Event(), os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: go.wait() and real(descriptor))
    recording = await track.open(disk)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(recording.append, [block(0, 50), gap(50, 60)])
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert recording.durable == 0
    go.set()
    assert await recording.append([block(0, 50), gap(50, 60), block(60, 70)]) == 70
    assert await recording.read(Position(0), Position(70)) == [block(0, 50), gap(50, 60), block(60, 70)]


def test_a_revoked_writer_writes_no_more(track):
    writer = track.writer()
    writer.append([block(0, 10)])
    writer.revoke()
    with pytest.raises(StorageError):
        writer.append([block(10, 20)])
    assert track.files() == {"000001.wav": 10}


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
async def test_files_are_private_whatever_the_umask(track):
    before = os.umask(0)
    try:
        recording = await track.open()
        await recording.append([block(0, 10)])
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (track.journal, track.audio / "000001.wav")} == {0o600}


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX links")
async def test_a_link_in_the_place_of_a_file_is_not_followed(track, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (track.audio / "000001.wav").symlink_to(victim)
    recording = await track.open()
    with pytest.raises(StorageError):
        await recording.append([block(0, 10)])
    assert victim.read_text() == "precious"


CHILD = """
import resource, signal, sys
import anyio
from pathlib import Path
from transcriber.adapters.disk import Disk
from transcriber.adapters.recording import TrackRecording
from transcriber.errors import StorageError
from transcriber.types import Block, Gap, GapReason, Position

folder, limit = Path(sys.argv[1]), int(sys.argv[2])
if limit:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

async def main():
    recording = await TrackRecording.open(folder / "audio", folder / "journal" / "them", Disk())
    while True:
        start = recording.durable
        pieces = [Block(start, (start // 997 % 256).to_bytes(1, "little") * 1994)]
        if start % 29 == 0:
            pieces.insert(0, Gap(start, Position(start + 100), GapReason.DEVICE))
            pieces[1] = Block(Position(start + 100), pieces[1].pcm)
        try:
            print(await recording.append(pieces), flush=True)
        except StorageError as error:
            print(error, flush=True)
            return

anyio.run(main)
"""


def start_child(folder: Path, limit: int = 0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), str(limit)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("acknowledgements", [1, 2, 13, 40, 87])
def test_every_acknowledged_sample_survives_a_kill_and_the_file_plays(track, tmp_path, acknowledgements):
    with start_child(tmp_path) as child:
        lines = [child.stdout.readline() for _ in range(acknowledgements)]
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.read().splitlines(keepends=True)
    durable = max(int(line) for line in lines if line.endswith("\n"))
    [frames] = track.files().values()
    assert frames >= durable
    extent = journal.Extent()
    for record in journal.scan(track.journal.read_bytes()):
        if isinstance(record, journal.Damage):
            break  # the record that was being written
        extent.add(record)
        if isinstance(record, journal.Audio):
            [span] = wav.spans(record.start, record.end)
            assert SampleFiles(track.audio).checksum(span) == record.crc
    assert extent.durable >= durable


@pytest.mark.skipif(sys.platform == "win32", reason="RLIMIT_FSIZE")
def test_a_file_that_may_not_grow_is_a_storage_error_and_keeps_what_was_acknowledged(track, tmp_path):
    with start_child(tmp_path, limit=10_000) as child:
        *acknowledged, error = child.stdout.read().splitlines()
    assert "ulimit -f" in error
    assert read_extent(track.journal).durable == int(acknowledged[-1])
