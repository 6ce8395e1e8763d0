import os
import socket
import sys

import pytest

from transcriber.adapters.service_manager import ServiceManager

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such socket")


@pytest.fixture(params=["file", "abstract"])
def manager(request, tmp_path):
    """The socket of a service manager, and its name."""
    if request.param == "abstract" and sys.platform != "linux":
        pytest.skip("only Linux has abstract names")
    name = str(tmp_path / "notify") if request.param == "file" else f"@transcriber-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name.replace("@", "\0"))
        listener.settimeout(10)
        yield name, listener


def test_it_is_told_each_state_in_its_own_words(manager):
    name, listener = manager
    service = ServiceManager({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())})
    for tell in (service.ready, service.alive, service.stopping):
        tell()
    assert [listener.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]
    assert service.interval == 15


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"WATCHDOG_USEC": "30000000"},
        {"NOTIFY_SOCKET": "/nowhere"},
        {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"},
    ],
)
def test_where_nobody_waits_nothing_happens(environ):
    service = ServiceManager(environ)
    service.ready()
    service.alive()
    assert service.interval is None


def test_a_manager_that_does_not_read_holds_nobody_up(manager):
    name, _ = manager
    service = ServiceManager({"NOTIFY_SOCKET": name})
    for _ in range(2000):
        service.alive()
