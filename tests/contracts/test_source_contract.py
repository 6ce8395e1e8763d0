"""What every `Source` promises, held against each of them. A new source needs one more case here, and no more tests."""

import gc
import os
import socket
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
import numpy as np
import psutil
import pytest

from transcriber.adapters.media.source import FileSource
from transcriber.adapters.media.stream_source import StreamSource
from transcriber.adapters.portaudio import PortAudioSource
from transcriber.adapters.scripted_portaudio import ScriptedPortAudio
from transcriber.adapters.scripted_source import ScriptedSource
from transcriber.adapters.stdin_pcm import StdinSource
from transcriber.adapters.websocket_source import WebSocketSource
from transcriber.adapters.websocket_token import find_token
from transcriber.core.listening import listening
from transcriber.core.source_spec import parse_source
from transcriber.errors import SourceError
from transcriber.ports import Source
from transcriber.types import AudioFormat, SourceKind

pytestmark = pytest.mark.anyio

FEEDER = Path(__file__).parents[2] / "examples" / "feed.py"
STEREO = AudioFormat(48_000, 2)
SOUND = np.random.default_rng(7).integers(-9_000, 9_000, 2 * 30_011).astype("<i2").tobytes()
"""An odd number of frames, none like another."""


@pytest.fixture
def anyio_backend():
    return "asyncio"


@dataclass
class Case:
    """A source, and what it delivers from its first frame to its end; None if it has no end."""

    source: Source
    whole: bytes | None = None


def scripted(_request, _folder):
    return Case(ScriptedSource([SOUND[:40_000], 0.0, SOUND[40_000:]], form=STEREO), SOUND)


def file(_request, folder):
    with wave.open(str(folder / "sound.wav"), "wb") as target:
        target.setparams((2, 2, 48_000, 0, "NONE", ""))
        target.writeframes(SOUND)
    return Case(FileSource(folder / "sound.wav", "fast"), SOUND)


def stdin(request, folder):
    (folder / "sound.raw").write_bytes(SOUND + b"\x01\x02\x03")
    descriptor = os.open(folder / "sound.raw", os.O_RDONLY)
    request.addfinalizer(lambda: os.close(descriptor))
    return Case(StdinSource(STEREO, descriptor), SOUND)


