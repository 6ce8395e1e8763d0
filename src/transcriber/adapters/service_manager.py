"""What systemd is told about a service: a datagram to the socket that it names (sd_notify(3))."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress


class ServiceManager:
    """Tells whoever started the program how it is; nobody, if nobody wants to know."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        watched = environ.get("WATCHDOG_PID") in {None, str(os.getpid())}
        limit = environ.get("WATCHDOG_USEC", "") if watched else ""
        self.interval = int(limit) / 2_000_000 if self._address and limit.isdecimal() else None
        """Seconds from one sign of life to the next: half of what is waited for; None if nobody waits."""

    def ready(self) -> None:
        """Say that the service does what it is for."""
        self._tell("READY=1")

    def alive(self) -> None:
        """Say that it lives: without that for long enough, it is started anew."""
        self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that it ends in order."""
        self._tell("STOPPING=1")

    def _tell(self, state: str) -> None:
        if not self._address:
            return
        # A name that begins with "@" is in the abstract namespace. A manager that is gone is no reason to stop.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            # One that does not read must not hold up the loop: its socket holds ten datagrams.
            sender.setblocking(False)  # noqa: FBT003 - its only parameter
            sender.sendto(state.encode(), address)
