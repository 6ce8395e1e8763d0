"""A session in which a part fails for good: what is kept, what is told, and by which error."""

import dataclasses

import anyio
import pytest
from msgspec.structs import replace

from transcriber import NoDeviceError, StorageError, Transcriber, TranscriberError
from transcriber.actors.transcription import Transcription
from transcriber.adapters import guarded_recording
from transcriber.adapters.engine.scripted import say, silence
from transcriber.adapters.recording import TrackRecording, read_extent, read_pieces
from transcriber.adapters.recovery import recover
from transcriber.adapters.recovery_verify import verify
from transcriber.adapters.scripted_source import ScriptedSource
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_index import SessionState, state_of
from transcriber.app.reporting import SilentLog, cause
from transcriber.errors import DeviceLost
from transcriber.events import Envelope, GapFound, SessionStarted, StateChanged, Summary
from transcriber.settings import Storage, Supervision, Track
from transcriber.types import RATE, GapReason, Position, Reading

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("_scripted_engine")]

SECONDS = 3


async def run(transcriber) -> list[Envelope]:
    """Return all events; what is raised on leaving is in `transcriber.session.fault()`."""
    seen = []
    try:
        async with transcriber:
            seen = [envelope async for envelope in transcriber.events()]
    except TranscriberError as error:
        assert str(error) == str(transcriber.session.fault())  # noqa: PT017 - both ways to it say the same
    return seen


def of[T](kind: type[T], envelopes: list[Envelope]) -> list[T]:
    return [envelope.event for envelope in envelopes if isinstance(envelope.event, kind)]


async def test_the_session_comes_first_the_summary_last_and_numbers_grow(play, settings_for):
    play([silence(SECONDS)])
    transcriber = Transcriber(settings_for())
    envelopes = await run(transcriber)
    assert isinstance(envelopes[0].event, SessionStarted)
    assert isinstance(envelopes[-1].event, Summary)
    numbers = [envelope.seq for envelope in envelopes]
    assert numbers == sorted(set(numbers))
    [track] = transcriber.summary.tracks
    assert track.captured == track.coverage.silence == SECONDS * RATE


async def test_a_capture_ends_at_the_sample_that_was_asked_for(play, settings_for):
    play([say(["one"] * 10)])
    transcriber = Transcriber(settings_for(), duration=1.2345)
    await run(transcriber)
    assert transcriber.summary.tracks[0].captured == round(1.2345 * RATE)


def changes_of(component, envelopes, track="t0"):
    return [
        change.after for change in of(StateChanged, envelopes) if (change.component, change.track) == (component, track)
    ]


async def test_a_device_that_stays_gone_leaves_a_gap_by_name_to_the_end_and_the_others_go_on(play, settings_for):
    gone = DeviceLost("the headset is gone")
    play([silence(0.5), *[gone] * 99], [silence(9)], live=True)
    transcriber = Transcriber(settings_for("loopback", "microphone"), duration=2.0)
    envelopes = await run(transcriber)
    assert isinstance(transcriber.session.fault(), NoDeviceError)
    assert "headset" in str(transcriber.session.fault())
    lost, other = transcriber.summary.tracks
    assert lost.captured == other.captured == 2 * RATE
    assert transcriber.summary.complete
    gaps = [found.gap for found in of(GapFound, envelopes) if found.track == "t0"]
    assert {gap.reason for gap in gaps} == {GapReason.DEVICE}
    assert gaps[-1].end == 2 * RATE
    assert changes_of("capture", envelopes)[-3:] == ["fallback", "waiting", "finished"]


