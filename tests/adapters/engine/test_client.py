"""The client against a child that is a list: what was sent, and the answers that a test gives."""

from pathlib import Path

import anyio
import pytest
from trio.testing import MockClock

from transcriber.adapters.engine.calls import FILE_PATIENCE, TRIES, Patience
from transcriber.adapters.engine.client import EngineClient
from transcriber.adapters.engine.messages import (
    LENGTH_BYTES,
    Abandon,
    Decode,
    Decoded,
    DetectSpeech,
    Failed,
    Fault,
    FileEnded,
    FileSegment,
    FileStarted,
    Pong,
    SpeechDetected,
    TranscribeFile,
    read_request,
)
from transcriber.errors import EngineError, NoModelError, RequestFailed, SourceError
from transcriber.types import RATE, DecodeRequest, Hypothesis, SpokenWord

pytestmark = pytest.mark.anyio

SECOND = bytes(2 * RATE)


def heard(text: str) -> Hypothesis:
    return Hypothesis((SpokenWord(text, 0.0, 1.0, 0.9),), "en", 0.0, 1.0, 0.1)


class Child:
    """A child of the client that does nothing by itself."""

    def __init__(self, client: EngineClient, *, loaded: bool = True) -> None:
        self.client = client
        self.sent = []
        client.connected(4711, lambda data: self.sent.append(read_request(data[LENGTH_BYTES:])))
        if loaded:
            client.model_loaded()

    def take(self):
        return self.sent.pop(0)


@pytest.fixture
def client():
    return EngineClient()


class Asked:
    """Requests that run beside a test, and what became of them."""

    def __init__(self, tasks) -> None:
        self._tasks = tasks
        self.results = {}

    async def __call__(self, name, call, *arguments, **options):
        async def run():
            try:
                self.results[name] = await call(*arguments, **options)
            except EngineError as error:
                self.results[name] = error

        self._tasks.start_soon(run)
        await anyio.wait_all_tasks_blocked()

    async def settled(self):
        await anyio.wait_all_tasks_blocked()
        return self.results


@pytest.fixture
async def ask():
    async with anyio.create_task_group() as tasks:
        yield Asked(tasks)
        tasks.cancel_scope.cancel()


def request(text: str = "", *, final: bool = True) -> DecodeRequest:
    return DecodeRequest(SECOND, final, prompt=text)


async def test_requests_wait_for_a_child_and_decodes_for_its_model(client, ask):
    await ask("speech", client.probabilities, SECOND, b"")
    await ask("words", client.decode, request())
    child = Child(client, loaded=False)
    assert [type(sent) for sent in child.sent] == [DetectSpeech]
    client.model_loaded()
    assert [type(sent) for sent in child.sent] == [DetectSpeech, Decode]
    client.received(Decoded(child.sent[1].id, heard(" hello")))
    client.received(SpeechDetected(child.sent[0].id, [0.5], b"after"))
    assert await ask.settled() == {"speech": ([0.5], b"after"), "words": heard(" hello")}


async def test_whisper_has_one_request_at_a_time_and_speech_is_asked_beside_it(client, ask):
    child = Child(client)
    await ask("a", client.decode, request("a"))
    await ask("b", client.decode, request("b"))
    await ask("speech", client.probabilities, SECOND, b"")
    assert [type(sent) for sent in child.sent] == [Decode, DetectSpeech]
    first = child.take()
    client.received(Decoded(first.id, heard(" a")))
    child.take()
    assert child.take().request.prompt == "b"


async def test_the_most_urgent_goes_first_then_the_oldest(client, ask):
    child = Child(client)
    for name, urgency in (("now", 5), ("late", 9), ("old", 2), ("young", 2)):
        await ask(name, client.decode, request(name), urgency=urgency)
    order = []
    while child.sent:
        sent = child.take()
        order.append(sent.request.prompt)
        client.received(Decoded(sent.id, heard(" x")))
    assert order == ["now", "old", "young", "late"]


