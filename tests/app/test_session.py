"""A session in which a part fails for good: what is kept, what is told, and by which error."""

import anyio
import pytest

from transcriber import NoDeviceError, StorageError, Transcriber, TranscriberError
from transcriber.actors.transcription import Transcription
from transcriber.adapters.engine.scripted import ScriptedEngine, say, silence
from transcriber.adapters.recording import TrackRecording, read_extent, read_pieces
from transcriber.adapters.recovery import recover
from transcriber.adapters.recovery_verify import verify
from transcriber.adapters.scripted_source import ScriptedSource
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_index import SessionState, state_of
from transcriber.app import opening
from transcriber.app.engine import EngineSupply
from transcriber.app.session import cause
from transcriber.errors import DeviceLost
from transcriber.events import Envelope, GapFound, SessionStarted, StateChanged, Summary
from transcriber.supervision import ChildSpec, Restart
from transcriber.types import RATE, GapReason, Position

pytestmark = pytest.mark.anyio

SECONDS = 3


class Client(ScriptedEngine):
    """Stands where the client of the engine process does."""

    def rss(self) -> int:
        return 0

    def peak_rss(self) -> int:
        return 0


class Idle:
    async def run(self) -> None:
        await anyio.sleep_forever()


@pytest.fixture(autouse=True)
def _scripted_engine(monkeypatch):
    child = ChildSpec(name="engine", start=Idle, restart=Restart.PERMANENT, essential=False)
    monkeypatch.setattr(EngineSupply, "child", lambda _self: child)
    monkeypatch.setattr(opening, "make_client", lambda _settings: Client())


@pytest.fixture
def play(monkeypatch):
    """Have the sources of the session play scripts instead, in the order in which they are opened."""

    def arrange(*scripts, **options):
        sources = iter([ScriptedSource(script, **options) for script in scripts])
        monkeypatch.setattr(opening, "make_source", lambda _spec, _pace: next(sources))

    return arrange


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


async def test_a_device_that_stays_gone_ends_its_track_by_name_and_the_others_go_on(play, settings_for):
    gone = [DeviceLost("the headset is gone")]
    play([silence(0.5), *gone * 9], [silence(SECONDS)], live=True)
    transcriber = Transcriber(settings_for("loopback", "microphone"))
    envelopes = await run(transcriber)
    fault = transcriber.session.tracks[0].fault
    assert isinstance(fault, NoDeviceError)
    assert "headset" in str(fault)
    lost, other = transcriber.summary.tracks
    assert lost.captured < other.captured
    assert GapReason.DEVICE in {found.gap.reason for found in of(GapFound, envelopes) if found.track == "t0"}
    assert transcriber.summary.complete


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
    assert "make room" in str(fault)
    folder = SessionFolder.open(transcriber.folder)
    [track] = recover(folder).tracks
    folder.close()
    assert track.durable
    assert transcriber.summary is not None


async def test_a_disk_that_fails_for_a_while_costs_no_sample(play, settings_for, monkeypatch):
    play([say(["one", "two"] * 4)])
    transcriber = Transcriber(settings_for())
    append, failures = TrackRecording.append, iter(range(6))

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
    assert block.pcm == say(["one", "two"] * 4)
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
