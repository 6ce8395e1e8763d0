"""What the reader of a stream and its parent agree on, beside the header."""

import struct

URL_VARIABLE = "TRANSCRIBER_STREAM_URL"
"""The environment variable that has the URL: a command line can be read by everyone on the computer."""

PIECE = struct.Struct("<II")
"""Before a piece: the frames that were lost in front of it, and its bytes."""