async def test_what_a_dead_child_had_goes_to_the_next_one(client, ask):
    child = Child(client)
    await ask("words", client.decode, request("again"))
    await ask("speech", client.probabilities, SECOND, b"state")
    client.disconnected("killed")
    assert client.pid is None
    assert not await ask.settled()
    child = Child(client)
    assert {type(sent) for sent in child.sent} == {Decode, DetectSpeech}
    for sent in child.sent:
        answer = (
            SpeechDetected(sent.id, [1.0], b"") if isinstance(sent, DetectSpeech) else Decoded(sent.id, heard(" x"))
        )
        client.received(answer)
    assert set(await ask.settled()) == {"words", "speech"}


@pytest.mark.parametrize("how", ["children die", "children refuse"])
async def test_the_third_failure_on_a_request_ends_that_request_alone(client, ask, how):
    await ask("poison", client.decode, request("poison"))
    await ask("good", client.decode, request("good"))
    child = Child(client)
    for _ in range(TRIES):
        poison = next(sent for sent in child.sent if sent.request.prompt == "poison")
        if how == "children die":
            client.disconnected("killed by SIGSEGV")
            child = Child(client)
        else:
            child.sent.clear()
            client.received(Failed(poison.id, Fault.ENGINE, "killed by SIGSEGV"))
    results = await ask.settled()
    assert isinstance(results["poison"], RequestFailed)
    assert "SIGSEGV" in str(results["poison"])
    good = child.sent[-1]
    assert good.request.prompt == "good"
    client.received(Decoded(good.id, heard(" fine")))
    assert (await ask.settled())["good"] == heard(" fine")


async def test_a_death_does_not_count_against_a_request_that_was_not_with_the_child(client, ask):
    for _ in range(TRIES + 1):
        Child(client, loaded=False)
        client.disconnected("died while it loaded")
    await ask("words", client.decode, request())
    for _ in range(TRIES):
        Child(client, loaded=False)
        client.disconnected("died while it loaded")
    child = Child(client)
    client.received(Decoded(child.take().id, heard(" x")))
    assert (await ask.settled())["words"] == heard(" x")


async def test_a_cancelled_request_is_forgotten_but_keeps_whisper_busy_until_it_is_answered(client, ask):
    child = Child(client)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await client.decode(request("gone"))
    await ask("next", client.decode, request("next"))
    [gone] = child.sent
    client.received(Decoded(gone.id, heard(" gone")))
    assert child.sent[1].request.prompt == "next"
    client.received(Decoded(child.sent[1].id, heard(" next")))
    assert (await ask.settled())["next"] == heard(" next")


async def test_a_cancelled_request_is_not_given_to_the_next_child(client):
    Child(client)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await client.decode(request("gone"))
    client.disconnected("killed")
    assert Child(client).sent == []


async def test_without_an_engine_every_request_ends_until_one_connects(client, ask):
    Child(client)
    for name in ("flying", "waiting"):
        await ask(name, client.decode, request(name))
    await ask("speech", client.probabilities, SECOND, b"")
    client.fail(NoModelError("no model"))
    await ask("late", client.decode, request())
    await ask("late speech", client.probabilities, SECOND, b"")
    results = await ask.settled()
    assert {str(error) for error in results.values()} == {"no model"}
    assert len(results) == 5
    assert all(isinstance(error, NoModelError) for error in results.values())
    assert len({id(error) for error in results.values()}) == 5
    client.disconnected("over")
    child = Child(client)
    await ask("new", client.decode, request("new"))
    assert child.take().request.prompt == "new"


async def test_an_answer_that_nobody_waits_for_is_dropped(client):
    Child(client)
    client.received(Decoded(99, heard(" x")))
    client.received(SpeechDetected(98, [0.0], b""))


async def test_memory_is_what_the_child_last_said_and_the_peak_outlives_it(client):
    Child(client)
    client.received(Pong(0, rss=100, peak=200))
    client.received(Pong(0, rss=90, peak=200))
    assert (client.rss(), client.peak_rss()) == (90, 200)
    client.disconnected("killed")
    assert (client.rss(), client.peak_rss()) == (0, 200)
    Child(client)
    client.received(Pong(0, rss=50, peak=60))
    assert (client.rss(), client.peak_rss()) == (50, 200)


