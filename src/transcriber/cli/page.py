"""The status page of a run: its link is told at once, and what serves it is loaded beside the recording."""

import socket
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

import anyio.to_thread

from transcriber.adapters.token_file import read_token
from transcriber.app.reporting import Log
from transcriber.app.transcriber import Transcriber
from transcriber.settings import Status
from transcriber.web.access import Access
from transcriber.web.listener import listen


@dataclass(frozen=True, slots=True)
class Offer:
    """A page that can be reached, and waits to be served."""

    listener: socket.socket
    access: Access
    private: bool
    """Whether only the link knows the token."""

    @property
    def address(self) -> str:
        """Where the page is, for those who have its token."""
        host, port = self.listener.getsockname()
        return f"http://{host}:{port}/"

    @property
    def link(self) -> str:
        """Where the page is; whoever is the first to open it, enters."""
        return self.address + (f"#{self.access.ticket()}" if self.private else "")


@contextmanager
def listening(status: Status | None) -> Generator[Offer | None]:
    """Listen before anything is recorded: a port that is taken, or a token that is none, is a mistake to be told.

    Raises:
        ConfigError: the port is taken, or there is no token in the file.

    """
    if status is None or not status.enabled:
        yield None
        return
    token = read_token(Path(status.token_file).expanduser()) if status.token_file else None
    with closing(listen(status.port)) as listener:
        yield Offer(listener, Access(token), private=token is None)


async def serve(transcriber: Transcriber, offer: Offer, log: Log) -> None:
    """Serve the page until cancelled."""
    # In a thread, because the import takes some tenths of a second, in which the loop has sound to move.
    server = await anyio.to_thread.run_sync(partial(import_module, "transcriber.web.server"))
    page = await anyio.to_thread.run_sync(partial(import_module, "transcriber.web.page"))
    await server.serve(page.StatusPage(transcriber, access=offer.access), offer.listener, log)
