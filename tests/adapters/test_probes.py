"""What the doctor's probes find out about a real computer and a real folder."""

import os
import platform
import stat
import sys

import psutil
import pytest

from transcriber.adapters import folder_probe, machine_probe
from transcriber.adapters.folder_probe import probe_folder
from transcriber.adapters.machine_probe import has_avx2, probe_machine


def test_the_computer_tells_what_it_is():
    machine = probe_machine()
    assert platform.python_version() in machine.python
    assert machine.bits in {32, 64}
    assert machine.cores >= 1
    assert 0 < machine.memory_free <= machine.memory == psutil.virtual_memory().total
    assert (machine.build is None) == (sys.platform != "win32")


@pytest.mark.skipif(sys.platform != "linux", reason="the flags are read from /proc")
@pytest.mark.parametrize(("flags", "has"), [("flags : avx avx2", True), ("flags : avx avx512", False)])
def test_avx2_is_a_flag_of_its_own(monkeypatch, tmp_path, flags, has):
    (tmp_path / "cpuinfo").write_text(f"{flags}\n")
    monkeypatch.setattr(machine_probe, "Path", lambda _: tmp_path / "cpuinfo")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert has_avx2() is has
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert has_avx2() is None


def test_a_folder_is_written_to_and_left_as_it_was(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir(mode=0o700)
    found = probe_folder(folder, needed=7)
    assert not found.error
    assert found.sync > 0
    assert found.needed == 7
    assert not found.shared
    assert not list(folder.iterdir())


def test_a_folder_that_is_not_there_yet_is_not_made(tmp_path):
    found = probe_folder(tmp_path / "deep" / "down", needed=0)
    assert not found.error
    assert found.sync > 0
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="the access list rules there")
def test_a_folder_that_others_may_look_into_is_told(tmp_path):
    tmp_path.chmod(0o750)
    assert probe_folder(tmp_path, needed=0).shared
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750


def test_a_folder_that_cannot_be_written_is_told_by_its_own_name(tmp_path):
    (tmp_path / "file").write_text("")
    found = probe_folder(tmp_path / "file", needed=0)
    assert str(tmp_path / "file") in found.error
    assert "name a folder" in found.error
    assert found.sync is None


def test_the_slowest_block_counts_and_a_disk_that_fails_leaves_nothing(tmp_path, monkeypatch):
    calls = iter(range(100))

    def fails_late(_descriptor):
        if next(calls) == 3:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(folder_probe.disk_files, "sync", fails_late)
    assert "Input/output error" in probe_folder(tmp_path, needed=0).error
    assert not list(tmp_path.iterdir())
