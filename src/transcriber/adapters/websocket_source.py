"""The `websocket:` source: a track fed by a browser, or by another computer, with raw frames in binary messages.

The peer is not trusted further than its token goes: what it may send is bounded in size, in pace and in number of
connections, and nothing that it sends is looked into but as samples.
"""

import asyncio
import logging
import secrets
import ssl
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast, override

import anyio
from websockets import CloseCode, ConnectionClosed, Headers, Request, Response, Subprotocol
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.server import ServerProtocol

from transcriber.adapters.frame_queue import CAPACITY, FrameQueue
from transcriber.core.listening import Listening, excess, token_in
from transcriber.errors import ConfigError, NoDeviceError, SourceError
from transcriber.types import AudioFormat, Reading

PROTOCOL = Subprotocol("transcriber")

LONGEST = 0.5
"""Seconds in a message: a few blocks."""

CONNECTIONS = 8
"""Connections at a time, of which one feeds; the others are still being refused."""

OPENING = 5.0
"""Seconds for a connection to say what it wants."""

SILENT = 3.0
"""Seconds without a message after which who feeds counts as gone: a microphone is never silent in this way."""

CLOSING = 1.0
"""Seconds for a farewell."""

_SILENT_LOG = logging.Logger("transcriber.websocket", logging.CRITICAL + 1)  # noqa: LOG001 - none that can be found
"""The library would write what it is sent, the token included, once somebody turns its log on."""


class WebSocketSource:
    """A `Source` that listens, and records whoever connects with the token: one at a time, frames in `listening.form`.

    While nobody does, its readings say that it is `absent`.
    """

    live = True

    def __init__(self, listening: Listening, token: str) -> None:
        self.label = f"websocket:{listening.address}"
        self._listening = listening
        self._token = token
        self._listener: _Listener | None = None

    async def open(self) -> AudioFormat:
        """Listen.

        Raises:
            ConfigError: the certificate cannot be used.
            NoDeviceError: the address cannot be listened to.

        """
        await self.close()
        listener = _Listener(self._listening, self._token)
        await listener.open()
        self._listener = listener
        return self._listening.form

    async def read(self) -> Reading | None:
        """Return the next frames; none, and `absent`, while nobody feeds."""
        listener = self._listener
        if listener is None:
            raise SourceError(f"{self.label} is not open")
        while True:
            reading = await listener.queue.get()
            if reading is None or reading.pcm:
                return reading
            if not listener.fed:
                return replace(reading, absent=True)
            # A network that stalls is no silence: what was said meanwhile is on its way.

    async def close(self) -> None:
        """Stop listening, and send away who feeds. Idempotent."""
        listener, self._listener = self._listener, None
        if listener is not None:
            await listener.close()


