"""The status page as an ASGI app: what it answers to which request."""

from collections.abc import Awaitable, Callable, Collection
from contextlib import closing
from functools import partial
from importlib.resources import files
from typing import Final

import anyio.to_thread
import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from transcriber.adapters import session_folder_index as index
from transcriber.adapters.transcript_db import TranscriptDatabase
from transcriber.app.reading import read_document
from transcriber.app.transcriber import Transcriber
from transcriber.core.document import FORMATS
from transcriber.core.stamps import clock
from transcriber.errors import StorageError
from transcriber.web import board
from transcriber.web.access import Access
from transcriber.web.guard import LOOPBACK, Guard
from transcriber.web.metrics import exposition
from transcriber.web.stream import EventStream

TEXT: Final = {
    "css": "text/css",
    "html": "text/html",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}
"""Types of what lies in `static/`, by the end of its name."""

LONGEST_TICKET = 256
"""Bytes that are read of who wants to enter."""

MATCHES = 200
"""Segments that a search shows."""

type Endpoint = Callable[[Request], Awaitable[Response]]


class StatusPage:
    """Shows one transcriber to whoever has the token; serve it on the loopback, or mount it in an app with TLS.

    `hosts` are the names under which it may be reached. Until the session is open, it says so.
    """

    def __init__(
        self, transcriber: Transcriber, *, access: Access | None = None, hosts: Collection[str] = LOOPBACK
    ) -> None:
        self._transcriber = transcriber
        self.access = access or Access()
        self._static = {entry.name: entry.read_bytes() for entry in (files(__package__) / "static").iterdir()}
        routes = [
            Route("/", self._index),
            Route("/static/{name}", self._file),
            Route("/enter", self._enter, methods=["POST"]),
            Route("/ticket", self._private(self._ticket), methods=["POST"]),
            Route("/events", self._private(self._events)),
            Route("/history", self._private(self._history)),
            Route("/search", self._private(self._search)),
            Route("/export/{style}", self._private(self._export)),
            Route("/metrics", self._private(self._metrics)),
            Route("/healthz", self._healthz),
            Route("/readyz", self._readyz),
        ]
        self._app = Guard(Starlette(routes=routes), hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI has it."""
        await self._app(scope, receive, send)

    def _private(self, endpoint: Endpoint) -> Endpoint:
        async def guarded(request: Request) -> Response:
            if not self._knows(request):
                return PlainTextResponse("the link was used already, or is not of this run", 401)
            if not self._transcriber.opened:
                return PlainTextResponse("there is no session yet", 503, {"Retry-After": "1"})
            return await endpoint(request)

        return guarded

    def _knows(self, request: Request) -> bool:
        return self.access.allows(request.headers.get("authorization", ""), request.cookies)

    async def _index(self, request: Request) -> Response:
        # Who is not known yet gets the page as well: it holds nothing, and it brings the ticket of the link here.
        status = 200 if self._knows(request) else 401
        return Response(self._static["index.html"], status, media_type=TEXT["html"])

    async def _file(self, request: Request) -> Response:
        name: str = request.path_params["name"]
        kind = TEXT.get(name.rpartition(".")[2])
        if kind is None or name not in self._static:
            return PlainTextResponse("there is nothing of that name", 404)
        return Response(self._static[name], media_type=kind)

    async def _enter(self, request: Request) -> Response:
        """Exchange a ticket for the cookie."""
        ticket = b""
        async for part in request.stream():
            ticket += part
            if len(ticket) > LONGEST_TICKET:
                return PlainTextResponse("that is no ticket", 413)
        if not self.access.redeem(ticket.decode(errors="replace")):
            return PlainTextResponse("the link was used already, or is not of this run", 401)
        secure = request.url.scheme == "https"
        path = request.scope.get("root_path", "") or "/"
        return Response(status_code=204, headers={"Set-Cookie": self.access.cookie(path, secure=secure)})

    async def _ticket(self, _: Request) -> Response:
        return PlainTextResponse(self.access.ticket())

    async def _events(self, request: Request) -> Response:
        after = request.headers.get("last-event-id") or request.query_params.get("after", "0")
        if not (after.isascii() and after.isdecimal() and len(after) < 16):  # noqa: PLR2004 - as many digits as a double has
            return PlainTextResponse("after: the number of an event", 400)
        return EventStream(self._transcriber, int(after))

    async def _history(self, _: Request) -> Response:
        return _json(msgspec.json.encode(self._transcriber.session.gauges.history.columns()))

    async def _search(self, request: Request) -> Response:
        text = request.query_params.get("q", "").strip()
        if not text:
            return PlainTextResponse("q: what to look for", 400)
        path = self._transcriber.session.services.folder.database

        def search() -> bytes:
            with closing(TranscriptDatabase.view(path)) as database:
                found = database.search(text, MATCHES)
            lines = [{"track": one.track, "at": clock(one.start), "text": one.text} for one in found]
            return msgspec.json.encode(lines)

        return await _read(lambda: _json(search()))

    async def _export(self, request: Request) -> Response:
        style: str = request.path_params["style"]
        if style not in FORMATS:
            return PlainTextResponse(f"one of {', '.join(FORMATS)}", 404)
        folder = self._transcriber.folder

        def export() -> Response:
            entry = index.describe(folder)
            text = FORMATS[style](read_document(entry))
            headers = {"Content-Disposition": f'attachment; filename="{entry.id}.{style}"'}
            return Response(text.encode(errors="replace"), headers=headers, media_type="application/octet-stream")

        return await _read(export)

    async def _metrics(self, _: Request) -> Response:
        text = exposition(board.read(self._transcriber.session))
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _healthz(self, _: Request) -> Response:
        """Say whether the loop runs: that there is an answer is the answer."""
        return PlainTextResponse("ok")

    async def _readyz(self, _: Request) -> Response:
        """Say whether words come: every track captures, and the engine is ready."""
        if not self._transcriber.opened:
            return PlainTextResponse("there is no session yet", 503)
        session = self._transcriber.session
        wanting = [] if session.supply.state == "ready" else [f"the engine is {session.supply.state}"]
        for status in session.services.reporter.states():
            if status.component == "capture" and status.state in {"failed", "restarting", "waiting", "given up"}:
                wanting.append(f"{status.track} captures nothing: it is {status.state}")
            if status.component == "disk" and status.state == "lost":
                wanting.append(f"the disk of {status.track or 'the transcript'} takes nothing")
        return PlainTextResponse("\n".join(wanting) or "ready", 503 if wanting else 200)


def _json(content: bytes) -> Response:
    return Response(content, media_type="application/json")


async def _read(call: Callable[[], Response]) -> Response:
    """Answer from the files of the session, in a thread of its own."""
    try:
        return await anyio.to_thread.run_sync(partial(call), abandon_on_cancel=True)
    except StorageError as error:
        return PlainTextResponse(str(error), 503)
