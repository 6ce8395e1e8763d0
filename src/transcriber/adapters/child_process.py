"""How a child process of ours is started: a module of this package, by the same interpreter, out of Ctrl-C's reach.

Ctrl-C in a terminal goes to its whole group of processes; it is the core that decides when a child ends.
"""

import subprocess
import sys
from collections.abc import Mapping

import anyio
from anyio.abc import Process

NEW_SESSION = sys.platform != "win32"
FLAGS = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW if sys.platform == "win32" else 0


def command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module. -P: a file in the current folder must not shadow a library."""
    return [sys.executable, "-P", "-m", module, *arguments]


async def start(module: str, *arguments: str, env: Mapping[str, str] | None = None) -> Process:
    """Start a module, with pipes to its standard streams.

    A cancellation that comes in the middle waits, a few milliseconds: asyncio would kill the child and not see it end,
    and a loop that is closed then keeps the descriptor by which it watched.
    """
    with anyio.fail_after(None, shield=True):
        return await anyio.open_process(
            command(module, *arguments),
            stdin=subprocess.PIPE,
            env=env,
            start_new_session=NEW_SESSION,
            creationflags=FLAGS,
        )
