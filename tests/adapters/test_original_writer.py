"""What a source delivers goes to disk as it is; what does not get there is left out and told, and nobody waits."""

import stat
import threading
import wave

import anyio
import pytest
from trio.testing import MockClock

from transcriber.adapters import original_writer
from transcriber.adapters.disk import Disk, InlineDisk
from transcriber.adapters.original_files import check_original
from transcriber.adapters.original_writer import LAST_TRY, OriginalWriter
from transcriber.core.component_states import Actor
from transcriber.errors import StorageError
from transcriber.types import RATE, AudioFormat, DeviceBlock, Gap, GapReason, Position

pytestmark = pytest.mark.anyio

CD = AudioFormat(44_100, 2)
SECOND = bytes(range(1, 197)) * 900


@pytest.fixture
def anyio_backend():
    return "trio", {"clock": MockClock(autojump_threshold=0)}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "original" / "me"


class Told:
    """What the writer tells of itself."""

    def __init__(self):
        self.changes: list[Actor] = []
        self.reasons: list[str] = []

    def __call__(self, state, reason):
        self.changes.append(state)
        self.reasons.append(reason)


@pytest.fixture
def told():
    return Told()


def block(second: int) -> DeviceBlock:
    return DeviceBlock(Position(second * RATE), SECOND, CD)


def content(folder):
    """Return the frames of each file by where it begins, as the standard library reads them."""
    found = {}
    for path in sorted(folder.iterdir()):
        with wave.open(str(path)) as file:
            assert file.getparams()[:3] == (2, 2, 44_100)
            assert path.stat().st_size == 44 + 4 * file.getnframes()
            found[int(path.stem)] = file.readframes(file.getnframes())
    return found


class FailingDisk(InlineDisk):
    """A disk that does what it is told."""

    works = True
    tried = 0

    async def run(self, call):
        self.tried += 1
        if not self.works:
            raise StorageError("no space left on the disk")
        return await super().run(call)


async def test_what_is_flushed_plays(folder, told):
    writer = OriginalWriter(folder, InlineDisk(), 0, told)
    for second in range(3):
        writer.take(block(second))
        await writer.flush()
        assert content(folder) == {0: SECOND * (second + 1)}
        assert list(check_original(folder)) == []
    assert told.changes == []


async def test_files_and_folders_are_the_owners_alone(folder, told):
    writer = OriginalWriter(folder, InlineDisk(), 0, told)
    writer.take(block(0))
    await writer.flush()
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder.parent, folder, *folder.iterdir())]
    assert modes == [0o700, 0o700, 0o600]


async def test_a_gap_and_another_format_begin_a_file(folder, told):
    writer = OriginalWriter(folder, InlineDisk(), 0, told)
    mono = AudioFormat(16_000, 1)
    writer.take(block(0))
    writer.take(Gap(Position(RATE), Position(5 * RATE), GapReason.DEVICE))
    writer.take(block(5))
    writer.take(DeviceBlock(Position(6 * RATE), SECOND[:3200], mono))
    await writer.flush()
    assert [path.name for path in sorted(folder.iterdir())] == [
        "000000000000.wav",
        "000000080000.wav",
        "000000096000.wav",
    ]
    assert list(check_original(folder)) == []
    assert told.changes == [], "nothing was left out"


