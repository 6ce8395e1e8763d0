"""What the source delivers, kept beside the recording and on its clock, whatever becomes of its disk."""

import time
import wave

import anyio
import numpy as np
import pytest
from anyio.lowlevel import checkpoint
from msgspec.structs import replace

from transcriber import Transcriber, TranscriberError
from transcriber.actors.original import Original
from transcriber.adapters import original_writer
from transcriber.adapters.engine.scripted import silence
from transcriber.adapters.original_files import original_files
from transcriber.adapters.recording import read_extent
from transcriber.adapters.recovery_verify import verify
from transcriber.adapters.scripted_source import ScriptedSource
from transcriber.adapters.session_folder import SessionFolder
from transcriber.errors import DeviceLost
from transcriber.events import StateChanged
from transcriber.settings import Storage, Supervision, Track
from transcriber.types import RATE, AudioFormat, Position, SampleFormat

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("_scripted_engine")]

CD, STUDIO = AudioFormat(44_100, 2), AudioFormat(48_000, 1, SampleFormat.F32)
CLICKS = (0.25, 1.0, 2.718)


@pytest.fixture
def settings(settings_for):
    storage = Storage(source_quality=True, least_free=0)
    return replace(settings_for(), storage=storage, supervision=Supervision(delay=0.0, probe_interval=0.5))


async def run(settings, **options):
    """Return the transcriber, and the states that the keeping of the original went through."""
    changes = []
    transcriber = Transcriber(settings, **options)
    try:
        async with transcriber:
            async for envelope in transcriber.events():
                if isinstance(envelope.event, StateChanged) and envelope.event.component == "original":
                    changes.append(envelope.event)  # noqa: PERF401 - an async comprehension would lose them on an error
    except TranscriberError as error:
        assert str(error) == str(transcriber.session.fault())  # noqa: PT017 - both ways to it say the same
    return transcriber, changes


def clicks(length: float) -> bytes:
    """Quiet stereo with a click of one frame on the left at some times."""
    frames = np.zeros((round(length * CD.rate), 2), "<i2")
    frames[[round(at * CD.rate) for at in CLICKS], 0] = 30_000
    return frames.tobytes()


def loudest(samples, rate: int, around: float) -> float:
    """Return when the loudest sample sounds within a tenth of a second of a time."""
    first = round((around - 0.1) * rate)
    return (first + int(np.argmax(np.abs(samples[first : first + rate // 5].astype(float))))) / rate


def frames_of(path) -> bytes:
    with wave.open(str(path)) as file:
        return file.readframes(file.getnframes())


async def test_a_click_is_at_the_same_time_in_both_recordings(play, settings):
    play([clicks(4.0)], form=CD)
    transcriber, changes = await run(settings)
    assert changes == []
    [file] = original_files(transcriber.folder / "original" / "t0")
    assert (file.start, file.form) == (0, CD)
    frames = frames_of(file.path)
    assert frames == clicks(4.0), "to the bit"
    left = np.frombuffer(frames, "<i2")[::2]
    samples = np.frombuffer(frames_of(transcriber.folder / "audio" / "t0" / "000001.wav"), "<i2")
    for at in CLICKS:
        heard, kept = loudest(samples, RATE, at), loudest(left, CD.rate, at)
        assert abs(heard - kept) < 0.001
        assert abs(kept - at) < 0.001


async def test_what_it_takes_of_the_disk_is_known_to_the_forecast(play, settings, settings_for):
    for given, bytes_of_a_second in ((settings, 2 * RATE + 4 * CD.rate), (settings_for(), 2 * RATE)):
        play([clicks(4.0)], form=CD, live=True)
        async with Transcriber(given) as transcriber:
            [track] = transcriber.session.tracks
            await track.durable.reach(Position(1))
            reading = track.reading()
            assert reading.stored == pytest.approx(reading.captured / RATE * bytes_of_a_second, abs=1)


async def test_nothing_is_kept_unless_it_is_asked_for(play, settings_for):
    play([silence(1)])
    transcriber, _ = await run(settings_for())
    assert not (transcriber.folder / "original").exists()


async def test_after_a_gap_and_on_another_device_it_is_on_the_same_clock(play_sources, settings):
    gone = DeviceLost("the headset is gone")
    sources = (
        ScriptedSource([bytes(44_100 * 4), *[gone] * 2, gone, gone], form=CD, live=True),
        ScriptedSource([bytes(48_000 * 4 * 9)], form=STUDIO, live=True),
    )
    play_sources(*sources)
    track = Track(name="t0", source="loopback", fallbacks=("loopback:a",))
    transcriber, changes = await run(replace(settings, tracks=(track,)), duration=3.0)
    assert changes == []
    files = original_files(transcriber.folder / "original" / "t0")
    assert [file.form for file in files][:: len(files) - 1] == [CD, STUDIO]
    gaps = read_extent(transcriber.folder / "journal" / "t0").gaps
    assert gaps
    ends = [*(gap.end for gap in gaps), *(file.end for file in files)]
    assert all(any(abs(file.start - end) <= 1 for end in ends) for file in files[1:])
    kept = sum(file.end - file.start for file in files)
    missing = sum(gap.end - gap.start for gap in gaps)
    assert abs(kept + missing - 3 * RATE) <= len(files)
    assert verify(SessionFolder.view(transcriber.folder)).ok


@pytest.mark.parametrize("live", [True, False])
async def test_a_disk_that_never_takes_it_costs_the_recording_nothing(play, settings, monkeypatch, live):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(original_writer, "_append", full)
    play([silence(3)], live=live)
    transcriber, changes = await run(settings)
    assert [change.after for change in changes] == ["suspended"]
    assert "No space left" in changes[0].reason
    assert transcriber.session.fault() is None
    assert transcriber.summary.complete
    assert transcriber.summary.tracks[0].captured >= 3 * RATE
    assert transcriber.summary.tracks[0].gaps == 0


@pytest.mark.parametrize("live", [True, False])
async def test_where_it_fails_for_good_the_rest_goes_on_and_the_run_says_so(play, settings, monkeypatch, live):
    async def fail(_self):
        await checkpoint()
        raise ZeroDivisionError

    monkeypatch.setattr(Original, "run", fail)
    play([silence(20)] if not live else [silence(3)], live=live)
    transcriber, changes = await run(settings)
    assert changes[-1].after == "given up"
    assert "ZeroDivisionError" in str(transcriber.session.fault())
    assert transcriber.summary.complete
    assert transcriber.summary.tracks[0].gaps == 0


async def test_of_a_source_that_waits_nothing_is_left_out_however_slow_the_disk(play, settings, monkeypatch):
    real = original_writer.write

    def write(folder, parts, least_free):
        time.sleep(0.2)
        real(folder, parts, least_free)

    monkeypatch.setattr(original_writer, "write", write)
    sound = np.arange(20 * RATE * 8, dtype="<i2").tobytes()
    play([sound], form=AudioFormat(RATE, 8))
    transcriber, changes = await run(settings)
    assert changes == []
    [file] = original_files(transcriber.folder / "original" / "t0")
    assert frames_of(file.path) == sound


async def test_a_host_that_is_cancelled_keeps_what_was_captured(play, settings):
    play([silence(9)], live=True)
    transcriber = Transcriber(settings)
    with anyio.move_on_after(1.6):
        async with transcriber:
            await anyio.sleep_forever()
    [file] = original_files(transcriber.folder / "original" / "t0")
    captured = read_extent(transcriber.folder / "journal" / "t0").durable
    assert abs(file.end - captured) <= 1
