"""A child process is there, or it is not: no cancellation leaves one half started."""

import asyncio
import gc
import sys
from pathlib import Path

import anyio
import psutil
import pytest

from transcriber.adapters import child_process


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_start_that_is_cancelled_gives_the_child_to_end_and_leaves_nothing_when_the_loop_is_closed_at_once():
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    async def host() -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            child = await child_process.start("http.server", "0")
            assert psutil.pid_exists(child.pid)
            child.kill()
            with anyio.CancelScope(shield=True):
                await child.aclose()

    before = open_files()
    asyncio.run(host())
    gc.collect()
    assert open_files() == before
    assert not psutil.Process().children()
