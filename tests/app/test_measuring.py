"""A running session is measured: its own figures, not made up ones."""

import os

import anyio
import pytest
from msgspec.structs import replace

from transcriber import Transcriber
from transcriber.adapters.engine.scripted import silence
from transcriber.settings import Monitoring

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("_scripted_engine")]


@pytest.fixture
def quick(settings_for):
    settings = settings_for()
    return replace(settings, monitoring=Monitoring(interval=0.1))


async def first(transcriber, true):
    """Return the first snapshot of which something is true."""
    with anyio.fail_after(30):
        while True:
            latest = transcriber.session.gauges.latest
            if latest is not None and true(latest):
                return latest
            await anyio.sleep(0.01)


async def test_a_snapshot_counts_what_was_captured_written_and_passed_on(play, quick):
    play([silence(5)], live=True)
    async with Transcriber(quick) as transcriber:
        snapshot = await first(transcriber, lambda now: now.tracks[0].captured > 1 and now.disk.free)
    [track] = snapshot.tracks
    assert track.name == "t0"
    assert track.lag == pytest.approx(track.captured - track.covered, abs=0.001)
    assert track.covered == pytest.approx(track.transcribed + track.silence + track.missing)
    assert [link.name for link in track.links] == ["t0.blocks", "t0.samples", "t0.chunks", "t0.speech"]
    assert all(link.received > 0 for link in track.links)
    assert track.dropped == 0
    assert 0 < snapshot.disk.p50 <= snapshot.disk.p99 <= snapshot.disk.slowest
    [core] = snapshot.processes
    assert (core.name, core.pid) == ("core", os.getpid())
    assert transcriber.session.gauges.peak_memory["core"] >= core.memory


async def test_the_tree_of_a_session_can_be_seen(play, quick):
    play([silence(5)], live=True)
    async with Transcriber(quick) as transcriber:
        await first(transcriber, lambda now: now.tracks[0].captured > 0)
        tree = transcriber.session.tree
    assert [child.name for child in tree.children] == ["track t0", "services"]
    assert tree.children[0].tree is not None
    assert [child.name for child in tree.children[0].tree.children][-1] == "capture"
