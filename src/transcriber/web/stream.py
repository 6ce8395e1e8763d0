"""The stream of a run, as Server-Sent Events: every event once and in order, and between them how the run is.

- Without a name: an event as docs/events.md has it; its id is its number, from which a browser goes on after a break.
- `board`: how the run is, once a second. `levels`: how loud each track is, some times a second.
- `end`: why there is no more.
"""

from typing import override

import anyio
from anyio.abc import TaskGroup
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from transcriber.app.transcriber import Transcriber
from transcriber.core import wire
from transcriber.web import board

BOARD = 1.0
"""Seconds from board to board: there is a snapshot a second."""

LEVELS = 0.25
"""Seconds from levels to levels: a meter that is seen to move."""


class EventStream(Response):
    """Sends until the reader leaves or the run ends. Nobody waits for a reader that is slow."""

    media_type = "text/event-stream"

    def __init__(self, transcriber: Transcriber, after: int) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._transcriber = transcriber
        self._after = after

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._tell_events, send, tasks)
            tasks.start_soon(self._tell_boards, send)
            tasks.start_soon(self._tell_levels, send)
            while (await receive())["type"] != "http.disconnect":
                pass
            tasks.cancel_scope.cancel()

    async def _tell_events(self, send: Send, tasks: TaskGroup) -> None:
        with self._transcriber.events(after=self._after) as events:
            async for envelope in events:
                await _send(send, f"id: {envelope.seq}\ndata: {wire.encode(envelope)}\n\n".encode())
        session = self._transcriber.session
        await _send(send, b"event: board\ndata: " + board.encode(board.read(session)) + b"\n\n")
        await _send(send, f"event: end\ndata: {session.fault() or 'complete'}\n\n".encode())
        await send({"type": "http.response.body", "body": b""})
        tasks.cancel_scope.cancel()

    async def _tell_boards(self, send: Send) -> None:
        while True:
            await _send(send, b"event: board\ndata: " + board.encode(board.read(self._transcriber.session)) + b"\n\n")
            await anyio.sleep(BOARD)

    async def _tell_levels(self, send: Send) -> None:
        while True:
            await anyio.sleep(LEVELS)
            await _send(send, b"event: levels\ndata: " + board.levels(self._transcriber.session) + b"\n\n")


async def _send(send: Send, content: bytes) -> None:
    await send({"type": "http.response.body", "body": content, "more_body": True})
