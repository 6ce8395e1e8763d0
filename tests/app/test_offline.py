"""Files through one engine, as an embedding program has them."""

from pathlib import Path

import anyio
import pytest

from transcriber import ConfigError, NoModelError, SourceError
from transcriber.app.offline import offline
from transcriber.settings import Engine, Settings

pytestmark = pytest.mark.anyio

SPEECH = Path(__file__).parents[2] / "examples" / "speech.flac"


def settings(model: str) -> Settings:
    return Settings(engine=Engine(model=model, language="en"))


@pytest.mark.model
async def test_files_one_after_the_other_as_far_as_each_can_be_read(model, cut_speech, tmp_path):
    shares: list[float] = []
    async with offline(settings(model)) as engine:
        whole = await engine.transcribe(SPEECH, shares.append)
        cut = await engine.transcribe(cut_speech, lambda _share: None)
        with pytest.raises(SourceError, match="cannot be read as audio"):
            await engine.transcribe(Path(__file__), shares.append)
        with pytest.raises(ConfigError, match="there is no such file"):
            await engine.transcribe(tmp_path / "nothing.wav", shares.append)
    assert whole.fault is None
    assert "ask what you can do for your country" in " ".join(part.text for part in whole.document.segments)
    assert whole.document.tracks[0].captured == 176_000
    assert shares == sorted(shares)
    assert shares
    assert isinstance(cut.fault, SourceError)
    assert "its header declares 11.00 s" in str(cut.fault)
    assert "Americans" in cut.document.segments[0].text


async def test_an_error_in_the_block_comes_out_as_it_is():
    with pytest.raises(ConfigError, match="there is no such file"):
        async with offline(settings("small")) as engine:
            await engine.transcribe(Path("nothing.wav"), lambda _share: None)


async def test_without_a_model_the_ways_out_are_named():
    with pytest.raises(NoModelError, match="models fetch small"):
        async with offline(settings("small")) as engine:
            await engine.transcribe(SPEECH, lambda _share: None)


async def test_a_deadline_of_the_host_ends_it():
    with anyio.move_on_after(0.1) as scope:
        async with offline(settings("small")) as engine:
            await engine.transcribe(SPEECH, lambda _share: None)
    assert scope.cancelled_caught