class _Listener:
    """One opening: the server, and the queue that whoever feeds fills."""

    def __init__(self, listening: Listening, token: str) -> None:
        self.queue = FrameQueue(listening.form)
        self.fed = False
        self._listening = listening
        self._token = token
        self._server: Server | None = None
        self.connections = 0

    async def open(self) -> None:
        listening = self._listening
        where = f"websocket:{listening.address}"
        context = _context(listening, where)
        try:
            # Not to be cut in two: a server that nobody holds would listen for ever.
            with anyio.CancelScope(shield=True):
                self._server = await serve(
                    self._feed,
                    listening.host,
                    listening.port,
                    process_request=self._refusal,
                    select_subprotocol=_selected,
                    compression=None,
                    max_size=max(1, int(LONGEST * listening.form.rate)) * listening.form.frame_bytes,
                    open_timeout=OPENING,
                    close_timeout=CLOSING,
                    server_header=None,
                    logger=_SILENT_LOG,
                    create_connection=cast("type[ServerConnection]", partial(_Counted, self)),
                    ssl=context,
                )
        except OSError as error:
            raise NoDeviceError(f"{where} cannot be listened to: {error.strerror or error}; name another") from error

    async def close(self) -> None:
        server = self._server
        if server is None:
            return
        server.close(reason="the recording does not go on")
        with anyio.move_on_after(CLOSING, shield=True):
            await server.wait_closed()
        server.server.abort_clients()
        with anyio.CancelScope(shield=True):
            await server.wait_closed()

    def _refusal(self, connection: ServerConnection, request: Request) -> Response | None:
        """Return why a request is refused; None if it is not."""
        headers = request.headers
        given = token_in(_single(headers, "Authorization"), ",".join(headers.get_all("Sec-WebSocket-Protocol")))
        if not self._listening.knows_host(_single(headers, "Host") or ""):
            return connection.respond(HTTPStatus.MISDIRECTED_REQUEST, "this listener has another name\n")
        if not self._listening.knows_origin(_single(headers, "Origin")):
            return connection.respond(HTTPStatus.FORBIDDEN, "pages from there may not connect\n")
        if not secrets.compare_digest(given.encode(), self._token.encode()):
            return connection.respond(HTTPStatus.UNAUTHORIZED, "the token is missing or wrong\n")
        if request.path != "/":
            return connection.respond(HTTPStatus.NOT_FOUND, "there is nothing but /\n")
        if self.fed:
            return connection.respond(HTTPStatus.CONFLICT, "somebody else feeds this track\n")
        return None

    async def _feed(self, connection: ServerConnection) -> None:
        if self.fed:
            await connection.close(CloseCode.TRY_AGAIN_LATER, "somebody else feeds this track")
            return
        self.fed = True
        try:
            code, reason = await self._receive(connection)
            await connection.close(code, reason)
        except ConnectionClosed:
            pass
        finally:
            self.fed = False

    async def _receive(self, connection: ServerConnection) -> tuple[CloseCode, str]:
        """Take frames until there is a reason not to."""
        form = self._listening.form
        began, frames = anyio.current_time(), 0
        while True:
            message = None
            with anyio.move_on_after(SILENT):
                message = await connection.recv()
            match message:
                case None:
                    return CloseCode.POLICY_VIOLATION, f"nothing came for {SILENT:.0f} s"
                case str():
                    return CloseCode.UNSUPPORTED_DATA, "frames come in binary messages"
                case pcm if len(pcm) % form.frame_bytes:
                    return CloseCode.INVALID_DATA, f"a frame has {form.frame_bytes} bytes ({form})"
                case pcm:
                    frames += len(pcm) // form.frame_bytes
                    if excess(frames, anyio.current_time() - began, form, ahead=CAPACITY):
                        return CloseCode.POLICY_VIOLATION, "faster than it could have sounded"
                    self.queue.put(pcm)


class _Counted(ServerConnection):
    """A connection that counts among its listener's from its first byte, and is cut off where there are too many."""

    def __init__(self, listener: _Listener, protocol: ServerProtocol, server: Server, **options: Any) -> None:  # noqa: ANN401 - what the library passes
        super().__init__(protocol, server, **options)
        self._listener = listener

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._listener.connections += 1
        if self._listener.connections > CONNECTIONS:
            self.transport.abort()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._listener.connections -= 1
        super().connection_lost(exc)


def _selected(_connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Name the protocol to a browser, which offers it beside the token and wants one of the two confirmed."""
    return PROTOCOL if PROTOCOL in offered else None


def _single(headers: Headers, name: str) -> str | None:
    """Return a header; one that was sent twice is empty, which suits nothing."""
    found = headers.get_all(name)
    return found[0] if len(found) == 1 else None if not found else ""


def _context(listening: Listening, where: str) -> ssl.SSLContext | None:
    if not listening.certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(Path(listening.certificate).expanduser(), Path(listening.key).expanduser())
    except OSError as error:
        raise ConfigError(f"{where}: its certificate or key cannot be used: {error}") from error
    return context
