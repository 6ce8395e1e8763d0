"""Ten thousand restarts leave everything as it was."""

import gc
import sys
import threading
from pathlib import Path

import anyio
import pytest

from transcriber.link import Link
from transcriber.supervision import ChildSpec, Supervisor

pytestmark = pytest.mark.anyio

RESTARTS = 10_000


class Crashing:
    """Takes one message and crashes, so that every life leaves an inbox, an error and a traceback behind."""

    def __init__(self, link):
        self.link = link

    async def run(self):
        with self.link.inbox() as inbox:
            raise ValueError(await anext(inbox))


def footprint():
    gc.collect()
    tasks = len(anyio.get_running_tasks())
    descriptors = len(list(Path("/dev/fd").iterdir()))
    return tasks, descriptors, threading.active_count()


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_ten_thousand_restarts_leave_tasks_descriptors_threads_and_memory_as_they_were():
    lives, seen = 0, {}
    link = Link("blocks", 1, attempts=RESTARTS * 2)
    await link.put(b"block")

    def start():
        nonlocal lives
        lives += 1
        if lives in {RESTARTS // 10, RESTARTS}:
            seen[lives] = (*footprint(), sys.getallocatedblocks())
        if lives == RESTARTS:
            supervisor.stop()
        return Crashing(link)

    supervisor = Supervisor("root", [ChildSpec(name="a", start=start)], delay=0.0, window=1e-9, max_restarts=5)
    before = footprint()
    await supervisor.run()
    early, late = seen.values()
    assert late[:3] == early[:3]
    assert footprint() == before
    # A leak of one object for every hundred restarts would show.
    assert late[3] - early[3] < RESTARTS // 100
