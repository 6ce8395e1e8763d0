"""How a child process of ours is started: a module of this package, by the same interpreter, out of Ctrl-C's reach.

Ctrl-C in a terminal goes to its whole group of processes; it is the core that decides when a child ends.
"""

import subprocess
import sys

NEW_SESSION = sys.platform != "win32"
FLAGS = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW if sys.platform == "win32" else 0


def command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module. -P: a file in the current folder must not shadow a library."""
    return [sys.executable, "-P", "-m", module, *arguments]