class TestDeadlines:
    @pytest.fixture
    def anyio_backend(self):
        return "trio", {"clock": MockClock(autojump_threshold=0)}

    async def test_a_request_is_overdue_after_the_base_and_five_times_its_audio(self, ask):
        client = EngineClient(patience=Patience(base=30.0, a_second=5.0))
        await ask("words", client.decode, DecodeRequest(SECOND * 4, final=True))
        await anyio.sleep(1000)
        assert client.overdue() is None
        Child(client)
        await anyio.sleep(49)
        assert client.overdue() is None
        await anyio.sleep(2)
        assert "50 s" in client.overdue()

    async def test_a_file_is_not_overdue_while_the_child_speaks_up(self, client):
        child = Child(client)
        async with anyio.create_task_group() as tasks:

            async def read():
                async with client.transcribe_file(Path("long.flac")) as transcription:
                    async for _ in transcription:
                        pass

            tasks.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            id_ = child.take().id
            client.received(FileStarted(id_, "en", 3600.0))
            for end in range(5):
                await anyio.sleep(FILE_PATIENCE - 1)
                assert client.overdue() is None
                client.received(FileSegment(id_, end - 1.0, float(end), " x", ()))
            await anyio.sleep(FILE_PATIENCE + 1)
            assert client.overdue() is not None
            tasks.cancel_scope.cancel()


class TestFiles:
    async def test_segments_come_once_and_in_order_across_a_death(self, client):
        child = Child(client)
        read = []
        async with anyio.create_task_group() as tasks:

            async def transcribe():
                async with client.transcribe_file(Path("a.mp3"), language="en", words=True) as transcription:
                    assert (transcription.language, transcription.duration) == ("en", 9.0)
                    read.extend([segment.text async for segment in transcription])

            tasks.start_soon(transcribe)
            await anyio.wait_all_tasks_blocked()
            first = child.take()
            assert first == TranscribeFile(first.id, "a.mp3", "en", words=True, start=0.0)
            client.received(FileStarted(first.id, "en", 9.0))
            client.received(FileSegment(first.id, 0.0, 2.5, " one", ()))
            client.disconnected("killed")
            second = Child(client).take()
            assert second.start == 2.5
            client.received(FileStarted(second.id, "en", 9.0))
            client.received(FileSegment(second.id, 2.5, 9.0, " two", ()))
            client.received(FileEnded(second.id))
        assert read == [" one", " two"]

    async def test_a_file_that_is_no_audio_is_not_tried_again(self, client):
        child = Child(client)
        async with anyio.create_task_group() as tasks:

            async def transcribe():
                with pytest.raises(SourceError, match="no audio in it"):
                    async with client.transcribe_file(Path("a.txt")):
                        pass

            tasks.start_soon(transcribe)
            await anyio.wait_all_tasks_blocked()
            client.received(Failed(child.take().id, Fault.INPUT, "no audio in it"))
        assert child.sent == []

    async def test_an_engine_that_ends_fails_the_reader_after_the_segments_it_had(self, client):
        child = Child(client)
        read = []
        async with anyio.create_task_group() as tasks:

            async def transcribe():
                async with client.transcribe_file(Path("a.mp3")) as transcription:
                    read.append((await anext(transcription)).text)
                    with pytest.raises(EngineError, match="budget"):
                        await anext(transcription)

            tasks.start_soon(transcribe)
            await anyio.wait_all_tasks_blocked()
            id_ = child.take().id
            client.received(FileStarted(id_, "en", 9.0))
            client.received(FileSegment(id_, 0.0, 2.5, " one", ()))
            client.fail(EngineError("the restart budget is spent"))
        assert read == [" one"]

    async def test_leaving_early_stops_the_child(self, client, ask):
        child = Child(client)
        async with anyio.create_task_group() as tasks:

            async def transcribe():
                async with client.transcribe_file(Path("a.mp3")):
                    pass

            tasks.start_soon(transcribe)
            await anyio.wait_all_tasks_blocked()
            id_ = child.take().id
            client.received(FileStarted(id_, "en", 9.0))
        assert child.take() == Abandon(id_)
        await ask("next", client.decode, request("next"))
        assert child.sent == []
        client.received(FileEnded(id_))
        assert child.take().request.prompt == "next"
