import anyio
import pytest
from engine_contract import Bench, EngineContract

from transcriber.adapters.engine.scripted import ScriptedEngine, say, silence
from transcriber.errors import EngineError
from transcriber.types import DecodeRequest

pytestmark = pytest.mark.anyio

WORDS = ("one", "two", "three")


class TestContract(EngineContract):
    @pytest.fixture
    def bench(self):
        # Long enough for other requests to come while the first is decoded.
        engine = ScriptedEngine(took=0.02)
        return Bench(engine, engine, silence(0.5) + say(WORDS) + silence(0.5), WORDS)


async def test_a_word_cut_short_is_less_probable_and_a_scrap_of_it_is_not_heard():
    pcm = say(["five"])
    engine = ScriptedEngine()
    whole = await engine.decode(DecodeRequest(pcm, final=True))
    half = await engine.decode(DecodeRequest(pcm[: len(pcm) // 3], final=True))
    scrap = await engine.decode(DecodeRequest(pcm[:1000], final=True))
    assert [word.text for word in whole.words] == [word.text for word in half.words] == [" five"]
    assert half.words[0].probability < whole.words[0].probability == 1.0
    assert scrap.words == ()


async def test_times_follow_the_cut():
    pcm = silence(1.0) + say(["seven", "eight"])
    heard = await ScriptedEngine().decode(DecodeRequest(pcm, final=True))
    assert [(word.start, word.end) for word in heard.words] == [(1.0, 1.3), (1.4, 1.7)]


async def test_scripted_failures_come_first():
    engine = ScriptedEngine()
    engine.fail(2)
    for _ in range(2):
        with pytest.raises(EngineError):
            await engine.decode(DecodeRequest(b"", final=True))
    assert (await engine.decode(DecodeRequest(b"", final=True))).words == ()
    assert len(engine.requests) == 3


async def test_a_hung_decode_waits_until_it_may_go_on():
    engine = ScriptedEngine()
    engine.hang()
    done = []

    async def ask():
        await engine.decode(DecodeRequest(b"", final=True))
        done.append(True)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        assert not done
        engine.resume()
    assert done
