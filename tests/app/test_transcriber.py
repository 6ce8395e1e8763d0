"""A transcriber in somebody else's program: what it gives, and what it raises."""

import sys
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from transcriber import (
    ConfigError,
    NoDeviceError,
    NoModelError,
    Segment,
    SourceError,
    StorageError,
    Transcriber,
)
from transcriber.adapters.recovery_verify import verify
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_index import SessionState, state_of

SPEECH = Path(__file__).parents[2] / "examples" / "speech.flac"
SAMPLES = 176_000  # of the speech, at 16 kHz


def texts(results) -> str:
    return " ".join(result.text for result in results if isinstance(result, Segment))


async def everything(transcriber) -> str:
    return texts([result async for result in transcriber.results()])


def recorded(folder: Path) -> int:
    """Return the samples in the WAV files of a session's only track."""
    return sum((path.stat().st_size - 44) // 2 for path in folder.glob("audio/*/*.wav"))


@pytest.mark.anyio
@pytest.mark.model
async def test_two_in_one_loop_hear_each_its_own(settings_for, model, cut_speech):
    heard = {}

    async def follow(name, source):
        try:
            async with Transcriber(settings_for(f"file:{source}", model=model)) as transcriber:
                heard[name] = await everything(transcriber)
        except SourceError as raised:
            heard[name] += f": {raised}"
        assert transcriber.summary.complete
        assert verify(SessionFolder.view(transcriber.folder)).ok
        assert state_of(transcriber.folder) is SessionState.CLEAN

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow, "whole", SPEECH)
        tasks.start_soon(follow, "cut", cut_speech)
    assert "country" in heard["whole"]
    assert "Americans" in heard["cut"]
    assert "its header declares 11.00 s" in heard["cut"]


@pytest.mark.anyio
@pytest.mark.model
async def test_leaving_early_ends_the_capture_and_transcribes_what_was_captured(settings_for, model):
    async with Transcriber(settings_for(model=model, pace="realtime")) as transcriber:
        async for _ in transcriber.results():
            break
    summary = transcriber.summary
    assert summary.complete
    assert 0 < summary.tracks[0].captured < SAMPLES
    assert state_of(transcriber.folder) is SessionState.CLEAN


@pytest.mark.anyio
@pytest.mark.model
async def test_without_a_model_all_is_recorded_and_told_and_resumed_later(settings_for, model):
    transcriber = Transcriber(settings_for())
    with pytest.raises(NoModelError) as raised:
        async with transcriber:
            assert not await everything(transcriber)
    for way_out in ("--model", "offline", "models fetch small", f"transcriber resume {transcriber.folder}"):
        assert way_out in str(raised.value)
    assert recorded(transcriber.folder) == SAMPLES
    assert not transcriber.summary.complete
    async with Transcriber(settings_for(model=model), resume=transcriber.folder) as resumed:
        assert "country" in await everything(resumed)
    assert resumed.summary.complete
    assert verify(SessionFolder.view(transcriber.folder)).ok


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("source", "error", "says"),
    [
        ("file:nothing-here.wav", ConfigError, "there is no such file"),
        ("file:.", SourceError, "folder"),
        (f"file:{__file__}", SourceError, "cannot be read as audio"),
        ("telepathy:", ConfigError, "telepathy"),
    ],
)
async def test_a_wrong_source_is_named_and_leaves_no_folder(settings_for, tmp_path, source, error, says):
    with pytest.raises(error, match=says):
        async with Transcriber(settings_for(f"file:{SPEECH}", source)):
            pytest.fail("it was entered")
    assert not (tmp_path / "sessions").exists()


@pytest.mark.anyio
@pytest.mark.skipif(sys.platform != "linux", reason="PulseAudio is Linux's")
async def test_without_a_sound_system_the_error_says_what_can_be_used(settings_for, tmp_path, monkeypatch):
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path}/nothing")
    with pytest.raises(NoDeviceError, match="file:PATH"):
        async with Transcriber(settings_for("loopback")):
            pytest.fail("it was entered")
    assert not (tmp_path / "sessions").exists()


@pytest.mark.anyio
async def test_a_model_that_cannot_be_meant_is_refused_before_anything_is_recorded(settings_for, tmp_path):
    with pytest.raises(ConfigError, match="smal"):
        async with Transcriber(settings_for(model="smal")):
            pytest.fail("it was entered")
    assert not (tmp_path / "sessions").exists()


@pytest.mark.anyio
async def test_a_file_where_the_sessions_should_be_is_a_storage_error(settings_for, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(StorageError, match="taken"):
        async with Transcriber(settings_for(parent=tmp_path / "taken")):
            pytest.fail("it was entered")


@pytest.mark.anyio
async def test_it_runs_once_and_is_asked_only_while_it_runs(settings_for):
    transcriber = Transcriber(settings_for())
    with pytest.raises(RuntimeError, match="enter"):
        transcriber.session.stop("never")
    transcriber.stop()  # before it is open: it ends as soon as it is
    with suppress(NoModelError):
        async with transcriber:
            await transcriber.wait()
    assert transcriber.summary.tracks[0].captured == 0
    with pytest.raises(RuntimeError, match="once"):
        await transcriber.__aenter__()


@pytest.mark.anyio
async def test_a_session_that_another_writes_is_refused(settings_for):
    with suppress(NoModelError):
        async with Transcriber(settings_for()) as transcriber:
            with pytest.raises(StorageError, match="is being written by process"):
                async with Transcriber(settings_for(), resume=transcriber.folder):
                    pytest.fail("it was entered")


@pytest.mark.anyio
@pytest.mark.model
@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_a_host_on_trio_is_served_as_well(settings_for, model):
    async with Transcriber(settings_for(model=model), duration=2.5) as transcriber:
        assert "Americans" in await everything(transcriber)
    assert transcriber.summary.complete
