"""The `file:` source against real files, real codecs, and a real child process."""

import math
import os
import struct
import subprocess
import sys
import wave

import anyio
import av
import numpy as np
import psutil
import pytest

from transcriber.adapters.media.header import Header
from transcriber.adapters.media.source import FileSource, probe
from transcriber.errors import ConfigError, DeviceLost, SourceError
from transcriber.types import AudioFormat

pytestmark = pytest.mark.anyio

RATE = 44_100
SECONDS = 5


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
def stereo():
    """Speech-like enough for every codec: a tone whose loudness is a staircase, left and right apart."""
    time = np.arange(RATE * SECONDS) / RATE
    left = 10_000 * np.sin(2 * np.pi * 330 * time) * (1 + np.floor(time)) / SECONDS
    return np.stack([left, left / 2], axis=1).astype("<i2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, stereo):
    """One file of each kind."""
    folder = tmp_path_factory.mktemp("media")
    for name, codec in CODECS.items():
        encode(folder / name, codec, stereo)
    with wave.open(str(folder / "plain.wav"), "wb") as file:
        file.setparams((2, 2, RATE, 0, "NONE", ""))
        file.writeframes(stereo.tobytes())
    return folder


CODECS = {
    "a.wav": "pcm_s24le",
    "a.flac": "flac",
    "a.ogg": "libopus",
    "a.mp3": "libmp3lame",
    "a.m4a": "aac",
    "a.webm": "libopus",
    "a.mkv": "pcm_s16le",
}


def encode(path, codec, samples, **options):
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=48_000 if codec == "libopus" else RATE, layout="stereo")
        resampler = av.AudioResampler(stream.format, "stereo", stream.rate)
        for begin in range(0, len(samples), RATE // 10):
            frame = av.AudioFrame.from_ndarray(samples[begin : begin + RATE // 10].reshape(1, -1), "s16", "stereo")
            frame.sample_rate = RATE
            for piece in resampler.resample(frame):
                container.mux(stream.encode(piece))
        container.mux(stream.encode(None))


async def read_all(source):
    """Open, and return the format, the frames, and what was raised after them."""
    form = await source.open()
    pieces, fault = [], None
    try:
        await read_into(pieces, source)
    except SourceError as error:
        fault = error
    finally:
        await source.close()
    return form, b"".join(pieces), fault


async def read_into(pieces, source):
    while (reading := await source.read()) is not None:
        pieces.append(reading.pcm)


@pytest.mark.parametrize("name", [*CODECS, "plain.wav"])
async def test_every_kind_of_file_is_decoded_whole(folder, name):
    form, pcm, error = await read_all(FileSource(folder / name, "fast"))
    assert error is None
    assert form == AudioFormat(48_000 if CODECS.get(name) == "libopus" else RATE, 2)
    frames = np.frombuffer(pcm, "<i2").reshape(-1, 2).astype(float)
    assert len(frames) / form.rate == pytest.approx(SECONDS, abs=0.05)
    for second in range(SECONDS):
        middle = slice(int((second + 0.4) * form.rate), int((second + 0.6) * form.rate))
        loudness = 10_000 * (1 + second) / SECONDS / math.sqrt(2)
        assert frames[middle, 0].std() == pytest.approx(loudness, rel=0.1)
        assert frames[middle, 1].std() == pytest.approx(loudness / 2, rel=0.1)


async def test_a_lossless_file_comes_bit_for_bit(folder, stereo):
    _, pcm, _ = await read_all(FileSource(folder / "a.flac", "fast"))
    assert pcm == stereo.tobytes()


async def test_a_video_gives_its_first_audio_stream(tmp_path, stereo):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        video = container.add_stream("mpeg4", rate=10)
        video.width = video.height = 64
        audio = container.add_stream("pcm_s16le", rate=RATE, layout="stereo")
        for _ in range(70):
            container.mux(video.encode(av.VideoFrame(64, 64, "yuv420p")))
        frame = av.AudioFrame.from_ndarray(stereo.reshape(1, -1), "s16", "stereo")
        frame.sample_rate = RATE
        container.mux(audio.encode(frame))
        container.mux(video.encode(None))
    _, pcm, error = await read_all(FileSource(tmp_path / "a.mkv", "fast"))
    assert pcm == stereo.tobytes()
    assert error is None  # though the video, and so the container, is longer


async def test_probing_tells_format_and_duration(folder):
    assert await probe(folder / "a.mp3") == Header(RATE, 2, pytest.approx(SECONDS, abs=0.1))
    assert psutil.Process().children() == []


class TestResuming:
    async def test_it_goes_on_with_the_first_frame_not_yet_read(self, folder, stereo):
        source = FileSource(folder / "a.mkv", "fast")
        got = b""
        for _ in range(4):
            await source.open()
            got += (await source.read()).pcm
            await source.close()
        got += (await read_all(source))[1]
        assert got == stereo.tobytes()

    async def test_a_decoder_that_was_killed_is_an_error_and_not_an_end(self, folder, stereo):
        source = FileSource(folder / "a.flac", "fast")
        await source.open()
        [decoder] = psutil.Process().children()
        decoder.kill()
        pieces = []
        with pytest.raises(DeviceLost, match=r"died after \d\.\d\d s"):
            await read_into(pieces, source)
        got = b"".join(pieces) + (await read_all(source))[1]
        assert got == stereo.tobytes()

    async def test_a_cancelled_read_loses_nothing(self, folder, stereo):
        source = FileSource(folder / "a.flac", "fast")
        await source.open()
        got, ended = b"", False
        while not ended:
            with anyio.move_on_after(0) as scope:
                reading = await source.read()
                ended = reading is None
                got += reading.pcm if reading else b""
            if scope.cancelled_caught:
                await anyio.lowlevel.checkpoint()
        await source.close()
        assert got == stereo.tobytes()


class TestPace:
    async def test_a_block_comes_when_its_last_frame_has_sounded(self, folder, monkeypatch):
        """By deadlines counted from the opening, so that no delay adds up."""
        deadlines = []

        async def sleep_until(deadline):
            deadlines.append(deadline)

        monkeypatch.setattr(anyio, "sleep_until", sleep_until)
        source = FileSource(folder / "a.flac")
        await source.open()
        before = anyio.current_time()
        sizes = [len(reading.pcm) // 4 for reading in [await source.read() for _ in range(50)]]
        await source.close()
        assert sizes == [4_410] * 50
        began = deadlines[0] - 0.1
        assert began <= before
        assert deadlines == pytest.approx([began + 0.1 * (block + 1) for block in range(50)], abs=1e-6)


class TestFaults:
    async def test_a_missing_file_is_a_wrong_argument(self, tmp_path):
        with pytest.raises(ConfigError, match="no such file"):
            await FileSource(tmp_path / "none.wav").open()

    @pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
    async def test_a_forbidden_file_is_a_wrong_argument(self, tmp_path):
        (tmp_path / "a.wav").touch(mode=0)
        with pytest.raises(ConfigError, match="may not be read"):
            await FileSource(tmp_path / "a.wav").open()

    async def test_what_is_not_audio_is_refused(self, tmp_path):
        (tmp_path / "empty.wav").touch()
        (tmp_path / "text.mp3").write_text("This is no music. " * 1_000)
        (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:10,\nhttp://localhost:9/a.ts\n#EXT-X-ENDLIST\n")
        for path in [tmp_path, *tmp_path.iterdir()]:
            with pytest.raises(SourceError) as refused:
                await FileSource(path).open()
            assert str(path) in str(refused.value)
            assert "\n" not in str(refused.value)
        assert psutil.Process().children() == []

    async def test_a_file_without_an_audio_stream_is_refused(self, tmp_path):
        with av.open(str(tmp_path / "mute.mkv"), "w") as container:
            video = container.add_stream("mpeg4", rate=10)
            video.width = video.height = 64
            container.mux(video.encode(av.VideoFrame(64, 64, "yuv420p")))
            container.mux(video.encode(None))
        with pytest.raises(SourceError, match="no audio stream"):
            await FileSource(tmp_path / "mute.mkv").open()

    @pytest.mark.parametrize("name", ["a.mp3", "a.flac", "a.mkv", "plain.wav"])
    async def test_a_file_that_ends_early_is_read_to_its_end_and_then_told(self, folder, tmp_path, name):
        whole = (folder / name).read_bytes()
        cut = tmp_path / name
        cut.write_bytes(whole[: len(whole) * 6 // 10])
        form, pcm, error = await read_all(FileSource(cut, "fast"))
        got = len(pcm) / form.frame_bytes / form.rate
        assert got > SECONDS * 0.5
        assert f"it ends at {got:.2f} s" in str(error)
        assert f"declares {SECONDS}." in str(error)

    @pytest.mark.parametrize(("name", "told"), [("a.mp3", "damaged after"), ("a.flac", "it ends at")])
    async def test_a_damaged_middle_is_left_out_and_told(self, folder, tmp_path, name, told):
        damaged = bytearray((folder / name).read_bytes())
        middle = len(damaged) // 2
        damaged[middle : middle + 3_000] = bytes(3_000)
        (tmp_path / name).write_bytes(damaged)
        _, whole, _ = await read_all(FileSource(folder / name, "fast"))
        _, pcm, error = await read_all(FileSource(tmp_path / name, "fast"))
        assert told in str(error)
        assert 0.8 < len(pcm) / len(whole) < 1
        assert pcm[:100_000] == whole[:100_000]
        loudest = [np.frombuffer(sound[-100_000:-20_000], "<i2").std() for sound in (pcm, whole)]
        assert loudest[0] == pytest.approx(loudest[1], rel=0.05)

    @pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
    async def test_a_wav_whose_writer_was_killed_is_whole(self, folder, tmp_path, stereo, size):
        data = bytearray((folder / "plain.wav").read_bytes())
        struct.pack_into("<I", data, data.index(b"data") + 4, size)
        (tmp_path / "live.wav").write_bytes(data)
        _, pcm, error = await read_all(FileSource(tmp_path / "live.wav", "fast"))
        assert error is None
        assert pcm == stereo.tobytes()


class TestProcess:
    async def test_it_has_its_own_group_and_is_gone_after_closing(self, folder):
        source = FileSource(folder / "a.flac")
        await source.open()
        [decoder] = psutil.Process().children()
        if os.name == "posix":
            assert os.getpgid(decoder.pid) != os.getpgid(0)
        await source.close()
        await source.close()
        assert not decoder.is_running()
        with pytest.raises(SourceError, match="not open"):
            await source.read()

    def test_it_dies_with_its_parent(self, folder):
        program = (
            "import anyio, os, psutil, sys\nfrom pathlib import Path\n"
            "from transcriber.adapters.media.source import FileSource\n"
            "async def main():\n"
            "    await FileSource(Path(sys.argv[1])).open()\n"
            "    print(psutil.Process().children()[0].pid, flush=True)\n"
            "    await anyio.sleep_forever()\n"
            "anyio.run(main)\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", program, str(folder / "a.wav")], stdout=subprocess.PIPE, text=True
        ) as parent:
            decoder = psutil.Process(int(parent.stdout.readline()))
            parent.kill()
        psutil.wait_procs([decoder], timeout=20)
        assert not decoder.is_running() or decoder.status() == psutil.STATUS_ZOMBIE

    def test_the_core_process_never_loads_the_codecs(self):
        program = "import sys, transcriber.adapters.media.source; sys.exit('av' in sys.modules)"
        subprocess.run([sys.executable, "-c", program], check=True)
