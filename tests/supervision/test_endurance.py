"""Ten thousand restarts leave everything as it was."""

import gc
import os
import threading
import tracemalloc

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
    descriptors = len(os.listdir("/dev/fd"))
    return tasks, descriptors, threading.active_count()


async def test_ten_thousand_restarts_leave_tasks_descriptors_threads_and_memory_as_they_were():
    lives = 0
    link = Link("blocks", 1, attempts=RESTARTS * 2)
    await link.put(b"block")
    seen = {}

    def start():
        nonlocal lives
        lives += 1
        if lives in {RESTARTS // 10, RESTARTS}:
            seen[lives] = (*footprint(), tracemalloc.get_traced_memory()[0])
        if lives == RESTARTS:
            supervisor.stop()
        return Crashing(link)

    supervisor = Supervisor(
        "root", [ChildSpec(name="a", start=start, restart=Restart.PERMANENT)], delay=0.0, max_restarts=RESTARTS * 2
    )
    before = footprint()
    tracemalloc.start()
    try:
        await supervisor.run()
    finally:
        tracemalloc.stop()
    early, late = seen.values()
    assert late[:3] == early[:3]
    assert footprint() == before
    # What is kept of a failure, and the budget's own record of it, is bounded by the budget.
    assert late[3] - early[3] < 1
