"""Streams that are read by URL: from a real server, which may end, stall, lie and point elsewhere."""

import shutil
import subprocess
import wave

import anyio
import numpy as np
import psutil
import pytest

from transcriber.adapters.media import stream_source as adapter
from transcriber.adapters.media.stream_source import StreamSource
from transcriber.errors import DeviceLost, NoDeviceError, SourceError
from transcriber.types import AudioFormat

pytestmark = pytest.mark.anyio

RATE = 16_000
SOUND = np.random.default_rng(3).integers(-9_000, 9_000, int(0.75 * RATE)).astype("<i2").tobytes()


@pytest.fixture
def anyio_backend():
    return "asyncio"


def write(path, pcm=SOUND):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(pcm)


def duration(reading):
    return len(reading.pcm) / 2 / RATE


async def rest(source):
    readings = []
    with anyio.fail_after(30):
        while (reading := await source.read()) is not None:
            readings.append(reading)
    return readings


async def until_lost(source, match):
    with anyio.fail_after(30), pytest.raises(DeviceLost, match=match):
        await rest(source)


async def test_a_stream_with_an_end_comes_to_it_and_every_frame_came_once(broadcast):
    write(broadcast.folder / "sound.wav")
    source = StreamSource(broadcast.url("sound.wav"))
    assert await source.open() == AudioFormat(RATE, 1)
    began = anyio.current_time()
    readings = await rest(source)
    assert b"".join(reading.pcm for reading in readings) == SOUND
    assert anyio.current_time() - began >= 0.75 * (1 - adapter.FASTER)  # as it sounds, and not as fast as it comes
    steps = np.diff([reading.at for reading in readings])
    assert steps == pytest.approx([duration(reading) for reading in readings[1:]])  # by its own clock
    assert await source.read() is None
    await source.close()


async def test_a_live_stream_that_breaks_off_is_lost_and_can_be_opened_anew(broadcast):
    source = StreamSource(broadcast.url("live.wav"))
    assert await source.open() == AudioFormat(48_000, 2)
    assert (await source.read()).pcm
    broadcast.stop()
    await until_lost(source, "is lost")
    with pytest.raises(NoDeviceError, match="Connection refused"):
        await source.open()
    again = broadcast.again()
    await source.open()
    assert (await source.read()).pcm
    await source.close()
    again.stop()


async def test_a_stream_that_stalls_for_a_moment_is_late_and_lost_if_it_goes_on(broadcast, monkeypatch):
    monkeypatch.setattr(adapter, "STALLED", 1.5)
    source = StreamSource(broadcast.url("live.wav"))
    await source.open()
    before = await source.read()
    broadcast.stall.set()
    with anyio.move_on_after(0.8):
        while True:
            before = await source.read()
    broadcast.stall.clear()
    after = await source.read()
    assert after.lost == 0
    assert after.at - before.at == pytest.approx(len(after.pcm) / 4 / 48_000)
    broadcast.stall.set()
    await until_lost(source, "nothing came")
    await source.close()


async def test_a_reader_that_dies_is_a_loss(broadcast):
    source = StreamSource(broadcast.url("live.wav"))
    await source.open()
    [reader] = psutil.Process().children()
    reader.kill()
    await until_lost(source, "is lost")
    await source.close()


async def test_a_stream_with_an_end_that_breaks_off_before_is_not_begun_anew(broadcast):
    write(broadcast.folder / "sound.wav", SOUND * 4)
    source = StreamSource(broadcast.url("half.wav"))
    await source.open()
    with pytest.raises(SourceError, match=r"broke off at 1\.\d s of 3\.0 s"):
        await rest(source)
    await source.close()


async def test_a_cancelled_read_loses_nothing(broadcast):
    write(broadcast.folder / "sound.wav")
    source = StreamSource(broadcast.url("sound.wav"))
    await source.open()
    got = b""
    with anyio.fail_after(30):
        while True:
            with anyio.move_on_after(0.03):
                if (reading := await source.read()) is None:
                    break
                got += reading.pcm
    assert got == SOUND
    await source.close()


@pytest.mark.parametrize("content", ["", "text", "html"])
async def test_what_is_no_stream_is_no_device(broadcast, content):
    (broadcast.folder / "page").write_text(content * 1_000)
    with pytest.raises(NoDeviceError, match="cannot be read"):
        await StreamSource(broadcast.url("page")).open()
    with pytest.raises(NoDeviceError, match="404"):
        await StreamSource(broadcast.url("nothing")).open()


async def test_nothing_of_this_computer_is_read_whatever_a_server_says(broadcast):
    secret = broadcast.folder / "secret.wav"
    write(secret)
    for number, line in enumerate(
        (f"file://{secret}", str(secret), f"subfile,,start,0,end,0,,:{secret}", f"concat:{secret}")
    ):
        text = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\n{line}\n#EXT-X-ENDLIST\n"
        (broadcast.folder / f"{number}.m3u8").write_text(text)
        source = StreamSource(broadcast.url(f"{number}.m3u8"))
        with pytest.raises(NoDeviceError):
            await source.open()
    with pytest.raises(NoDeviceError):
        await StreamSource(broadcast.url("elsewhere")).open()


async def test_who_lists_the_processes_sees_no_password(broadcast):
    source = StreamSource(f"http://me:hunter2@127.0.0.1:{broadcast.port}/live.wav?key=hunter2")
    await source.open()
    [reader] = psutil.Process().children()
    assert "hunter2" not in " ".join(reader.cmdline())
    assert source.label == f"url:http://127.0.0.1:{broadcast.port}/live.wav"
    await source.close()
    with pytest.raises(NoDeviceError) as error:
        await StreamSource("http://me:hunter2@127.0.0.1:1/?key=hunter2").open()
    assert "hunter2" not in str(error.value)


@pytest.fixture
def playlist(broadcast):
    """An HLS playlist of five seconds, in pieces of one."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed: nobody makes a playlist")
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=440:r=48000:d=5", "-c:a", "aac"]
    hls = ["-f", "hls", "-hls_time", "1", "-hls_list_size", "0", str(broadcast.folder / "all.m3u8")]
    subprocess.run([*command, *hls], check=True)
    return broadcast.folder / "all.m3u8"


async def test_a_playlist_is_read_to_its_end_with_nothing_missing(broadcast, playlist):
    source = StreamSource(broadcast.url(playlist.name))
    form = await source.open()
    readings = await rest(source)
    assert sum(reading.lost for reading in readings) == 0
    assert sum(len(reading.pcm) for reading in readings) / form.frame_bytes / form.rate == pytest.approx(5, abs=0.1)
    await source.close()


async def test_what_a_playlist_leaves_out_is_counted(broadcast, playlist):
    lines = playlist.read_text().splitlines()
    place = lines.index("all2.ts")
    playlist.write_text("\n".join(lines[: place - 1] + lines[place + 1 :]) + "\n")
    source = StreamSource(broadcast.url(playlist.name))
    form = await source.open()
    readings = await rest(source)
    [lost] = [reading.lost for reading in readings if reading.lost]
    assert lost / form.rate == pytest.approx(1, abs=0.1)
    # The readings' times count what is missing, so what follows stands where it sounded.
    assert readings[-1].at - readings[0].at == pytest.approx(4.9, abs=0.15)
    await source.close()
