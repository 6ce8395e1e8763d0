"""What a `websocket:HOST:PORT[?OPTIONS]` source listens to, and whom it lets in.

Whoever feeds a track needs its token. That alone is not enough where a browser is at hand: a page from anywhere may
make it connect to this computer, under any name that leads here. So the name that was called (`Host`) and the page that
calls (`Origin`) must be known as well. Beyond this computer nothing is heard without TLS.
"""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from transcriber.core.source_spec import SourceSpec, pcm_format
from transcriber.errors import ConfigError
from transcriber.types import AudioFormat

LOCALHOST = "localhost"
LEAST_TOKEN = 22
"""Characters of a token: 128 bits, in an alphabet of 64."""

FASTEST = 1.5
"""Seconds of sound that a second may bring, in the long run."""

_OPTIONS = frozenset({"token-file", "certificate", "key", "origin"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where to listen and for what. `token_file`, `certificate` and `key` are paths; empty for none."""

    host: str
    port: int
    form: AudioFormat
    token_file: str = ""
    certificate: str = ""
    key: str = ""
    origins: frozenset[str] = frozenset()

    @property
    def local(self) -> bool:
        """Whether only this computer can connect."""
        return _is_local(self.host)

    @property
    def address(self) -> str:
        """`HOST:PORT`, as in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def knows_host(self, host: str) -> bool:
        """Whether a `Host` header has a name of this listener. Beyond this computer it is the certificate that does."""
        name = urlsplit(f"//{host}").hostname
        return not self.local or name == self.host or (name is not None and _is_local(name))

    def knows_origin(self, origin: str | None) -> bool:
        """Whether a page from there may connect; None is a program that is no browser.

        Without an `origin` option those are pages that this computer serves, and only while it listens to itself alone.
        """
        if origin is None or origin in self.origins:
            return True
        name = urlsplit(origin).hostname
        return not self.origins and self.local and name is not None and _is_local(name)


def listening(spec: SourceSpec) -> Listening:
    """Return what a source of the scheme `websocket` listens to.

    Raises:
        ConfigError: the address or an option is wrong, or it would listen beyond this computer without TLS.

    """
    where = f"source {str(spec)!r}"
    host, port = _address(spec.target, where)
    options = spec.options
    found = Listening(
        host=host,
        port=port,
        form=pcm_format(spec, besides=_OPTIONS),
        token_file=options.get("token-file", ""),
        certificate=options.get("certificate", ""),
        key=options.get("key", ""),
        origins=frozenset(filter(None, options.get("origin", "").split(","))),
    )
    if bool(found.certificate) != bool(found.key):
        raise ConfigError(f"{where}: certificate and key belong together; give both")
    if not found.local and not found.certificate:
        raise ConfigError(
            f"{where}: {host} can be reached from other computers, and sound would cross the network in the clear; "
            "give certificate=FILE&key=FILE, or listen to 127.0.0.1"
        )
    return found


def token_in(authorization: str | None, protocols: str | None) -> str:
    """Return the token that a client sent, or nothing.

    A program sends `Authorization: Bearer TOKEN`. A browser cannot; it offers a subprotocol `bearer.TOKEN`.

    >>> token_in("Bearer abc", None), token_in(None, "transcriber, bearer.abc"), token_in("Basic x", "soap")
    ('abc', 'abc', '')
    """
    kind, _, token = (authorization or "").partition(" ")
    if kind.lower() == "bearer":
        return token.strip()
    offered = (name.strip() for name in (protocols or "").split(","))
    return next((name.removeprefix("bearer.") for name in offered if name.startswith("bearer.")), "")


def check_token(token: str, where: str) -> str:
    """Return the token, without the white space around it, if it is long enough.

    Raises:
        ConfigError: it could be guessed.

    """
    token = token.strip()
    if len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable() or " " in token or "," in token:
        raise ConfigError(f"{where}: the token must have {LEAST_TOKEN} or more letters, digits, '-' or '_', at random")
    return token


def excess(frames: int, elapsed: float, form: AudioFormat, *, ahead: float) -> bool:
    """Whether so many frames in `elapsed` seconds are more than a live source has: `ahead` seconds at once are not."""
    return frames > (FASTEST * elapsed + ahead) * form.rate


def _address(target: str, where: str) -> tuple[str, int]:
    remedy = f"{where}: write websocket:HOST:PORT, for example websocket:127.0.0.1:8765"
    try:
        parts = urlsplit(f"//{target}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ConfigError(remedy) from None
    if not host or not port or parts.path or parts.username is not None:
        raise ConfigError(remedy)
    return host, port


def _is_local(host: str) -> bool:
    if host == LOCALHOST:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
