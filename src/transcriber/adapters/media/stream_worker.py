"""The process that reads a stream: `python -m transcriber.adapters.media.stream_worker`, the URL in its environment.

It opens whatever FFmpeg reads by URL, takes the first audio stream, and keeps its rate and channels. On its standard
output: one line of JSON, the `Header`; then pieces, each a `PIECE` and so many bytes of `s16le` frames. Standard error
and input are as those of the decoder of files (`transcriber.adapters.media`).
"""

import os
import sys
import threading
from collections.abc import Iterator
from typing import BinaryIO

import av
import msgspec
from av import time_base
from av.container import InputContainer
from av.error import EOFError as NoMorePackets
from av.error import FFmpegError, InvalidDataError

from transcriber.adapters.media.header import Header
from transcriber.adapters.media.pieces import PIECE, URL_VARIABLE
from transcriber.adapters.media.worker import die_with_the_parent
from transcriber.core.stream_url import BENEATH, PROTOCOLS
from transcriber.errors import SourceError

OPENING, READING = 4.5, 10.0
"""Seconds to wait for the other side: to begin with, and on the way."""

BLOCK = 0.1
"""Seconds in a piece."""

JUMP, LONGEST_JUMP = 0.15, 60.0
"""Seconds by which a stream's clock jumps when something of it is missing; containers round by less."""

OPTIONS = {
    # A stream, or a playlist in it, must not make this computer read its own files.
    "protocol_whitelist": ",".join((*PROTOCOLS, *BENEATH)),
    # Of what a stream holds a second tells enough; FFmpeg would take five.
    "analyzeduration": "1000000",
    # Over UDP packets get lost; a track would rather be late.
    "rtsp_transport": "tcp",
    # A playlist that cannot be read any more is the end. It is opened anew from outside, where that is counted.
    "max_reload": "3",
}


class StreamReading:
    """The frames of a stream's first audio stream, and how many its own clock says are missing before each piece."""

    def __init__(self, container: InputContainer) -> None:
        if not container.streams.audio:
            raise SourceError("it has no audio stream")
        self._container = container
        self._stream = container.streams.audio[0]
        duration = container.duration / time_base if container.duration else None
        self.header = Header(self._stream.rate, self._stream.channels, duration)
        self._layout = self._stream.layout.name
        self._resampler = self._new_resampler()
        self._next: float | None = None

    def pieces(self) -> Iterator[tuple[int, bytes]]:
        """Yield a count of frames that were lost, and whole frames that come after them."""
        size = int(BLOCK * self.header.rate) * self.header.form.frame_bytes
        gone, held = 0, b""
        for lost, pcm in self._frames():
            if held and (lost or len(held) >= size):
                yield gone, held
                gone, held = 0, b""
            gone, held = gone + lost, held + pcm
        if held:
            yield gone, held

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                frames = next(packets).decode()
            except StopIteration:
                return
            except (InvalidDataError, NoMorePackets):
                continue  # the stream's clock tells what is missing
            for frame in frames:
                lost = self._lost(frame)
                frame.pts = None
                for piece in self._converted(frame):
                    yield lost, bytes(piece.planes[0])[: piece.samples * self.header.form.frame_bytes]
                    lost = 0

    def _lost(self, frame: av.AudioFrame) -> int:
        """Return the frames by which the stream's clock jumped. A longer jump, or one back, is another clock."""
        if frame.time is None or not frame.sample_rate:
            return 0
        jump = 0.0 if self._next is None else frame.time - self._next
        self._next = frame.time + frame.samples / frame.sample_rate
        return round(jump * self.header.rate) if JUMP < jump < LONGEST_JUMP else 0

    def _converted(self, frame: av.AudioFrame) -> list[av.AudioFrame]:
        try:
            return self._resampler.resample(frame)
        except ValueError:  # the stream changed its format on the way
            self._resampler = self._new_resampler()
            return self._resampler.resample(frame)

    def _new_resampler(self) -> av.AudioResampler:
        # As announced, whatever the stream changes to.
        return av.AudioResampler(format="s16", layout=self._layout, rate=self.header.rate)


def main() -> int:
    """Read to the end, and return the exit status."""
    threading.Thread(target=die_with_the_parent, daemon=True).start()
    try:
        _read(os.environ[URL_VARIABLE], sys.stdout.buffer)
    except BrokenPipeError:
        os._exit(0)  # the parent wants no more, and flushing would fail again
    except FFmpegError as error:
        fault = error.strerror or type(error).__name__
    except SourceError as error:
        fault = str(error)
    else:
        return 0
    sys.stderr.write(fault + "\n")
    return 1


def _read(url: str, out: BinaryIO) -> None:
    with av.open(url, options=OPTIONS, timeout=(OPENING, READING)) as container:
        reading = StreamReading(container)
        out.write(msgspec.json.encode(reading.header) + b"\n")
        out.flush()
        for lost, pcm in reading.pieces():
            out.write(PIECE.pack(lost, len(pcm)) + pcm)
            out.flush()


if __name__ == "__main__":
    raise SystemExit(main())
