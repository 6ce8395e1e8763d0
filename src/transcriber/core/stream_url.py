"""The URL of a `url:` source: what may be read by one, and what of it may be shown."""

import re

from transcriber.errors import ConfigError

PROTOCOLS = ("http", "https", "rtsp", "rtsps", "rtmp", "rtmps", "srt", "udp", "rtp")
"""What leads to a stream. FFmpeg has others, by which a URL would read files, pipes and devices of this computer."""

BENEATH = ("tcp", "tls", "udp", "rtp", "crypto", "httpproxy")
"""What those are made of; `crypto` deciphers HLS."""

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:[^/?#@]*@)?(?P<rest>[^?#\s]+)[^\s]*")


def check_url(url: str) -> str:
    """Return the URL if a stream may be read by it.

    Raises:
        ConfigError: it is none, or of a protocol that is not for streams.

    """
    found = _URL.fullmatch(url)
    if found is None or found["scheme"] not in PROTOCOLS or not url.isprintable():
        known = ", ".join(f"{name}://" for name in PROTOCOLS[:-1]) + f" or {PROTOCOLS[-1]}://"
        raise ConfigError(f"source 'url:{without_secrets(url)}': write a URL that begins with {known}")
    return url


def without_secrets(text: str) -> str:
    """Return a SOURCE, or any text, without what may be secret in a URL: a user, a password, what follows `?` or `#`.

    >>> without_secrets("cam=url:rtsp://me:secret@camera/live?key=1"), without_secrets("microphone:a@b?c")
    ('cam=url:rtsp://camera/live', 'microphone:a@b?c')
    """
    return _URL.sub(r"\g<scheme>://\g<rest>", text)
