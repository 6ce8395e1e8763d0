"""Feed a track of a session on this or another computer: raw frames from the standard input, as they sound.

    transcriber run --source 'desk=websocket:127.0.0.1:8765?rate=48000&channels=2&token-file=token.txt'
    ffmpeg -re -i talk.mp4 -f s16le -ar 48000 -ac 2 - | python examples/feed.py ws://127.0.0.1:8765 token.txt 48000 2

It connects again when the connection is lost; what sounds in between is a gap in the recording, by name.
"""

import sys
import time
from pathlib import Path

from websockets import ConnectionClosed
from websockets.sync.client import connect

BLOCK = 0.04
"""Seconds in a message."""

AGAIN = 1.0
"""Seconds between two tries to connect."""


def main(url: str, token_file: str, rate: str = "48000", channels: str = "1") -> None:
    """Send what comes in until it ends."""
    frame = 2 * int(channels)
    size = int(BLOCK * int(rate)) * frame
    blocks = iter(lambda: sys.stdin.buffer.read(size), b"")
    headers = {"Authorization": f"Bearer {Path(token_file).read_text(encoding='utf-8').strip()}"}
    while True:
        try:
            with connect(url, additional_headers=headers, compression=None) as track:
                for pcm in blocks:
                    track.send(pcm[: len(pcm) // frame * frame])
        except (OSError, ConnectionClosed) as error:
            print(f"not connected to {url}: {error}; trying again", file=sys.stderr)
            time.sleep(AGAIN)
        else:
            return


if __name__ == "__main__":
    if len(sys.argv) < 3:  # noqa: PLR2004 - the two that have no default
        sys.exit(__doc__)
    main(*sys.argv[1:])