async def test_a_device_that_is_back_is_taken_back(play, settings_for):
    gone = DeviceLost("the headset is gone")
    play([silence(0.5), *[gone] * 5, silence(9)], live=True)
    settings = settings_for("loopback")
    transcriber = Transcriber(replace(settings, supervision=Supervision(delay=0.0, probe_interval=0.5)), duration=3.0)
    envelopes = await run(transcriber)
    assert transcriber.session.fault() is None
    [track] = transcriber.summary.tracks
    assert track.captured == 3 * RATE
    assert track.coverage.missing < 2.0 * RATE  # the second probe is after 1.0 s
    assert {found.gap.reason for found in of(GapFound, envelopes)} == {GapReason.DEVICE}
    assert changes_of("capture", envelopes)[-3:] == ["fallback", "waiting", "running"]
    assert transcriber.summary.restarts == 4


async def test_the_ledger_of_a_session_that_is_resumed_is_that_of_the_whole(play, settings_for):
    gone = DeviceLost("the headset is gone")
    play([say(["one", "two"]), silence(1), *[gone] * 5, silence(9)], live=True)
    settings = replace(settings_for("loopback"), supervision=Supervision(delay=0.0, probe_interval=0.5))
    transcriber = Transcriber(settings, duration=4.0)
    await run(transcriber)
    [track] = transcriber.summary.tracks
    assert (track.segments, track.words, track.gaps > 0) == (1, 2, True)
    assert track.missing_by == {GapReason.DEVICE: track.coverage.missing}
    again = Transcriber(settings, resume=transcriber.folder)
    await run(again)
    [resumed] = again.summary.tracks
    assert resumed == dataclasses.replace(track, commit_latency=None)


async def test_fallbacks_stand_in_in_order_and_give_way_again(play, settings_for):
    gone = DeviceLost("gone")
    play([silence(0.5), *[gone] * 4, silence(9)], [*[gone] * 99], [silence(9)], live=True)
    track = Track(name="t0", source="loopback", fallbacks=("loopback:a", "loopback:b"))
    settings = replace(
        settings_for(), tracks=(track,), supervision=Supervision(delay=0.0, max_restarts=0, probe_interval=0.5)
    )
    transcriber = Transcriber(settings, duration=3.0)
    envelopes = await run(transcriber)
    assert transcriber.session.fault() is None
    assert transcriber.summary.tracks[0].captured == 3 * RATE
    assert changes_of("capture", envelopes) == ["failed", "fallback", "failed", "fallback", "running"]


async def test_a_session_may_begin_with_a_fallback(play_sources, settings_for):
    refusing = ScriptedSource([silence(9)], live=True, refusals=[NoDeviceError("none")])
    standing_in = ScriptedSource([silence(9)], live=True, label="loopback:other")
    play_sources(refusing, standing_in)
    track = Track(name="t0", source="loopback", fallbacks=("loopback:other",))
    settings = replace(settings_for(), tracks=(track,), supervision=Supervision(delay=0.0, probe_interval=0.5))
    transcriber = Transcriber(settings, duration=2.0)
    envelopes = await run(transcriber)
    assert transcriber.session.fault() is None
    assert transcriber.summary.tracks[0].captured == 2 * RATE
    assert changes_of("capture", envelopes) == ["fallback", "running"]


async def test_a_transcription_that_fails_for_good_leaves_the_whole_recording(play, settings_for, monkeypatch):
    async def fail(_self):
        raise ZeroDivisionError

    play([silence(SECONDS)])
    monkeypatch.setattr(Transcription, "run", fail)
    transcriber = Transcriber(settings_for())
    envelopes = await run(transcriber)
    assert "ZeroDivisionError" in str(transcriber.session.fault())
    assert f"transcriber resume {transcriber.folder}" in str(transcriber.session.fault())
    assert transcriber.summary.tracks[0].captured == SECONDS * RATE
    assert not transcriber.summary.complete
    assert [change.component for change in of(StateChanged, envelopes) if change.after == "given up"] == [
        "transcription"
    ]
    assert state_of(transcriber.folder) is SessionState.UNFINISHED


