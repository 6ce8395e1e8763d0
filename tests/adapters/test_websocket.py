"""A track that is fed over a WebSocket: by whom, with what, and what happens when they go."""

import shutil
import socket
import ssl
import stat
import subprocess
from contextlib import suppress

import anyio
import pytest
from websockets import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.asyncio.client import connect

from transcriber.adapters import websocket_source as adapter
from transcriber.adapters.websocket_source import WebSocketSource
from transcriber.adapters.websocket_token import VARIABLE, find_token
from transcriber.core.listening import listening
from transcriber.core.source_spec import parse_source
from transcriber.errors import ConfigError, NoDeviceError

pytestmark = pytest.mark.anyio

TOKEN = "0123456789abcdefghijklmnopqrstuv"  # noqa: S105 - of a listener that lives for a test
BLOCK = bytes(range(256)) * 5
"""0.04 s at 16 kHz."""


@pytest.fixture
def anyio_backend():
    return "asyncio"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def make(options=""):
    port = free_port()
    return WebSocketSource(listening(parse_source(f"websocket:127.0.0.1:{port}{options}")), TOKEN), port


@pytest.fixture
async def source():
    source, source.port = make()
    await source.open()
    yield source
    await source.close()


def feeding(source, *, token=TOKEN, **options):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return connect(f"ws://127.0.0.1:{source.port}/", additional_headers=headers, compression=None, **options)


async def heard(source, size):
    pcm = b""
    with anyio.fail_after(20):
        while len(pcm) < size:
            pcm += (await source.read()).pcm
    return pcm


async def until(true):
    with anyio.fail_after(20):
        while not true():  # noqa: ASYNC110 - nobody tells
            await anyio.sleep(0.01)


async def refused(connecting):
    with pytest.raises(InvalidStatus) as error:
        await connecting
    return error.value.response.status_code


async def closed(peer):
    """Return the code and the reason with which the other side closed."""
    with anyio.fail_after(20), pytest.raises(ConnectionClosed):
        await peer.recv()
    return peer.close_code, peer.close_reason


async def test_whoever_has_the_token_feeds_the_track(source):
    async with feeding(source) as peer:
        await peer.send(BLOCK)
        await peer.send(BLOCK[::-1])
        assert await heard(source, 2 * len(BLOCK)) == BLOCK + BLOCK[::-1]


async def test_nobody_there_is_no_silence(source):
    assert (await source.read()).absent
    async with feeding(source) as peer:
        await peer.send(BLOCK)
        await heard(source, len(BLOCK))
    with anyio.fail_after(20):
        while not (reading := await source.read()).absent:
            assert not reading.pcm


async def test_what_came_before_the_end_of_a_connection_is_read_before_the_absence(source):
    async with feeding(source) as peer:
        await peer.send(BLOCK)
    reading = await source.read()
    assert (reading.pcm, reading.absent) == (BLOCK, False)


async def test_a_browser_sends_the_token_as_a_protocol_and_gets_the_other_confirmed(source):
    peer = await connect(
        f"ws://127.0.0.1:{source.port}/",
        subprotocols=["transcriber", f"bearer.{TOKEN}"],
        origin="http://localhost:8000",
    )
    assert peer.subprotocol == "transcriber"
    assert not peer.response.headers.get("Sec-WebSocket-Extensions")  # nothing is compressed
    await peer.close()


@pytest.mark.parametrize("token", [None, "", TOKEN[:-1], TOKEN + "w", "ü" * 32])
async def test_without_the_token_nobody_is_let_in(source, token):
    assert await refused(feeding(source, token=(token or "").encode().decode("latin-1"))) == 401
    assert (await source.read()).absent


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"host": "evil.example"}, 421),
    ],
)
async def test_pages_and_names_from_elsewhere_are_refused_with_the_token_too(source, changes, status):
    host = changes.pop("host", None)
    connecting = feeding(source, **changes)
    if host:
        connecting = connect(
            f"ws://{host}:{source.port}/",
            host="127.0.0.1",
            port=source.port,
            additional_headers={"Authorization": f"Bearer {TOKEN}"},
        )
    assert await refused(connecting) == status


async def test_there_is_one_place_and_one_who_feeds(source):
    assert await refused(connect(f"ws://127.0.0.1:{source.port}/x", subprotocols=[f"bearer.{TOKEN}"])) == 404
    async with feeding(source) as first:
        assert await refused(feeding(source)) == 409
        await first.send(BLOCK)
        assert await heard(source, len(BLOCK)) == BLOCK
    await until(lambda: not source._listener.fed)
    async with feeding(source) as second:
        await second.send(BLOCK)
        assert await heard(source, len(BLOCK)) == BLOCK


