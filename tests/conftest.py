"""Fixtures for the whole suite."""

import functools
import http.server
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from hypothesis import settings

from transcriber.adapters.engine.scripted import ScriptedEngine
from transcriber.adapters.recording_writer import Acknowledged, TrackWriter
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_manifest import TrackEntry
from transcriber.adapters.transcript_db import TranscriptDatabase
from transcriber.app import opening, resuming
from transcriber.app.engine import EngineSupply
from transcriber.supervision import ChildSpec, Restart
from transcriber.types import Block, Position, TrackName

# A machine that is busy is no reason to fail.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

DAEMON = """
load-module module-native-protocol-unix auth-anonymous=1 socket={folder}/native
load-module module-null-sink sink_name=speakers rate=48000 channels=2 sink_properties=device.description=Test_Speakers
load-module module-null-sink sink_name=headset rate=44100 channels=2 sink_properties=device.description=Test_Headset
load-module module-null-sink sink_name=micfeed rate=48000 channels=1 sink_properties=device.description=Mic_Feed
load-module module-remap-source source_name=mic master=micfeed.monitor source_properties=device.description=Test_Mic
set-default-sink speakers
set-default-source mic
"""


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c():
    """Let Ctrl-C do what it does in a terminal, also where the tests run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Rig:
    """A sound card for tests: a private PulseAudio server with null sinks, and a microphone fed by playing into one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "daemon.pa").write_text(DAEMON.format(folder=folder))
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        self.server = self.spawn(
            *("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"),
            *("--realtime=no", "--high-priority=no"),
            *(f"--log-target=newfile:{self.folder}/log", "-F", str(self.folder / "daemon.pa")),
        )
        deadline = time.monotonic() + 20
        while subprocess.run(["pactl", "info"], capture_output=True, check=False).returncode:
            assert self.server.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, "pulseaudio did not come up"
            time.sleep(0.05)
        # A null sink that nobody listens to renders 2 s at a time: keep somebody listening, as a real card would.
        for sink in ("speakers", "headset", "micfeed"):
            self.listen(sink)

    def listen(self, sink: str) -> None:
        """Record what a sink plays, and throw it away."""
        self.spawn("parec", "-d", f"{sink}.monitor", "--latency-msec=10", "--raw", stdout=subprocess.DEVNULL)

    def stop(self) -> None:
        for process in reversed(self._running):
            process.kill()
            process.wait()

    def spawn(self, *command: str, **options) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)
        self._running.append(process)
        return process

    def play(self, path: Path, sink: str = "speakers") -> subprocess.Popen[bytes]:
        """Play a file, as a program does."""
        return self.spawn("paplay", "--latency-msec=2000", "-d", sink, str(path))

    def control(self, *command: str) -> str:
        return subprocess.run(["pactl", *command], check=True, capture_output=True, text=True).stdout

    def plug(self, sink: str, description: str) -> None:
        """Put a sink back, as the default."""
        properties = f"sink_properties=device.description={description}"
        self.control("load-module", "module-null-sink", f"sink_name={sink}", "rate=48000", "channels=2", properties)
        self.control("set-default-sink", sink)
        self.listen(sink)

    def unplug(self, sink: str) -> None:
        """Take a sink away, with its monitor."""
        [module] = [
            line.split()[0]
            for line in self.control("list", "short", "modules").splitlines()
            if f"sink_name={sink} " in line
        ]
        self.control("unload-module", module)


@contextmanager
def running_rig(folder: Path) -> Generator[Rig]:
    """A PulseAudio server in `folder`, which every client in this process finds."""
    if shutil.which("pulseaudio") is None or shutil.which("pactl") is None:
        pytest.skip("pulseaudio is not installed")
    folder.chmod(0o700)
    (folder / "state").mkdir(mode=0o700)
    rig = Rig(folder)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PULSE_SERVER", f"unix:{folder}/native")
        environment.setenv("PULSE_RUNTIME_PATH", str(folder))
        environment.setenv("PULSE_STATE_PATH", str(folder / "state"))
        environment.setenv("XDG_RUNTIME_DIR", str(folder))
        try:
            rig.start()
            yield rig
        finally:
            rig.stop()


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    """A sound card that the tests of a module share, and leave as they found it."""
    with running_rig(tmp_path_factory.mktemp("pulse")) as rig:
        yield rig


