"""Alerts of a running session, by what really causes them, and over again when that is over."""

import time
from functools import partial

import anyio
import psutil
import pytest
from msgspec.structs import replace

from transcriber import Transcriber
from transcriber.actors.holder import Holder
from transcriber.adapters import disk
from transcriber.adapters.engine.scripted import silence
from transcriber.events import StateChanged
from transcriber.settings import Monitoring

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("_scripted_engine")]


@pytest.fixture
def session(play, settings_for):
    """Make a session that measures often, and waits for no load to last."""
    play([silence(600)], live=True)

    def make(**limits):
        quiet = {"cpu_threshold": 100.0, "memory_threshold": 1 << 36, "write_threshold": 60.0}
        monitoring = Monitoring(**{"interval": 0.1, "sustain": 0.0} | quiet | limits)
        return Transcriber(replace(settings_for(), monitoring=monitoring))

    return make


async def changes(events, name: str):
    """Return the next change of an alert."""
    with anyio.fail_after(60):
        async for envelope in events:
            if isinstance(envelope.event, StateChanged) and envelope.event.component == name:
                return envelope.event
    raise AssertionError("the session ended")


async def test_a_disk_that_takes_long_for_a_write(session, monkeypatch):
    monkeypatch.setattr(disk, "_RECENT", 1.0)
    async with session(write_threshold=0.3) as transcriber:
        events = transcriber.events()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(transcriber.session.services.disk.run, partial(time.sleep, 0.6))
            raised = await changes(events, "write latency")
        over = await changes(events, "write latency")
        transcriber.stop()
    assert (raised.after, over.after) == ("alert", "normal")
    assert "name a --sessions folder on a faster one" in raised.reason


async def test_memory_that_grows_and_is_given_back(session):
    own = psutil.Process().memory_info().rss
    async with session(memory_threshold=round(1.5 * own)) as transcriber:
        events = transcriber.events()
        hog = bytearray(own)
        hog[::4096] = b"x" * len(hog[::4096])
        raised = await changes(events, "memory")
        del hog
        over = await changes(events, "memory")
        transcriber.stop()
    assert (raised.after, over.after) == ("alert", "normal")
    assert "restart the run soon" in raised.reason


async def test_a_part_that_fails_again_and_again(session, monkeypatch):
    failures = iter(["a mistake"] * 3)
    read = Holder.read

    async def fail_at_first(holder):
        if next(failures, None):
            raise ValueError
        return await read(holder)

    monkeypatch.setattr(Holder, "read", fail_at_first)
    async with session() as transcriber:
        raised = await changes(transcriber.events(after=0), "recovery")
        transcriber.stop()
    assert raised.reason.startswith("3 restarts in the last minutes: look at the supervisor tree")