def websocket(request, folder):
    token = folder / "token"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    where = listening(parse_source(f"websocket:{address}?rate=48000&channels=2&token-file={token}"))
    source = WebSocketSource(where, find_token(where))
    feeder = subprocess.Popen(
        [sys.executable, FEEDER, f"ws://{address}", token, "48000", "2"],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    request.addfinalizer(feeder.stdin.close)
    request.addfinalizer(feeder.wait)
    request.addfinalizer(feeder.kill)
    threading.Thread(target=_play, args=(feeder.stdin,), daemon=True).start()
    return Case(source)


def stream(request, _folder):
    return Case(StreamSource(request.getfixturevalue("broadcast").url("live.wav")))


def _play(pipe):
    """Write sound as it sounds, until nobody reads."""
    block = SOUND[: 1_920 * STEREO.frame_bytes]
    with suppress(OSError, ValueError):
        while True:
            pipe.write(block)
            pipe.flush()
            time.sleep(len(block) / STEREO.frame_bytes / STEREO.rate)


def fake_portaudio(_request, _folder):
    return Case(PortAudioSource(SourceKind.LOOPBACK, portaudio=ScriptedPortAudio(SOUND)))


def pulse(request, _folder):
    request.getfixturevalue("rig")
    from transcriber.adapters.pulse import PulseSource  # noqa: PLC0415 - needs libpulse, as the rig does

    return Case(PulseSource(SourceKind.LOOPBACK))


def miniaudio(request, _folder):
    request.getfixturevalue("rig")
    from transcriber.adapters.miniaudio_microphone import MiniaudioMicrophone  # noqa: PLC0415 - not on Windows

    return Case(MiniaudioMicrophone("Monitor of Test_Speakers", backend="PULSEAUDIO"))


def real_portaudio(request, _folder):
    pyaudio = pytest.importorskip("pyaudio", reason="PyAudio is not installed: the extra `portaudio`")
    request.getfixturevalue("rig")
    request.getfixturevalue("monkeypatch").setenv("PULSE_SOURCE", "speakers.monitor")
    return Case(PortAudioSource(SourceKind.MICROPHONE, "pulse", portaudio=pyaudio))


ENDING = [scripted, file, stdin]
LIVE = [
    fake_portaudio,
    websocket,
    stream,
    *(pytest.param(make, marks=pytest.mark.rig) for make in (pulse, miniaudio, real_portaudio)),
]


@pytest.fixture
def case(request, tmp_path):
    make: Callable[..., Case] = request.param
    return make(request, tmp_path)


every = pytest.mark.parametrize("case", [*ENDING, *LIVE], indirect=True)
ending = pytest.mark.parametrize("case", ENDING, indirect=True)
live = pytest.mark.parametrize("case", LIVE, indirect=True)


async def rest(source):
    pcm = b""
    while (reading := await source.read()) is not None:
        pcm += reading.pcm
    return pcm


async def sound(source):
    """Return the next reading that has frames."""
    with anyio.fail_after(20):
        while not (reading := await source.read()).pcm:
            pass
    return reading


@every
async def test_it_tells_what_it_is(case):
    assert isinstance(case.source.live, bool)
    assert case.source.label.isprintable()
    assert case.source.label


@every
async def test_readings_hold_whole_frames_and_their_times_go_forward(case):
    form = await case.source.open()
    at = 0.0
    for _ in range(5):
        if (reading := await case.source.read()) is None:
            break
        assert len(reading.pcm) % form.frame_bytes == 0
        assert reading.lost == 0
        assert reading.at >= at
        at = reading.at
    await case.source.close()


@every
async def test_the_format_is_the_same_at_every_opening(case):
    forms = []
    for _ in range(2):
        forms.append(await case.source.open())
        await sound(case.source)
        await case.source.close()
    forms.append(await case.source.open())
    await case.source.close()
    assert forms == [forms[0]] * 3


@every
async def test_closing_is_idempotent_and_then_nothing_can_be_read(case):
    await case.source.close()
    await case.source.open()
    await case.source.close()
    await case.source.close()
    with pytest.raises(SourceError, match="not open"):
        await case.source.read()


@every
async def test_opening_again_without_closing_is_opening_anew(case):
    form = await case.source.open()
    assert await case.source.open() == form
    await sound(case.source)
    await case.source.close()


@every
async def test_nothing_is_left_behind(case):
    def held():
        gc.collect()
        process = psutil.Process()
        handles = process.num_fds() if os.name == "posix" else process.num_handles()
        return threading.active_count(), len(process.children()), handles

    await case.source.open()  # what a library keeps for good, it takes the first time
    await sound(case.source)
    await case.source.close()
    before = held()
    for _ in range(3):
        await case.source.open()
        await case.source.read()
        await case.source.close()
    with anyio.fail_after(10):
        # The thread that asyncio waits with for the end of a child goes a moment after the child.
        while any(now > then for now, then in zip(held(), before, strict=True)):  # noqa: ASYNC110 - nobody tells
            await anyio.sleep(0.01)


@every
async def test_a_cancelled_opening_leaves_it_closed(case):
    with anyio.CancelScope() as scope:
        scope.cancel()
        await case.source.open()
    await case.source.close()
    await case.source.open()
    await sound(case.source)
    await case.source.close()


@ending
async def test_everything_comes_once_and_then_the_end(case):
    await case.source.open()
    assert await rest(case.source) == case.whole
    assert await case.source.read() is None
    await case.source.close()


@ending
async def test_it_goes_on_after_reopening_with_the_first_frame_not_yet_read(case):
    got = b""
    for _ in range(2):
        await case.source.open()
        got += (await sound(case.source)).pcm
        await case.source.close()
    await case.source.open()
    got += await rest(case.source)
    await case.source.close()
    assert got == case.whole


@ending
async def test_a_cancelled_read_loses_nothing(case):
    await case.source.open()
    got = b""
    reading = await case.source.read()
    while reading is not None:
        got += reading.pcm
        with anyio.move_on_after(0):
            reading = await case.source.read()
            continue
        reading = await case.source.read()
    await case.source.close()
    assert got == case.whole


@live
async def test_a_device_has_no_end_and_answers_in_time(case):
    await case.source.open()
    for _ in range(5):
        with anyio.fail_after(5):
            assert await case.source.read() is not None
    assert case.source.live
    await case.source.close()
