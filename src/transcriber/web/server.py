"""uvicorn, in the loop of the transcriber: it takes no signal, logs nothing by itself, and holds few connections."""

import asyncio
import logging
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import override

import anyio
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from transcriber.app.reporting import Log

MOST = 64
"""Connections at a time: some viewers with a stream and a few requests each. The recording needs descriptors too."""

GOODBYE = 1
"""Seconds that answers in progress get at the end."""


class _Connection(H11Protocol):
    """A connection that is closed at once if there are too many."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST:
            transport.abort()


class _Server(uvicorn.Server):
    @override
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave the signals to the program."""
        yield


async def serve(app: ASGIApp, listener: socket.socket, log: Log) -> None:
    """Serve an app on a socket until cancelled, then say goodbye. If it fails, that is logged, and disturbs nobody."""
    # Without a handler of its own, Python prints what a library warns of to standard error.
    logging.getLogger("uvicorn").addHandler(logging.NullHandler())
    config = uvicorn.Config(
        app,
        http=_Connection,
        ws="none",
        lifespan="off",
        loop="none",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GOODBYE,
    )
    server = _Server(config)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_run, server, listener)
            try:
                await anyio.sleep_forever()
            finally:
                server.should_exit = True
    except Exception as error:
        log.error("page_failed", component="page", exc_info=error)  # noqa: TRY400 - `Log` is no logging.Logger


async def _run(server: uvicorn.Server, listener: socket.socket) -> None:
    # Cancelled, it would leave its connections open: it is asked to end, which takes a moment.
    with anyio.CancelScope(shield=True):
        await server.serve([listener])
