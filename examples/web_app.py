"""A web app that transcribes while it serves: `python web_app.py [SOURCE [PORT]]`, by default what the computer plays.

`/` shows the text as it comes, `/events` streams it as Server-Sent Events: the JSON lines of docs/events.md. A browser
that lost its connection goes on with the event after its `Last-Event-ID`; one that is new gets what was said so far
first. When the session ends, or fails, the app goes on, and each stream says so by its last event. Ctrl-C ends the
capture; the streams end when the rest is transcribed, and then the app does. It needs starlette and uvicorn.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from transcriber import Transcriber, TranscriberError, load_settings
from transcriber.core.wire import encode

PAGE = """<!doctype html><meta charset="utf-8"><title>Transcriber</title>
<p><span></span> <span></span> <span style="color: gray"></span></p>
<script>
  const [said, latest, tail] = document.querySelectorAll("span"), events = new EventSource("/events");
  const on = {
    segment: event => { said.append(event.text + " "); latest.textContent = ""; },
    commit: event => { latest.append(event.words.map(word => word.word).join("")); tail.textContent = ""; },
    partial: event => { tail.textContent = event.text; },
    gap: event => { said.append(`[missing: ${event.reason}] `); },
  };
  events.onmessage = ({data}) => { const event = JSON.parse(data); on[event.event]?.(event); };
  events.addEventListener("end", ({data}) => { events.close(); tail.textContent = data; });
</script>"""


async def stream(transcriber: Transcriber, after: int) -> AsyncGenerator[str]:
    """Send each event after number `after`, each once, then why there are no more."""
    with transcriber.events(after=after) as events:
        async for envelope in events:
            yield f"id: {envelope.seq}\ndata: {encode(envelope)}\n\n"
    yield f"event: end\ndata: {transcriber.session.fault() or 'complete'}\n\n"


def make_app(transcriber: Transcriber) -> ASGIApp:
    """Return an app that runs the transcriber as long as it runs itself; where that cannot start, it does not."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        try:
            async with transcriber:
                yield
        except TranscriberError:
            if not transcriber.opened:  # later the streams have told it
                raise

    async def events(request: Request) -> StreamingResponse:
        last = request.headers.get("last-event-id", "")
        content = stream(transcriber, int(last) if last.isdecimal() else 0)
        return StreamingResponse(content, media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    app = Starlette(routes=[Route("/", HTMLResponse(PAGE)), Route("/events", events)], lifespan=lifespan)
    # What is said is private: no page of another site may read it through a name that points here.
    return TrustedHostMiddleware(app, allowed_hosts=["127.0.0.1", "localhost"])


class Server(uvicorn.Server):
    """Ends the session at the first signal: uvicorn waits for the streams, and they for the session."""

    def __init__(self, transcriber: Transcriber, port: int) -> None:
        super().__init__(uvicorn.Config(make_app(transcriber), port=port))
        self._transcriber = transcriber

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Be told of a signal, in the middle of whatever the loop does."""
        asyncio.get_running_loop().call_soon_threadsafe(self._transcriber.stop)
        super().handle_exit(sig, frame)


def main(source: str = "loopback", port: str = "8000") -> None:
    """Serve until a signal comes."""
    settings = load_settings(None, {}, {"tracks": [{"name": "them", "source": source}]})
    with suppress(KeyboardInterrupt):
        Server(Transcriber(settings), int(port)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
