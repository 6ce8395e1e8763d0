"""The child for real: Silero in it, and faults from outside. No Whisper model is needed."""

import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import psutil
import pytest
from anyio.abc import TaskGroup

from transcriber.adapters.engine import process as module
from transcriber.adapters.engine.client import EngineClient
from transcriber.adapters.engine.life import Life, Pulse
from transcriber.adapters.engine.messages import ModelLoaded
from transcriber.adapters.engine.process import EngineProcess
from transcriber.errors import EngineError, NoModelError, RequestFailed

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


posix = pytest.mark.skipif(sys.platform == "win32", reason="signals that Windows does not have")

WINDOW = bytes(1024)


async def no_model_yet() -> Path:
    await anyio.sleep_forever()
    raise AssertionError


class Lives:
    """Lives of one EngineProcess, begun by hand, and what ended them."""

    def __init__(self, tasks: TaskGroup, locate=no_model_yet) -> None:
        self.client = EngineClient()
        self._tasks = tasks
        self._process = engine(self.client, locate, pulse=Pulse(interval=0.1, deadline=0.5))

    async def begin(self) -> None:
        """Return when a life is up."""
        self._ended = anyio.Event()
        await self._tasks.start(self._live)

    async def end(self) -> EngineError:
        """Wait for the end of a life."""
        with anyio.fail_after(30):
            await self._ended.wait()
        return self._error

    async def _live(self, task_status):
        try:
            await self._process.run(task_status=task_status)
        except EngineError as error:
            self._error = error
            self._ended.set()


def engine(client: EngineClient, locate=no_model_yet, **options) -> EngineProcess:
    return EngineProcess(client, locate, lambda _: None, **options)


@asynccontextmanager
async def begun():
    """One life that is up; nothing of it is left afterwards."""
    before = set(children())
    async with anyio.create_task_group() as tasks:
        lives = Lives(tasks)
        await lives.begin()
        yield lives
        tasks.cancel_scope.cancel()
    assert set(children()) <= before


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def descriptors() -> int:
    return psutil.Process().num_fds() if sys.platform != "win32" else psutil.Process().num_handles()


async def test_speech_is_answered_before_there_is_a_model():
    async with begun() as lives:
        probabilities, state = await lives.client.probabilities(WINDOW * 3, b"")
        assert len(probabilities) == 3
        assert state
        assert lives.client.pid in {child.pid for child in children()}


async def test_a_wrong_length_fails_that_request_alone():
    async with begun() as lives:
        with pytest.raises(RequestFailed, match="whole windows"):
            await lives.client.probabilities(b"abcd", b"")
        assert len((await lives.client.probabilities(WINDOW, b""))[0]) == 1


async def test_the_memory_of_the_child_is_known():
    async with begun() as lives:
        with anyio.fail_after(10):
            while not lives.client.rss():  # noqa: ASYNC110 - nobody tells when the child's first pong is there
                await anyio.sleep(0.05)
        assert 10e6 < lives.client.rss() <= lives.client.peak_rss()


@posix
@pytest.mark.parametrize(("blow", "message"), [("SIGKILL", "killed by SIGKILL"), ("SIGSTOP", "hangs")])
async def test_a_blow_ends_the_life_and_the_question_goes_to_the_next(blow, message):
    async with begun() as lives:
        answers = []

        async def ask():
            answers.append(await lives.client.probabilities(WINDOW, b""))

        # Stopped first, so that the question is with the child when the blow falls.
        os.kill(lives.client.pid, signal.SIGSTOP)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await anyio.sleep(0.05)
            os.kill(lives.client.pid, getattr(signal, blow))
            assert message in str(await lives.end())
            assert not answers
            await lives.begin()
        assert len(answers[0][0]) == 1


@posix
async def test_a_crash_leaves_the_stacks_in_the_notes_of_the_error():
    async with begun() as lives:
        os.kill(lives.client.pid, signal.SIGSEGV)
        error = await lives.end()
    assert "killed by SIGSEGV" in str(error)
    assert "worker.py" in error.__notes__[0]


async def test_cancelled_at_any_moment_it_leaves_neither_process_nor_pipe():
    # What the loop itself opens for the first child stays.
    with anyio.move_on_after(0.1):
        await engine(EngineClient()).run()
    for delay in (0, 0.02, 0.1, 0.5):
        processes, pipes = set(children()), descriptors()
        with anyio.move_on_after(delay):
            await engine(EngineClient()).run()
        assert set(children()) <= processes
        assert descriptors() <= pipes


async def test_no_model_ends_the_life_with_that_error():
    async def locate() -> Path:
        raise NoModelError("nothing here")

    with pytest.raises(NoModelError, match="nothing here"):
        await engine(EngineClient(), locate).run()


async def test_a_folder_that_is_no_model_ends_the_life(tmp_path):
    async def locate() -> Path:
        return tmp_path

    with pytest.raises(EngineError, match="cannot load the model"):
        await engine(EngineClient(), locate).run()


async def test_a_child_that_cannot_start_says_why(monkeypatch):
    monkeypatch.setattr(module, "WORKER", "transcriber.no_such_module")
    with pytest.raises(EngineError, match="exit code 1") as caught:
        await engine(EngineClient()).run()
    assert "no_such_module" in caught.value.__notes__[0]


async def test_a_child_that_prints_into_the_stream_is_refused(monkeypatch):
    monkeypatch.setattr(module, "WORKER", "this")
    with pytest.raises(EngineError, match="language"):
        await engine(EngineClient()).run()


async def test_after_a_death_while_it_loads_auto_goes_to_the_processor_and_says_why(monkeypatch, tmp_path):
    requests, reports = [], []

    async def load(life, request):
        requests.append(request.device)
        if len(requests) == 1:
            life.loading = True
            life.process.kill()
            await anyio.sleep_forever()
        return ModelLoaded(0, request.device, "int8", 1, multilingual=True, took=0.1, fallback="")

    async def locate() -> Path:
        return tmp_path

    monkeypatch.setattr(Life, "load", load)
    process = EngineProcess(EngineClient(), locate, reports.append)
    with pytest.raises(EngineError, match=r"SIGKILL|exit code"):
        await process.run()
    async with anyio.create_task_group() as tasks:
        await tasks.start(lambda *, task_status: process.run(task_status=task_status))
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert requests == ["auto", "cpu"]
    assert "CUDA is suspected" in reports[0].fallback
