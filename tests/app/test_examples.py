"""The examples, run as their docstrings say: in processes of their own, by a browser's means, with real words."""

import asyncio
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import psutil
import pytest
import uvicorn

from transcriber import Transcriber
from transcriber.adapters.media.source import FileSource
from transcriber.adapters.session_folder_index import SessionState, state_of

EXAMPLES = Path(__file__).parents[2] / "examples"
SPEECH = EXAMPLES / "speech.flac"
PATIENCE = 60
"""Seconds that anything may take on a busy machine."""

posix = pytest.mark.skipif(sys.platform == "win32", reason="a process on Windows gets no Ctrl-C from another")


class Example:
    """A running example, in a folder of its own."""

    def __init__(self, folder: Path, name: str, *arguments: str) -> None:
        self.folder = folder
        self._family: list[psutil.Process] = []
        self._out, self._err = folder / "out", folder / "err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = psutil.Popen(
                [sys.executable, EXAMPLES / f"{name}.py", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=folder,
                env=os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"},
            )

    def until_told(self, pattern: str) -> str:
        """Wait until it has written something, to either stream; return what the pattern's group matched."""
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self._out.read_text() + self._err.read_text())):
            assert self.process.poll() is None, self._err.read_text()
            assert time.monotonic() < deadline, self._err.read_text()
            time.sleep(0.02)
        self._family = self.process.children(recursive=True)
        return found[found.lastindex or 0]

    def until(self, true: Callable[[], object]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < deadline, self._err.read_text()
            time.sleep(0.02)

    def suspend_engine(self) -> None:
        """Stop the engine, as soon as there is one: what is captured from here on cannot be transcribed."""

        def found() -> list[psutil.Process]:
            return [child for child in self.process.children() if "engine.worker" in " ".join(child.cmdline())]

        self.until(found)
        self._family += found()
        self._family[-1].suspend()

    def end(self, code: int = 0) -> tuple[str, str]:
        """Wait for its end, check that it left no process behind, and return what it wrote."""
        try:
            ended = self.process.wait(PATIENCE)
            left = psutil.wait_procs(self._family, timeout=10)[1]
        finally:
            self.kill()
        assert ended == code, self._err.read_text()
        assert not left
        return self._out.read_text(), self._err.read_text()

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @property
    def session(self) -> Path:
        """The folder of the one session that it made."""
        [folder] = (self.folder / "recordings").iterdir()
        return folder

    def transcriber(self, *arguments: str) -> int:
        """Run the command line where the example ran, and return its exit code."""
        command = [sys.executable, "-m", "transcriber", *arguments]
        return subprocess.run(command, cwd=self.folder, capture_output=True, timeout=PATIENCE, check=False).returncode


@pytest.fixture
def start(tmp_path):
    """Start an example; it is killed at the end if it still runs."""
    started: list[Example] = []

    def begin(name: str, *arguments: str) -> Example:
        started.append(Example(tmp_path, name, *arguments))
        return started[-1]

    yield begin
    for example in started:
        example.kill()


@pytest.fixture(scope="module")
def sentence(tmp_path_factory) -> str:
    """A source of three seconds: and so, my fellow Americans."""
    path = tmp_path_factory.mktemp("speech") / "sentence.wav"

    async def write() -> None:
        source = FileSource(SPEECH, "fast")
        form = await source.open()
        with wave.open(str(path), "wb") as file:
            file.setparams((form.channels, form.sample.width, form.rate, 0, "NONE", ""))
            while file.getnframes() < 3 * form.rate:
                file.writeframes((await source.read()).pcm[: form.frame_bytes * form.rate // 2])
        await source.close()

    anyio.run(write)
    return f"file:{path}"


@pytest.mark.model
@pytest.mark.usefixtures("model")
def test_embed_prints_what_was_said(start, sentence):
    example = start("embed", sentence)
    said, _ = example.end()
    assert "Americans" in said
    assert example.transcriber("sessions", "verify", str(example.session)) == 0


@posix
def test_embed_that_is_interrupted_keeps_what_was_said(start):
    example = start("embed", f"file:{SPEECH}")
    example.until_told("kept in")
    example.process.send_signal(signal.SIGINT)
    _, told = example.end(1)
    assert "transcriber resume" in told
    assert "Traceback" not in told
    assert state_of(example.session) is SessionState.UNFINISHED


def test_embed_says_what_is_wrong_in_a_line(start):
    _, told = start("embed", "file:nothing.wav").end(1)
    assert told.startswith("error: ")
    assert len(told.splitlines()) == 1


@pytest.mark.model
@pytest.mark.usefixtures("model")
def test_two_sessions_hear_each_its_own(start):
    said, _ = start("two_sessions").end()
    live, whole = said.splitlines()
    assert "Americans" in live
    assert "country" not in live
    assert "country" in whole


def test_supervised_restarts_then_falls_back_then_stops(start):
    said, _ = start("supervised").end()
    assert said.count("ChildRestarting roof/sensor") == 2
    assert said.count("ChildFellBack roof/sensor") == 1
    before, after = re.findall(r"(?m)^      sensor: (.+)$", said)
    assert (before, after) == ("running, life 1", "running, life 4, its fallback")
    assert said.splitlines()[-3:] == [
        "ChildStopped roof/sensor",
        "ChildStopped station/roof",
        "ChildStopped station/clock",
    ]


def test_supervised_uses_supervision_alone():
    code = (
        "import runpy, sys; runpy.run_path(sys.argv[1]); print(*sorted(m for m in sys.modules if 'transcriber.' in m))"
    )
    command = [sys.executable, "-c", code, EXAMPLES / "supervised.py"]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    parts = {module.split(".")[1] for module in loaded}
    assert parts == {"supervision", "core", "errors", "types"}


class Events:
    """Server-Sent Events as a browser reads them: `last` is the id that it would come back with."""

    def __init__(self, url: str, last: int | None = None) -> None:
        self._url = url
        self.last = last

    async def __aiter__(self):
        headers = {} if self.last is None else {"Last-Event-ID": str(self.last)}
        timeout = httpx.Timeout(PATIENCE)
        async with (
            httpx.AsyncClient(timeout=timeout) as client,
            client.stream("GET", self._url, headers=headers) as got,
        ):
            assert got.headers["content-type"].startswith("text/event-stream")
            fields: dict[str, str] = {}
            async for line in got.aiter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                else:
                    self.last = int(fields.get("id", self.last))
                    yield fields
                    fields = {}

    async def until(self, word: str) -> list[dict]:
        """Read until an event holds a word, then go away; return the events."""
        seen = []
        events = aiter(self)
        async for fields in events:
            seen.append(fields)
            if word in fields["data"]:
                break
        await events.aclose()
        return seen


def stored(events: list[dict]) -> list[str]:
    """Return the events that a reader who comes later gets as well."""
    return [fields["data"] for fields in events if json.loads(fields["data"])["event"] != "partial"]


@posix
@pytest.mark.anyio
@pytest.mark.model
@pytest.mark.usefixtures("model")
async def test_web_app_streams_words_to_readers_that_come_and_go_until_ctrl_c(start):
    example = start("web_app", f"file:{SPEECH}", "0")
    address = example.until_told(r"running on (http://\S+)")
    reader = Events(f"{address}/events")
    first = await reader.until('"commit"')
    second = await reader.until('"segment"')  # it comes back with the id that it had last
    assert "Americans" in json.loads(second[-1]["data"])["text"]
    numbers = [int(fields["id"]) for fields in first + second]
    assert numbers == sorted(set(numbers))
    assert stored(await Events(f"{address}/events").until('"segment"')) == stored(first + second)

    rest = []
    async for fields in reader:
        if not rest:
            example.process.send_signal(signal.SIGINT)
        rest.append(fields)
    *_, summary, end = rest
    assert json.loads(summary["data"])["event"] == "summary"
    assert end == {"event": "end", "data": "complete"}
    _, told = example.end()
    assert "Traceback" not in told
    assert example.transcriber("sessions", "verify", str(example.session)) == 0


@posix
@pytest.mark.anyio
async def test_web_app_that_is_interrupted_twice_ends_at_once_and_the_session_can_be_resumed(start):
    example = start("web_app", f"file:{SPEECH}", "0")
    address = example.until_told(r"running on (http://\S+)")
    example.suspend_engine()
    example.until(lambda: list(example.session.glob("audio/*/*.wav")))
    await Events(f"{address}/events").until('"session"')
    example.process.send_signal(signal.SIGINT)
    example.until_told("Shutting down")
    example.process.send_signal(signal.SIGINT)
    example.end()
    assert state_of(example.session) is SessionState.UNFINISHED


def load(name: str):
    """Import an example."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@asynccontextmanager
async def serving(app):
    """Serve an app in this loop; give its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()
    yield f"http://{host}:{port}"
    server.should_exit = True
    await task
    assert not server.lifespan.error_occurred
    assert not server.lifespan.shutdown_failed


@pytest.mark.anyio
async def test_a_reader_of_web_app_that_goes_away_leaves_nothing_behind(settings_for):
    transcriber = Transcriber(settings_for(pace="realtime"))
    async with serving(load("web_app").make_app(transcriber)) as address:
        await Events(f"{address}/events").until('"session"')
        before = asyncio.all_tasks()
        readers = [asyncio.create_task(Events(f"{address}/events").until("never")) for _ in range(5)]
        subscriptions = transcriber.session.services.publisher._subscriptions
        while len(subscriptions) < len(readers):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        for reader in readers:
            reader.cancel()
        await asyncio.wait(readers)
        while subscriptions or asyncio.all_tasks() - before:  # noqa: ASYNC110 - the server sees it in its own time
            await asyncio.sleep(0.01)
        transcriber.stop()


@pytest.mark.anyio
async def test_web_app_goes_on_after_its_session_failed_and_says_why(settings_for):
    transcriber = Transcriber(settings_for())  # there is no such model here
    async with serving(load("web_app").make_app(transcriber)) as address:
        first = await Events(f"{address}/events").until("no Whisper model can be reached")
        await transcriber.wait()
        again = [fields async for fields in Events(f"{address}/events")]
        assert stored(again[:-1])[: len(first)] == stored(first)
        assert again[-1]["event"] == "end"
        assert f"transcriber resume {transcriber.folder}" in again[-1]["data"]
        async with httpx.AsyncClient(base_url=address) as client:
            page = await client.get("/")
            assert page.status_code == 200
            assert "EventSource" in page.text
            assert (await client.get("/events", headers={"Host": "elsewhere.example"})).status_code == 400


@pytest.mark.anyio
async def test_web_app_does_not_start_where_its_session_does_not(settings_for, tmp_path):
    app = load("web_app").make_app(Transcriber(settings_for("file:nothing.wav")))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
    with pytest.raises(SystemExit):
        await server.serve()
    assert not (tmp_path / "sessions").exists()
