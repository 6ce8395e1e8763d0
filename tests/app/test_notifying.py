"""Alerts are told to a command and to an address, as they are on this machine."""

import json
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import anyio
import pytest

from transcriber.adapters import alert_call
from transcriber.adapters.alert_call import NotDelivered, post, run_command
from transcriber.app.notifying import Notifying
from transcriber.app.reporting import SilentLog
from transcriber.events import StateChanged
from transcriber.settings import Monitoring
from transcriber.types import TrackName

pytestmark = pytest.mark.anyio

LAG = StateChanged("lag", "normal", "alert", "40 s behind: nothing is lost", TrackName("me"))
KEEP = "import sys; open(sys.argv[1], 'ab').write(sys.stdin.buffer.read() + b'\\n')"


class Log(SilentLog):
    def __init__(self):
        self.lines = []

    def warning(self, event, **fields):
        self.lines.append((event, fields))


@contextmanager
def hook(status: int = 204):
    """An address that takes what is posted to it."""
    taken = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            taken.append((self.headers["Content-Type"], self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", taken
        server.shutdown()
        thread.join()


async def until(true):
    with anyio.fail_after(60):
        while True:
            if true():
                return
            await anyio.sleep(0.01)


async def test_both_are_told_each_alert_in_order(tmp_path):
    kept, log = tmp_path / "kept", Log()
    with hook() as (address, taken):
        settings = Monitoring(alert_command=(sys.executable, "-c", KEEP, str(kept)), alert_webhook=address)
        notifying = Notifying(settings, "session-1", log)
        notifying.tell(LAG)
        notifying.tell(StateChanged("lag", "alert", "alert", "20 s behind", TrackName("me")))  # no more than progress
        notifying.tell(StateChanged("lag", "alert", "normal", "2 s behind", TrackName("me")))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(notifying.run)
            await until(lambda: len(taken) == 2)
            tasks.cancel_scope.cancel()
    told = [json.loads(line) for line in kept.read_text().splitlines()]
    assert told == [json.loads(content) for _, content in taken]
    assert [kind for kind, _ in taken] == ["application/json"] * 2
    assert [(notice["alert"], notice["state"], notice["track"]) for notice in told] == [
        ("lag", "alert", "me"),
        ("lag", "normal", "me"),
    ]
    assert told[0]["session"] == "session-1"
    assert told[0]["reason"] == "40 s behind: nothing is lost"
    assert log.lines == []


async def test_one_that_fails_is_logged_and_the_next_alert_is_told():
    log = Log()
    with hook(status=500) as (address, taken):
        notifying = Notifying(Monitoring(alert_webhook=address), "s", log)
        notifying.tell(LAG)
        notifying.tell(LAG)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(notifying.run)
            await until(lambda: len(taken) == 2 and len(log.lines) == 2)
            tasks.cancel_scope.cancel()
    assert [event for event, _ in log.lines] == ["alert_not_delivered"] * 2
    assert address not in str(log.lines), "an address may hold a secret"


def test_who_names_nobody_has_no_such_actor():
    notifying = Notifying(Monitoring(), "s", SilentLog())
    for _ in range(100):
        notifying.tell(LAG)
    assert notifying.children() == ()
    assert len(Notifying(Monitoring(alert_webhook="http://a"), "s", SilentLog()).children()) == 1


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (["/nonexistent/program"], "No such file"),
        ([sys.executable, "-c", "raise SystemExit(3)"], "exit code 3"),
    ],
)
async def test_a_command_that_fails_says_why(command, why):
    with pytest.raises(NotDelivered, match=why):
        await run_command(command, b"{}")


async def test_a_command_that_hangs_is_killed(monkeypatch):
    monkeypatch.setattr(alert_call, "DEADLINE", 0.2)
    with pytest.raises(NotDelivered, match=r"took more than 0\.2 s"):
        await run_command([sys.executable, "-c", "import time; time.sleep(60)"], b"{}")


async def test_an_address_where_nobody_answers_says_why():
    with pytest.raises(NotDelivered, match="the webhook"):
        await post("http://127.0.0.1:1/secret", b"{}")
