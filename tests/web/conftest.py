"""A session that hears a script, and its page."""

from contextlib import asynccontextmanager

import httpx
import pytest

from transcriber import Transcriber
from transcriber.adapters.engine.scripted import say, silence
from transcriber.adapters.scripted_source import ScriptedSource
from transcriber.app import opening
from transcriber.settings import Capture, Engine, Monitoring, Session, Settings, Track
from transcriber.web.page import StatusPage

HOST = "127.0.0.1:8000"
SAID = ("one two", "three four")
"""What a visitor can read before long."""


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def script(_scripted_engine, monkeypatch, tmp_path):
    """Settings of a session in which two things are said, and then nothing for longer than any test takes."""
    script = [say(SAID[0].split()), silence(1), say(SAID[1].split()), silence(600)]
    monkeypatch.setattr(opening, "make_source", lambda *_: ScriptedSource(script, live=True))
    return Settings(
        session=Session(folder=str(tmp_path / "sessions")),
        tracks=(Track(name="them", source="loopback"),),
        capture=Capture(pace="realtime"),
        engine=Engine(model="small"),
        monitoring=Monitoring(interval=0.1),
    )


@pytest.fixture
def visit(script):
    """Run the session, and visit its page as a browser that has no cookie yet."""

    @asynccontextmanager
    async def open_page(**options):
        async with Transcriber(script) as transcriber:
            page = StatusPage(transcriber, **options)
            transport = httpx.ASGITransport(page)
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as browser:
                yield page, browser
            transcriber.stop()

    return open_page
