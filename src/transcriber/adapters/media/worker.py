"""The decoding process: `python -m transcriber.adapters.media.worker PATH [--skip FRAMES]`.

It reads whatever FFmpeg reads, takes the first audio stream, and keeps its rate and channels.
"""

import argparse
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import av
import msgspec
from av.container import InputContainer
from av.error import EOFError as NoMorePackets
from av.error import FFmpegError, InvalidDataError

from transcriber.adapters.media.declared import declared_seconds
from transcriber.adapters.media.header import Header
from transcriber.errors import SourceError


class Decoding:
    """The frames of a file's first audio stream. What cannot be decoded is left out and remembered."""

    def __init__(self, container: InputContainer, path: Path) -> None:
        if not container.streams.audio:
            raise SourceError("it has no audio stream")
        self._container = container
        self._stream = container.streams.audio[0]
        self.header = Header(self._stream.rate, self._stream.channels, declared_seconds(container, path))
        self._resampler = self._new_resampler()
        self.frames = 0
        self._damage: list[float] = []

    def __iter__(self) -> Iterator[bytes]:
        """Yield whole frames, in order."""
        for frame in self._decoded():
            for piece in self._converted(frame):
                self.frames += piece.samples
                yield bytes(piece.planes[0])[: piece.samples * self.header.form.frame_bytes]

    @property
    def fault(self) -> str | None:
        """What is wrong with the file, after the last frame."""
        faults: list[str] = []
        if self._damage:
            faults.append(f"it is damaged after {self._damage[0]:.2f} s (unreadable packets: {len(self._damage)})")
        if not self.frames:
            faults.append("it has no sound")
        elif shortfall := self.header.shortfall(self.frames / self.header.rate):
            faults.append(shortfall)
        return "; ".join(faults) or None

    def _decoded(self) -> Iterator[av.AudioFrame | None]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
                frames = packet.decode()
            except StopIteration:
                break
            except (InvalidDataError, NoMorePackets):
                self._damage.append(self.frames / self.header.rate)
                continue
            yield from frames
        yield None

    def _converted(self, frame: av.AudioFrame | None) -> list[av.AudioFrame]:
        if frame is not None:
            frame.pts = None  # the frames are counted; a file's own clock may jump
        try:
            return self._resampler.resample(frame)
        except ValueError:  # the stream changed its format on the way
            self._resampler = self._new_resampler()
            return self._resampler.resample(frame)

    def _new_resampler(self) -> av.AudioResampler:
        return av.AudioResampler(format="s16", layout=self._stream.layout, rate=self._stream.rate)


def main(arguments: list[str] | None = None) -> int:
    """Decode, and return the exit status."""
    parser = argparse.ArgumentParser(prog="worker")
    parser.add_argument("path", type=Path)
    parser.add_argument("--skip", type=int, default=0, metavar="FRAMES")
    options = parser.parse_args(arguments)
    threading.Thread(target=die_with_the_parent, daemon=True).start()
    try:
        fault = _decode(options.path.resolve(), options.skip, sys.stdout.buffer)
    except BrokenPipeError:
        os._exit(0)  # the parent wants no more, and flushing would fail again
    except FFmpegError as error:
        fault = f"it cannot be read as audio: {error.strerror}"
    except SourceError as error:
        fault = str(error)
    if fault:
        sys.stderr.write(fault + "\n")
    return 1 if fault else 0


def _decode(path: Path, skip: int, out: BinaryIO) -> str | None:
    # Only files: a playlist must not make the decoder fetch from the network.
    with av.open(f"file:{path}", options={"protocol_whitelist": "file"}) as container:
        decoding = Decoding(container, path)
        out.write(msgspec.json.encode(decoding.header) + b"\n")
        out.flush()
        left = skip * decoding.header.form.frame_bytes
        for pcm in decoding:
            out.write(pcm[left:])
            left = max(0, left - len(pcm))
        out.flush()
        return decoding.fault


def die_with_the_parent() -> None:
    """Wait until the standard input closes, then end the process, whatever it is doing."""
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    raise SystemExit(main())
