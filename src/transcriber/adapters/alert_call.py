"""Whom an alert is told outside of the program: a command of the user's, and an address on the web."""

import subprocess
import urllib.request
from collections.abc import Sequence
from urllib.error import HTTPError

import anyio
import anyio.to_thread

DEADLINE = 10.0
"""Seconds that whoever is told may take."""


class NotDelivered(Exception):  # noqa: N818 - it names what happened
    """An alert did not get to where it was to be told; the message says why."""


async def run_command(command: Sequence[str], content: bytes) -> None:
    """Run a program with the content on its standard input; what it prints is thrown away.

    Raises:
        NotDelivered: it cannot be run, fails, or takes too long: then it is killed.

    """
    with anyio.move_on_after(DEADLINE):
        try:
            ended = await anyio.run_process(
                command,
                input=content,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
                start_new_session=True,
            )
        except OSError as error:
            raise NotDelivered(f"{command[0]}: {error.strerror or error}") from error
        if ended.returncode:
            raise NotDelivered(f"{command[0]} ended with exit code {ended.returncode}")
        return
    raise NotDelivered(f"{command[0]} took more than {DEADLINE:g} s")


async def post(address: str, content: bytes) -> None:
    """Post the content, which is JSON, to an address that begins with http:// or https://.

    Raises:
        NotDelivered: nobody took it.

    """
    request = urllib.request.Request(  # noqa: S310 - the setting allows these two schemes alone
        address, content, {"Content-Type": "application/json", "User-Agent": "transcriber"}
    )

    def send() -> None:
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE):  # noqa: S310
                pass
        except HTTPError as answer:
            with answer:
                raise NotDelivered(f"the webhook: {answer.code} {answer.reason}") from answer

    try:
        await anyio.to_thread.run_sync(send, abandon_on_cancel=True)
    except OSError as error:  # of which what urllib raises is a kind
        # An address may hold a secret: it is not told.
        raise NotDelivered(f"the webhook: {getattr(error, 'reason', error)}") from error