async def test_where_a_part_found_no_place_to_the_end_the_error_says_so(play, settings_for, monkeypatch):
    play([silence(SECONDS)], live=True)
    transcriber = Transcriber(replace(settings_for(), storage=Storage(emergency_size=0)))
    append = TrackRecording.append

    async def fail(self, pieces):
        if self.durable:
            raise StorageError("no space left on the disk; make room")
        return await append(self, pieces)

    monkeypatch.setattr(TrackRecording, "append", fail)
    monkeypatch.setattr(guarded_recording, "LONGEST_WAIT", 0.0)
    await run(transcriber)
    assert "found no place" in str(transcriber.session.fault())
    assert transcriber.session.remedy in str(transcriber.session.fault())


async def test_a_disk_that_fails_for_good_is_a_storage_error_and_what_was_acknowledged_is_there(
    play, settings_for, monkeypatch
):
    play([silence(SECONDS)], live=True)
    transcriber = Transcriber(settings_for())
    append = TrackRecording.append

    async def fail(self, pieces):
        if self.durable:
            raise StorageError("no space left on the disk; make room")
        return await append(self, pieces)

    monkeypatch.setattr(TrackRecording, "append", fail)
    await run(transcriber)
    fault = transcriber.session.fault()
    assert isinstance(fault, StorageError)
    assert "emergency file" in str(fault)
    assert not transcriber.summary.complete or state_of(transcriber.folder) is SessionState.UNFINISHED
    monkeypatch.undo()
    folder = SessionFolder.open(transcriber.folder)
    [track] = recover(folder).tracks
    folder.close()
    assert track.durable == transcriber.summary.tracks[0].captured
    assert track.damage == []


async def test_a_disk_that_fails_for_a_while_costs_no_sample(play, settings_for, monkeypatch):
    play([say(["one", "two"] * 4)])
    transcriber = Transcriber(settings_for())
    append, failures = TrackRecording.append, iter(range(2))

    async def fail(self, pieces):
        if self.durable and next(failures, None) is not None:
            raise StorageError("the disk is away")
        return await append(self, pieces)

    monkeypatch.setattr(TrackRecording, "append", fail)
    await run(transcriber)
    extent = read_extent(transcriber.folder / "journal" / "t0")
    assert transcriber.summary.complete
    assert transcriber.summary.tracks[0].words == 8
    [block] = read_pieces(transcriber.folder / "audio" / "t0", extent.gaps, Position(0), extent.durable)
    whole = say(["one", "two"] * 4)
    assert block.pcm == whole
    assert next(failures, None) is None


async def test_a_session_whose_tracks_hold_nothing_is_sound(play, settings_for):
    play([], [])
    transcriber = Transcriber(settings_for("loopback", "microphone"))
    await run(transcriber)
    assert transcriber.summary.complete
    assert verify(SessionFolder.view(transcriber.folder)).ok


def test_the_cause_is_what_has_a_remedy():
    known = StorageError("make room")
    assert cause(ExceptionGroup("", [ValueError("x"), ExceptionGroup("", [known])])) is known
    assert "unexpected ValueError: x" in str(cause(ExceptionGroup("", [ValueError("x")])))


class ClockLog(SilentLog):
    def __init__(self):
        self.lines = []

    def info(self, event, /, **fields):
        self.lines += [fields] if event == "clock_kept" else []


@pytest.mark.parametrize(("slow", "told"), [(1.01, True), (1.0, False)])
async def test_by_how_much_a_clock_was_off_is_told_at_the_end(play, settings_for, slow, told):
    now = anyio.current_time() + 1
    script = [Reading(bytes(3_200), now + 0.1 * slow * number) for number in range(1, 301)]
    play(script, live=True)
    log = ClockLog()
    transcriber = Transcriber(settings_for("loopback"), log=log)
    await run(transcriber)
    assert bool(log.lines) is told
    for line in log.lines:
        assert line["track"] == "t0"
        assert line["seconds"] == pytest.approx(0.3, abs=0.05)
        assert line["ppm"] == pytest.approx(10_000, abs=1_500)
