import errno
import os
import stat

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


def test_a_failed_sync_is_never_repeated(path, monkeypatch):
    file = EmergencyFile(path, SIZE)
    file.append([b"one"])
    syncs = []

    def fails(descriptor):
        syncs.append(descriptor)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(disk_files, "sync", fails)
    for _ in range(3):
        with pytest.raises(StorageError):
            file.append([b"two"])
    assert len(syncs) == 1
    file.close(remove=False)


def test_nothing_is_left_open(path):
    before = os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []  # noqa: PTH112, PTH208 - a count
    file = EmergencyFile(path, SIZE)
    file.close(remove=True)
    file.close(remove=True)
    assert (os.listdir("/proc/self/fd") if before else []) == before  # noqa: PTH208 - as above


def test_no_file_holds_nothing(path):
    assert salvaged(path) == []