@pytest.fixture
def own_rig(tmp_path_factory):
    """A sound card for a test that breaks it, or changes its defaults."""
    with running_rig(tmp_path_factory.mktemp("pulse")) as rig:
        yield rig


@pytest.fixture
def small_disk(tmp_path):
    """A file system that holds 600 KB."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us mount a small file system")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


class Client(ScriptedEngine):
    """Stands where the client of the engine process does."""

    pid = None

    def rss(self) -> int:
        return 0

    def peak_rss(self) -> int:
        return 0


class Idle:
    async def run(self) -> None:
        await anyio.sleep_forever()


@pytest.fixture
def _scripted_engine(monkeypatch):
    """An engine that hears what `say` says, without a process."""
    child = ChildSpec(name="engine", start=Idle, restart=Restart.PERMANENT, essential=False)
    monkeypatch.setattr(EngineSupply, "child", lambda _self: child)
    for module in (opening, resuming):
        monkeypatch.setattr(module, "make_client", lambda _settings: Client())


@pytest.fixture
def leave_unfinished():
    """Make a session as a killed program leaves it: recorded, and nothing of it transcribed. Return its folder."""

    def leave(parent: Path, name: str, pcm: bytes, *, day: int = 1, **begun: str) -> Path:
        created = datetime(2026, 11, day, 9, 15, 2, tzinfo=UTC)
        entry = TrackEntry(name=TrackName("t0"), source="loopback", started=created)
        folder = SessionFolder.create(
            parent, [entry], **{"model": "small", "app": "0", **begun}, name=name, created=created
        )
        TranscriptDatabase.open(folder.database).close()
        nothing = Acknowledged(Position(0), 0, ())
        TrackWriter(folder.audio(entry.name), folder.journal(entry.name), nothing).append([Block(Position(0), pcm)])
        folder.close()
        return folder.path

    return leave


class Broadcast(http.server.ThreadingHTTPServer):
    """A web server in a thread: the files of a folder, and at /live.wav sound without an end, as it sounds.

    /half.wav breaks off in the middle of sound.wav, and /elsewhere leads to a file of this computer. `cut` ends what is
    being sent, `stall` holds it up.
    """

    daemon_threads = True

    def __init__(self, folder: Path, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), functools.partial(_Sender, directory=str(folder)))
        self.folder, self.port = folder, self.server_address[1]
        self.cut, self.stall = threading.Event(), threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def stop(self) -> None:
        self.cut.set()
        self.shutdown()
        self.server_close()

    def again(self) -> "Broadcast":
        """Another of the same folder and address, after this one was stopped."""
        return Broadcast(self.folder, self.port)


class _Sender(http.server.SimpleHTTPRequestHandler):
    server: Broadcast

    def log_message(self, *_arguments: object) -> None:
        """Do not write to the output of the tests."""

    def do_GET(self) -> None:
        with suppress(ConnectionError):
            if self.path.startswith("/live.wav"):
                self.live()
            elif self.path == "/half.wav":
                self.half((Path(self.directory) / "sound.wav").read_bytes())
            elif self.path == "/elsewhere":
                self.send_response(302)
                self.send_header("Location", f"file://{self.directory}/secret.wav")
                self.end_headers()
            else:
                super().do_GET()

    def half(self, content: bytes) -> None:
        """Promise all, and send half."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])

    def live(self) -> None:
        self.send_response(200)
        self.end_headers()
        head = struct.pack(
            "<4sI4s4sIHHIIHH4sI",
            b"RIFF",
            2**32 - 1,
            b"WAVE",
            b"fmt ",
            16,
            1,
            2,
            48_000,
            192_000,
            4,
            16,
            b"data",
            2**32 - 1,
        )
        self.wfile.write(head)
        block = bytes(range(1, 193)) * 100  # 0.1 s
        due = time.monotonic()
        while not self.server.cut.wait(max(0.0, due - time.monotonic())):
            if not self.server.stall.is_set():
                self.wfile.write(block)
            due += 0.1


@pytest.fixture
def broadcast(tmp_path_factory):
    """A web server to read streams from."""
    server = Broadcast(tmp_path_factory.mktemp("web"))
    yield server
    server.stop()
