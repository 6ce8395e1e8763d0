import os
import subprocess
import sys
from types import SimpleNamespace

import psutil
import pytest

from transcriber.adapters.process_probe import ProcessProbe


def test_it_reads_this_process_and_every_core():
    probe = ProcessProbe()
    core = probe.process("core")
    assert core is not None
    assert (core.name, core.pid) == ("core", os.getpid())
    assert 1 << 20 < core.memory < 1 << 40
    assert core.priority == int(psutil.Process().nice())
    assert len(probe.cores()) == psutil.cpu_count()


def test_work_shows_in_the_next_reading():
    probe = ProcessProbe()
    probe.process("core")
    sum(number * number for number in range(2_000_000))
    core = probe.process("core")
    assert core is not None
    assert core.cpu > 0


def test_a_process_that_is_gone_is_none_and_another_may_take_its_name():
    probe = ProcessProbe()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        first = probe.process("engine", child.pid)
        assert first is not None
        assert first.pid == child.pid
        child.communicate(b"\n")
    assert probe.process("engine", child.pid) is None
    again = probe.process("engine", os.getpid())
    assert again is not None
    assert again.pid == os.getpid()


@pytest.mark.parametrize(
    ("sensors", "temperature"),
    [
        ({}, None),
        ({"nvme": [SimpleNamespace(current=70.0)]}, None),
        ({"coretemp": [SimpleNamespace(current=51.0), SimpleNamespace(current=62.0)]}, 62.0),
        ({"acpitz": [SimpleNamespace(current=20.0)], "k10temp": [SimpleNamespace(current=55.0)]}, 55.0),
    ],
)
def test_the_temperature_is_that_of_the_hottest_sensor_of_the_processor(monkeypatch, sensors, temperature):
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: sensors, raising=False)
    assert ProcessProbe().temperature() == temperature


def test_a_system_without_sensors_has_no_temperature(monkeypatch):
    monkeypatch.delattr(psutil, "sensors_temperatures", raising=False)
    assert ProcessProbe().temperature() is None
