"""Devices that vanish and return while the program runs, on a sound server of the test's own."""

import signal
import time
from pathlib import Path

import psutil
import pytest

from transcriber.adapters import pulse_server

pytestmark = [pytest.mark.rig, pytest.mark.model]

SPEECH = Path(__file__).parents[2] / "examples" / "speech.flac"


def begin(start, model, name, *sources):
    program = start(
        "run", *sources, "--name", name, "--model", model, "--language", "en", "--format", "jsonl", sound=True
    )
    program.until_told('"to":"ready"')
    return program


def hear(rig, program, sink):
    """Play speech on a sink, and wait until it is a segment."""
    before = program.output.count('"event":"segment"')
    assert rig.play(SPEECH, sink).wait() == 0
    program.until(lambda: program.output.count('"event":"segment"') > before)


def captures(ended):
    return [event["to"] for event in ended.of("state") if event["component"] == "capture"]


def text(ended):
    return " ".join(segment["text"] for segment in ended.of("segment"))


def assert_sound(ended, transcriber, session):
    assert ended.summary["coverage"] == 1
    assert transcriber("sessions", "verify", session).code == 0


def test_a_fallback_takes_over_and_gives_way_when_the_device_is_back(own_rig, start, model, transcriber, session_of):
    sources = "--source", "them=loopback:speakers", "--fallback", "loopback:headset"
    program = begin(start, model, "fallback", *sources)
    hear(own_rig, program, "speakers")
    own_rig.play(SPEECH, "micfeed")  # what is said must be nowhere
    own_rig.unplug("speakers")
    program.until_told('"to":"fallback"')
    hear(own_rig, program, "headset")
    own_rig.plug("speakers", "Test_Speakers")
    program.until_told('"to":"running","reason":"it works again: loopback:speakers"')
    hear(own_rig, program, "speakers")
    program.signal()
    ended = program.end()
    assert ended.code == 0, ended.stderr
    assert [state for state in captures(ended) if state in {"fallback", "running"}][-2:] == ["fallback", "running"]
    assert text(ended).count("fellow Americans") == 3
    assert {gap["reason"] for gap in ended.of("gap")} == {"device"}
    assert_sound(ended, transcriber, session_of("fallback"))


def test_a_lost_device_without_a_fallback_is_waited_for(own_rig, start, model, transcriber, session_of):
    program = begin(start, model, "waiting", "--source", "them=loopback:speakers")
    own_rig.play(SPEECH, "micfeed")
    own_rig.unplug("speakers")
    program.until_told('"to":"waiting"')
    own_rig.plug("speakers", "Test_Speakers")
    program.until_told('"to":"running","reason":"it works again: loopback:speakers"')
    hear(own_rig, program, "speakers")
    program.signal()
    ended = program.end()
    assert ended.code == 0, ended.stderr
    assert text(ended).count("fellow Americans") == 1
    assert {gap["reason"] for gap in ended.of("gap")} == {"device"}
    assert_sound(ended, transcriber, session_of("waiting"))


def test_a_sound_server_that_dies_is_waited_for_and_a_run_that_ends_without_it_says_so(
    own_rig, start, model, transcriber, session_of
):
    program = begin(start, model, "server", "--source", "them=loopback")
    hear(own_rig, program, "speakers")
    own_rig.server.kill()
    program.until_told('"to":"waiting"')
    program.signal()
    ended = program.end()
    ended.failed(3, "there is no sound system", "--fallback")
    assert text(ended).count("fellow Americans") == 1
    assert ended.of("gap")[-1]["end"] == pytest.approx(ended.summary["captured"])
    assert_sound(ended, transcriber, session_of("server"))


def test_a_program_that_was_stopped_calls_nobody_hung_and_names_what_it_missed(
    own_rig, start, model, transcriber, session_of
):
    program = begin(start, model, "stopped", "--source", "them=loopback:speakers")
    hear(own_rig, program, "speakers")
    own_rig.play(SPEECH, "speakers")
    processes = [psutil.Process(program.process.pid), *psutil.Process(program.process.pid).children(recursive=True)]
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    time.sleep(pulse_server.HUNG + 6)  # that it stands still is what is tested
    for process in reversed(processes):
        process.send_signal(signal.SIGCONT)
    hear(own_rig, program, "speakers")
    program.signal()
    ended = program.end()
    assert ended.code == 0, ended.stderr
    assert "failed" not in captures(ended)
    assert ended.summary["restarts"] == 0
    assert {gap["reason"] for gap in ended.of("gap")} == {"overload"}
    assert_sound(ended, transcriber, session_of("stopped"))
