"""Sources whose samples are also written to a file, on their way to the disk: `tapped:AUDIO?to=FILE&live=1|0`.

With `live` it is a device that plays the WAV file AUDIO, else a media file. What is tapped is what storage is given:
all that must be in the recording afterwards; and each position that it said is safe.
"""

from collections.abc import Sequence
from pathlib import Path

import stuck_device
from recorded import TAPPED

from transcriber.adapters.guarded_recording import GuardedRecording
from transcriber.adapters.media.source import FileSource
from transcriber.core.source_spec import SourceSpec
from transcriber.ports import Source
from transcriber.types import Block, CaptureOptions, Gap, Position


def make(spec: SourceSpec, options: CaptureOptions) -> Source:
    """Return the source, and begin to tap."""
    tap(Path(spec.options["to"]))
    if spec.options["live"] == "1":
        return stuck_device.make(spec, options)
    return FileSource(Path(spec.target), options.pace)


def tap(path: Path) -> None:
    file = path.open("wb", buffering=0)
    real = GuardedRecording.append

    async def append(self: GuardedRecording, pieces: Sequence[Block | Gap]) -> Position:
        for piece in pieces:
            if isinstance(piece, Block):
                file.write(TAPPED.pack(b"A", piece.start, len(piece.pcm)) + piece.pcm)
            else:
                file.write(TAPPED.pack(b"G", piece.start, piece.end))
        position = await real(self, pieces)
        file.write(TAPPED.pack(b"K", position, 0))
        return position

    GuardedRecording.append = append
