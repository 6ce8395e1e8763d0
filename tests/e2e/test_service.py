"""`transcriber run` as a service: it says when it is ready, that it lives, and that it ends."""

import signal
import socket
import sys
from pathlib import Path

import pytest

SPEECH = Path(__file__).parents[2] / "examples" / "speech.flac"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such socket")
def test_the_service_manager_is_told_of_its_beginning_its_life_and_its_end(start, home, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(home / "notify"))
        manager.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(home / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "200000")
        run = start("run", "--source", f"file:{SPEECH}", "--model", "small", "--no-status")
        assert [manager.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
        run.signal(signal.SIGINT)
        while (told := manager.recv(100)) == b"WATCHDOG=1":
            pass
        assert told == b"STOPPING=1"
        run.end()
