import shutil
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from transcriber.adapters import free_space as module
from transcriber.adapters.free_space import SpaceProbe, free_space


@pytest.fixture
def disk(monkeypatch):
    """A disk that answers when it is let, and says what it was asked for."""
    disk = SimpleNamespace(free=1000, asked=[], answers=threading.Event())

    def usage(path):
        disk.asked.append(path)
        assert disk.answers.wait(30)
        return SimpleNamespace(free=disk.free)

    monkeypatch.setattr(module.shutil, "disk_usage", usage)
    yield disk
    disk.answers.set()


def settle(probe: SpaceProbe) -> None:
    """Wait for the answer of the disk."""
    probe._asking.join(30)
    assert not probe._asking.is_alive()


def test_it_is_what_the_system_says(small_disk):
    before = free_space(small_disk)
    assert before == shutil.disk_usage(small_disk).free <= 600 * 1024
    (small_disk / "file").write_bytes(bytes(200_000))
    assert free_space(small_disk) <= before - 200_000


def test_of_a_folder_that_is_not_there_yet_it_is_that_of_its_disk(small_disk):
    assert free_space(small_disk / "not" / "yet") == free_space(small_disk)


def test_it_is_unknown_where_the_system_does_not_say(monkeypatch):
    def fail(_path):
        raise PermissionError

    monkeypatch.setattr(module.shutil, "disk_usage", fail)
    assert free_space(Path("/somewhere")) is None


def test_each_call_returns_what_the_one_before_it_asked_for(disk):
    disk.answers.set()
    probe = SpaceProbe(Path("/somewhere"))
    assert probe.free() is None
    settle(probe)
    disk.free = 900
    assert probe.free() == 1000
    settle(probe)
    assert probe.free() == 900


def test_a_disk_that_hangs_holds_up_nobody_and_is_asked_once(disk):
    probe = SpaceProbe(Path("/somewhere"))
    assert [probe.free() for _ in range(100)] == [None] * 100
    disk.answers.set()
    settle(probe)
    assert len(disk.asked) == 1
    assert probe.free() == 1000


def test_a_disk_that_hangs_does_not_keep_the_program_from_ending(disk):
    probe = SpaceProbe(Path("/somewhere"))
    probe.free()
    assert probe._asking.daemon
    assert not disk.answers.is_set()
