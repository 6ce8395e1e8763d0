import errno
import os
import stat
import threading

import pytest

from transcriber.adapters import disk_files
from transcriber.adapters.emergency_file import EmergencyFile, salvaged
from transcriber.errors import StorageError

SIZE = 64 * 1024


@pytest.fixture
def path(tmp_path):
    return tmp_path / "emergency"


def test_its_space_is_there_from_the_beginning_and_for_nobody_else(path):
    file = EmergencyFile(path, SIZE)
    assert path.stat().st_blocks * 512 >= SIZE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    file.close(remove=True)
    assert not path.exists()


def test_what_was_appended_is_read_by_place_and_after_a_crash(path):
    file = EmergencyFile(path, SIZE)
    places = [*file.append([b"one", b"two" * 100]), *file.append([b"three"])]
    assert [file.read(place) for place in places] == [b"one", b"two" * 100, b"three"]
    assert salvaged(path) == [b"one", b"two" * 100, b"three"]


def test_it_goes_on_after_what_a_killed_run_left(path):
    EmergencyFile(path, SIZE).append([b"one"])
    again = EmergencyFile(path, SIZE)
    again.append([b"two"])
    assert salvaged(path) == [b"one", b"two"]


def test_emptied_it_holds_nothing_and_can_be_filled_again(path):
    file = EmergencyFile(path, SIZE)
    file.append([b"old"] * 5)
    file.clear()
    assert salvaged(path) == []
    file.append([b"new"])
    assert salvaged(path) == [b"new"]
    assert salvaged(path) == [b"new"]
    assert EmergencyFile(path, SIZE).append([b"newer"])
    assert salvaged(path) == [b"new", b"newer"]


def test_what_does_not_fit_is_refused_as_a_whole(path):
    file = EmergencyFile(path, SIZE)
    file.append([b"x" * (SIZE // 2)])
    with pytest.raises(StorageError, match="is full"):
        file.append([b"small", b"y" * (SIZE // 2)])
    assert salvaged(path) == [b"x" * (SIZE // 2)]
    file.append([b"small"])
    assert len(salvaged(path)) == 2


def test_it_writes_where_there_is_no_space_left(small_disk):
    file = EmergencyFile(small_disk / "emergency", SIZE)
    with (small_disk / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError, match="No space"):  # noqa: PT012
        while True:
            filler.write(bytes(4096))
    file.append([b"x" * 1000])
    assert salvaged(small_disk / "emergency") == [b"x" * 1000]


def test_without_the_space_it_is_refused_at_once(small_disk):
    with pytest.raises(StorageError, match="free some space"):
        EmergencyFile(small_disk / "emergency", 1 << 30)


def test_a_failed_sync_is_never_repeated_on_a_descriptor_and_what_it_was_for_is_written_again(path, monkeypatch):
    file = EmergencyFile(path, SIZE)
    file.append([b"one"])
    real, write, made = disk_files.sync, disk_files.write_at, []

    def fails_twice(descriptor):
        made.append("sync")
        if made.count("sync") < 3:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(descriptor)

    def noted(descriptor, offset, content):
        made.append("write")
        write(descriptor, offset, content)

    opened = disk_files.open_private
    monkeypatch.setattr(disk_files, "sync", fails_twice)
    monkeypatch.setattr(disk_files, "write_at", noted)
    monkeypatch.setattr(disk_files, "open_private", lambda path: made.append("open") or opened(path))
    for _ in range(2):
        with pytest.raises(StorageError):
            file.append([b"two"])
    [place] = file.append([b"two"])
    assert made == ["write", "sync", "open", "write", "sync", "open", "write", "sync"]
    assert file.read(place) == b"two"
    assert salvaged(path) == [b"one", b"two"]


def test_a_file_that_was_removed_takes_nothing_as_durable_and_is_made_anew_with_its_space(path):
    file = EmergencyFile(path, SIZE)
    [place] = file.append([b"one"])
    path.unlink()
    with pytest.raises(StorageError, match="removed while it was written"):
        file.append([b"two"])
    file.append([b"two"])
    assert file.read(place) is None
    assert salvaged(path) == [b"two"]
    assert path.stat().st_blocks * 512 >= SIZE


def test_what_is_not_as_it_was_written_is_not_returned(path):
    file = EmergencyFile(path, SIZE)
    places = file.append([b"one", b"two"])
    content = bytearray(path.read_bytes())
    content[content.index(b"one")] ^= 1
    path.write_bytes(content)
    assert [file.read(place) for place in places] == [None, b"two"]


def test_while_a_call_is_stuck_every_other_is_refused_and_the_file_stays_whole(path, monkeypatch):
    file = EmergencyFile(path, SIZE)
    real, over, stuck = disk_files.sync, threading.Event(), threading.Event()

    def hangs(descriptor):
        stuck.set()
        over.wait(60)
        real(descriptor)

    monkeypatch.setattr(disk_files, "sync", hangs)
    thread = threading.Thread(target=file.append, args=([b"one"],))
    thread.start()
    stuck.wait()
    for call in (lambda: file.append([b"two"]), file.clear, lambda: file.close(remove=True)):
        with pytest.raises(StorageError, match="no answer yet"):
            call()
    over.set()
    thread.join()
    file.append([b"two"])
    assert salvaged(path) == [b"one", b"two"]


def test_nothing_is_left_open(path):
    before = os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []  # noqa: PTH112, PTH208 - a count
    file = EmergencyFile(path, SIZE)
    file.close(remove=True)
    file.close(remove=True)
    assert (os.listdir("/proc/self/fd") if before else []) == before  # noqa: PTH208 - as above


def test_no_file_holds_nothing(path):
    assert salvaged(path) == []
