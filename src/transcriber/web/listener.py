"""The socket that the page is served on. It imports no server, so that a run has it at once."""

import os
import socket

from transcriber.errors import ConfigError


def listen(port: int) -> socket.socket:
    """Return a socket that listens on the loopback; port 0 is any that is free.

    Raises:
        ConfigError: another program has the port.

    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # What Windows calls "reuse" lets another program take the port away; elsewhere it only forgets closed connections.
    option = socket.SO_EXCLUSIVEADDRUSE if os.name == "nt" else socket.SO_REUSEADDR
    listener.setsockopt(socket.SOL_SOCKET, option, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except OSError as error:
        listener.close()
        why = error.strerror or str(error)
        raise ConfigError(
            f"status.port: port {port} cannot be used: {why}; choose another --status-port, or --no-status"
        ) from error
    return listener
