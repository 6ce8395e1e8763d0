"""Who may see a run: whoever has its token, as a header or in a cookie that a ticket was exchanged for.

A ticket is what a link may carry: it is good for one use, so what stays of it in a terminal or a history opens nothing.
"""

import re
from collections.abc import Mapping
from secrets import compare_digest, token_hex, token_urlsafe

from transcriber.errors import ConfigError

TICKETS = 16
"""Tickets that may be open at a time; a newer one puts out the oldest."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{22,256}")


class Access:
    """Holds the token of a run: 256 random bits, unless it is given one.

    Raises:
        ConfigError: what is given could be guessed.

    """

    def __init__(self, token: str | None = None) -> None:
        if token is not None and not _TOKEN.fullmatch(token):
            raise ConfigError("a token has 22 letters, digits, '-' and '_' or more: 128 bits, not to be guessed")
        self._token = token or token_urlsafe(32)
        # Cookies know no ports: each run on this machine has one of its own.
        self._cookie = f"transcriber-{token_hex(4)}"
        self._tickets: list[str] = []

    def ticket(self) -> str:
        """Return a new ticket."""
        ticket = token_urlsafe(32)
        self._tickets = [*self._tickets[1 - TICKETS :], ticket]
        return ticket

    def redeem(self, ticket: str) -> bool:
        """Whether the ticket is good; from now on it is not."""
        good = [known for known in self._tickets if compare_digest(known.encode(), ticket.encode())]
        self._tickets = [known for known in self._tickets if known not in good]
        return bool(good)

    def cookie(self, path: str, *, secure: bool) -> str:
        """Return what sets the cookie of a browser: out of reach of scripts, and never sent for another site."""
        return f"{self._cookie}={self._token}; Path={path}; HttpOnly; SameSite=Strict{'; Secure' if secure else ''}"

    def allows(self, authorization: str, cookies: Mapping[str, str]) -> bool:
        """Whether a request with this `Authorization` header and these cookies has the token."""
        scheme, _, bearer = authorization.partition(" ")
        shown = bearer.strip() if scheme.lower() == "bearer" else cookies.get(self._cookie, "")
        return compare_digest(shown.encode(), self._token.encode())