@pytest.mark.parametrize(
    ("message", "code"),
    [("text", 1003), (b"odd", 1007), (bytes(2 * 8_001), 1009)],
    ids=["text", "half a frame", "more than a few blocks"],
)
async def test_a_message_that_is_not_some_frames_ends_the_connection(source, message, code):
    async with feeding(source) as peer:
        await peer.send(message)
        assert (await closed(peer))[0] == code
    assert not (await source.read()).pcm


async def test_what_comes_faster_than_it_could_sound_ends_the_connection(source):
    async with feeding(source) as peer:
        with suppress(ConnectionClosed):
            for _ in range(100):
                await peer.send(bytes(16_000))
        assert await closed(peer) == (1008, "faster than it could have sounded")


async def test_who_says_nothing_any_more_makes_room(source, monkeypatch):
    monkeypatch.setattr(adapter, "SILENT", 0.2)
    async with feeding(source) as peer:
        code, reason = await closed(peer)
    assert code == 1008
    assert "nothing came" in reason
    assert (await source.read()).absent


async def test_a_network_that_stalls_is_no_silence(source):
    async with feeding(source) as peer:
        await peer.send(BLOCK)
        await heard(source, len(BLOCK))
        with anyio.move_on_after(0.5) as waited:
            await source.read()
        assert waited.cancelled_caught
        await peer.send(BLOCK)
        assert (await source.read()).pcm == BLOCK


async def test_only_so_many_may_knock_at_a_time_and_closing_waits_for_none_of_them(source):
    sockets = [socket.create_connection(("127.0.0.1", source.port)) for _ in range(adapter.CONNECTIONS)]
    await until(lambda: source._listener.connections == adapter.CONNECTIONS)
    with pytest.raises((InvalidHandshake, ConnectionClosed, OSError, EOFError)):
        await feeding(source)
    with anyio.fail_after(adapter.OPENING):
        await source.close()
    for each in sockets:
        each.close()


async def test_the_end_of_the_recording_is_a_farewell(source):
    async with feeding(source) as peer:
        await source.close()
        assert await closed(peer) == (1001, "the recording does not go on")


async def test_an_address_that_is_taken_is_named(source):
    other = WebSocketSource(source._listening, TOKEN)
    with pytest.raises(NoDeviceError, match=f"127.0.0.1:{source.port} cannot be listened to"):
        await other.open()


@pytest.fixture
def certificate(tmp_path):
    """A certificate of this computer's own, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost", "-out", str(certificate), "-keyout", str(key)),
        ],
        capture_output=True,
        check=True,
    )
    return certificate, key


async def test_with_a_certificate_it_is_tls_and_nothing_else(certificate):
    certificate, key = certificate
    source, port = make(f"?certificate={certificate}&key={key}")
    await source.open()
    context = ssl.create_default_context(cafile=str(certificate))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with connect(f"wss://localhost:{port}/", ssl=context, additional_headers=headers) as peer:
        await peer.send(BLOCK)
        assert await heard(source, len(BLOCK)) == BLOCK
    with pytest.raises((InvalidHandshake, ConnectionClosed, OSError, EOFError)):
        await connect(f"ws://localhost:{port}/", additional_headers=headers)
    await source.close()


async def test_a_certificate_that_is_none_is_named(tmp_path):
    (tmp_path / "cert.pem").write_text("none")
    source, _ = make(f"?certificate={tmp_path / 'cert.pem'}&key={tmp_path / 'cert.pem'}")
    with pytest.raises(ConfigError, match="certificate or key cannot be used"):
        await source.open()


def spec(options=""):
    return listening(parse_source(f"websocket:127.0.0.1:1234{options}"))


def test_a_token_file_is_made_for_its_owner_alone_and_stays(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, TOKEN)
    path = tmp_path / "token"
    token = find_token(spec(f"?token-file={path}"))
    assert len(token) >= 22
    assert token != TOKEN
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert find_token(spec(f"?token-file={path}")) == token
    assert find_token(spec(f"?token-file={tmp_path / 'another'}")) != token


def test_a_token_file_that_others_may_read_is_refused(tmp_path):
    path = tmp_path / "token"
    path.write_text(TOKEN)
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        find_token(spec(f"?token-file={path}"))


def test_a_token_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read or made"):
        find_token(spec(f"?token-file={tmp_path / 'no' / 'folder'}"))


def test_the_environment_may_have_the_token_and_without_any_there_is_no_source(monkeypatch):
    monkeypatch.setenv(VARIABLE, TOKEN)
    assert find_token(spec()) == TOKEN
    monkeypatch.setenv(VARIABLE, "short")
    with pytest.raises(ConfigError, match=VARIABLE):
        find_token(spec())
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(ConfigError, match="token-file"):
        find_token(spec())
