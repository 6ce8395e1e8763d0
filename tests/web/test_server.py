"""A real server on a real port, next to a session that records."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket

import anyio
import anyio.to_thread
import httpx
import psutil
import pytest

from transcriber import ConfigError, Transcriber
from transcriber.app.reporting import SilentLog
from transcriber.types import RATE
from transcriber.web.access import Access
from transcriber.web.listener import listen
from transcriber.web.page import StatusPage
from transcriber.web.server import MOST, serve

pytestmark = pytest.mark.anyio

TOKEN = "t" * 43


class Loud(SilentLog):
    """Remembers what was logged as an error."""

    def __init__(self):
        self.errors = []

    def error(self, event, **fields):
        self.errors.append((event, fields))


@contextlib.asynccontextmanager
async def served(script):
    """Serve the page of a session; give its port, and the transcriber."""
    async with Transcriber(script) as transcriber:
        listener = listen(0)
        page = StatusPage(transcriber, access=Access(TOKEN))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve, page, listener, SilentLog())
            yield listener.getsockname()[1], transcriber
            tasks.cancel_scope.cancel()
        transcriber.stop()


async def test_it_listens_on_the_loopback_alone_and_changes_nothing_of_its_host(script):
    before = list(logging.getLogger().handlers)
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with served(script) as (port, _):
        listening = [c.laddr for c in psutil.Process().net_connections("inet") if c.status == psutil.CONN_LISTEN]
        assert [address.ip for address in listening if address.port == port] == ["127.0.0.1"]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as browser:
            answer = await browser.get("/healthz")
        assert answer.text == "ok"
        assert "server" not in answer.headers, "what it runs on is nobody's business"
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
        assert logging.getLogger().handlers == before


async def test_a_thousand_connections_are_closed_and_the_recording_goes_on(script):
    async with served(script) as (port, transcriber):
        address = ("127.0.0.1", port)
        sockets = await anyio.to_thread.run_sync(lambda: [socket.create_connection(address) for _ in range(1000)])
        try:
            await until(lambda: sum(is_open(each) for each in sockets) <= MOST)
            assert len(accepted(port)) <= MOST
            track = transcriber.session.tracks[0]
            before = track.reading().captured
            await until(lambda: track.reading().captured > before + RATE)
        finally:
            for each in sockets:
                each.close()
        # And there is room again for who comes later.
        await until(lambda: not accepted(port))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as browser:
            assert (await browser.get("/healthz")).text == "ok"
    assert transcriber.summary is not None
    assert transcriber.summary.tracks[0].gaps == 0


def accepted(port: int) -> list:
    """Return the connections that the server holds."""
    tcp = psutil.Process().net_connections("tcp")
    return [c for c in tcp if c.laddr.port == port and c.status == psutil.CONN_ESTABLISHED]


async def until(true) -> None:
    with anyio.fail_after(30):
        while True:
            if true():
                return
            await anyio.sleep(0.02)


def is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)  # noqa: FBT003 - its only parameter
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


async def test_a_web_socket_with_a_frame_of_ten_megabytes_is_refused(script):
    upgrade = (
        "GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Authorization: Bearer {TOKEN}x\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n"
    )
    async with served(script) as (port, transcriber):
        memory = psutil.Process().memory_info().rss
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(upgrade.encode() + b"\x82\x7f" + (10_000_000).to_bytes(8) + bytes(10_000_000))
        with anyio.fail_after(30), contextlib.suppress(ConnectionError):
            answer = await reader.read(1 << 20)
            assert answer.split(b"\r\n")[0].split()[1] in (b"400", b"401")
            while await reader.read(1 << 20):
                pass
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        gc.collect()
        assert psutil.Process().memory_info().rss - memory < 30_000_000
        assert transcriber.session.tracks[0].reading().captured > 0


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01 not http at all\r\n\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
async def test_what_is_no_request_is_refused_and_printed_nowhere(script, request_, capfd):
    async with served(script) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request_)
        with anyio.fail_after(30), contextlib.suppress(ConnectionError):
            assert (await reader.readline()).split()[1] in (b"400", b"403")
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    assert capfd.readouterr().err == ""


async def test_a_port_that_is_taken_is_told_with_what_to_do():
    with contextlib.closing(listen(0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"port {port} cannot be used: .*; choose another --status-port, or"):
            listen(port)


async def test_a_server_that_fails_is_logged_and_disturbs_nobody():
    log = Loud()
    listener = listen(0)
    listener.close()
    with anyio.move_on_after(10):
        await serve(StatusPage(Transcriber()), listener, log)
    [(event, fields)] = log.errors
    assert (event, fields["component"]) == ("page_failed", "page")


async def test_two_runs_have_two_ports():
    with contextlib.closing(listen(0)) as one, contextlib.closing(listen(0)) as other:
        assert one.getsockname() != other.getsockname()