async def test_a_disk_that_fails_suspends_it_and_it_goes_on_once_it_works(folder, told):
    disk = FailingDisk()
    writer = OriginalWriter(folder, disk, 0, told)
    for second in range(10):
        disk.works = second not in range(2, 5)
        writer.take(block(second))
        await writer.flush()
        await anyio.sleep(1.0)
    assert told.changes == [Actor.SUSPENDED, Actor.RUNNING]
    assert "no space left" in told.reasons[0]
    missing = 10 - sum(len(frames) // len(SECOND) for frames in content(folder).values())
    assert f"{missing}.0 s of it are left out" in told.reasons[1]
    assert 3 <= missing < 6
    assert content(folder)[0] == SECOND * 2
    assert len(content(folder)) == 2


async def test_a_disk_that_fails_is_tried_ever_less_often(folder, told):
    disk = FailingDisk()
    disk.works = False
    writer = OriginalWriter(folder, disk, 0, told)
    for second in range(300):
        writer.take(block(second))
        await writer.flush()
        await anyio.sleep(1.0)
    assert 300 / LAST_TRY <= disk.tried <= 300 / LAST_TRY + 6
    assert told.changes == [Actor.SUSPENDED]


async def test_the_recording_comes_first_where_little_is_free(folder, told, monkeypatch):
    free = [10**9, 199_000_000, 10**9]
    monkeypatch.setattr(original_writer, "free_space", lambda _: free.pop())
    writer = OriginalWriter(folder, InlineDisk(), 200_000_000, told)
    for second in range(3):
        writer.take(block(second))
        await writer.flush()
        await anyio.sleep(1.0)
    assert list(content(folder)) == [0, 2 * RATE]
    assert "199.0 MB are free" in told.reasons[0]
    assert "1.0 s of it are left out" in told.reasons[1]


async def test_what_came_too_fast_for_the_disk_is_told(folder, told):
    writer = OriginalWriter(folder, InlineDisk(), 0, told)
    writer.take(block(0))
    writer.take(block(3))
    await writer.flush()
    assert told.changes == [Actor.SUSPENDED, Actor.RUNNING]
    assert "2.0 s of it are left out" in told.reasons[1]
    assert list(content(folder)) == [0, 3 * RATE]


async def test_much_that_is_held_is_to_be_flushed_at_once(folder, told):
    writer = OriginalWriter(folder, InlineDisk(), 0, told)
    assert [writer.take(block(second)) for second in range(6)] == [False] * 5 + [True]
    await writer.flush()
    assert writer.take(block(6)) is False


@pytest.mark.parametrize("call", ["write_at", "sync", "sync_folder"])
@pytest.mark.parametrize("nth", range(1, 5))
async def test_whichever_call_fails_each_file_is_whole_and_nothing_that_was_written_goes(
    folder, told, monkeypatch, call, nth
):
    writer = OriginalWriter(folder, InlineDisk(), 0, told)
    calls = 0
    real = getattr(original_writer.disk_files, call)

    def fail(*arguments):
        nonlocal calls
        calls += 1
        if calls == nth:
            raise OSError(28, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(original_writer.disk_files, call, fail)
    for second in range(6):
        before = content(folder) if folder.exists() else {}
        writer.take(block(second))
        await writer.flush()
        after = content(folder) if folder.exists() else {}
        assert all(after[start].startswith(frames) for start, frames in before.items())
        await anyio.sleep(1.0)
    assert list(check_original(folder)) == []
    if calls >= nth:
        assert told.changes == [Actor.SUSPENDED, Actor.RUNNING]


async def test_a_file_that_vanished_is_not_written_on_with_a_hole(folder, told):
    writer = OriginalWriter(folder, InlineDisk(), 0, told)
    writer.take(block(0))
    await writer.flush()
    (folder / "000000000000.wav").unlink()
    for second in (1, 2):
        writer.take(block(second))
        await writer.flush()
        await anyio.sleep(1.0)
    assert content(folder) == {2 * RATE: SECOND}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_write_that_hangs_spoils_no_later_one(folder, told, monkeypatch, anyio_backend):  # noqa: ARG001
    asleep, stuck = threading.Event(), threading.Event()
    real = original_writer.disk_files.sync

    def sync(descriptor):
        if not stuck.is_set():
            stuck.set()
            asleep.wait(30)
        real(descriptor)

    monkeypatch.setattr(original_writer, "FIRST_TRY", 0.0)
    disk = Disk(deadline=0.2)
    writer = OriginalWriter(folder, disk, 0, told)
    monkeypatch.setattr(original_writer.disk_files, "sync", sync)
    writer.take(block(0))
    await writer.flush()
    assert told.changes == [Actor.SUSPENDED]
    writer.take(block(1))
    await writer.flush()
    asleep.set()
    await disk.close()
    assert told.changes == [Actor.SUSPENDED, Actor.RUNNING]
    assert content(folder) == {0: SECOND, RATE: SECOND}
