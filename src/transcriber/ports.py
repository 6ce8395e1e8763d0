"""What the actors need from the world, as narrow protocols. Adapters implement them; fakes ship beside the real ones.

Every method that waits is cancelled through anyio scopes only.
"""

from collections.abc import Sequence
from typing import Protocol

from transcriber.events import Event
from transcriber.types import (
    AudioFormat,
    Block,
    Coverage,
    DecodeRequest,
    DeviceBlock,
    Gap,
    Hypothesis,
    Position,
    Reading,
    TrackName,
)


class Source(Protocol):
    """A place that audio comes from: a device, a file, a pipe.

    It is opened, read until it returns None (the end of a file; a device has none) and closed. After an error, or
    after `close`, `open` may be called again: a device starts anew, a file goes on with the first frame not yet read.
    """

    @property
    def live(self) -> bool:
        """True if the source is bound to real time and goes on whether it is read or not (a device)."""
        ...

    @property
    def label(self) -> str:
        """What is being captured, for people: `loopback:speakers`."""
        ...

    async def open(self) -> AudioFormat:
        """Start delivering.

        Raises:
            NoDeviceError: there is no such device.
            SourceError: the file or stream is not audio.

        """
        ...

    async def read(self) -> Reading | None:
        """Return the next frames, or None at the end; a live source with nothing to give returns empty `pcm` in time.

        Raises:
            DeviceLost: the device is gone; `open` again.
            SourceError: what follows cannot be read.

        """
        ...

    async def close(self) -> None:
        """Stop delivering and free the device. Idempotent."""
        ...


class Resampler(Protocol):
    """Turns frames of one format into 16 kHz mono PCM16. Streaming and pure: its state is all it has."""

    def feed(self, pcm: bytes) -> bytes:
        """Return the samples that can be told from what was fed so far; some are held back for the filter."""
        ...

    def flush(self) -> bytes:
        """Return what was held back.

        After `n` frames in all, `feed` and `flush` together gave `round(n * 16000 / rate)` samples.
        """
        ...


class Vad(Protocol):
    """Tells speech from other sound."""

    async def probabilities(self, pcm: bytes, state: bytes) -> tuple[Sequence[float], bytes]:
        """Return a speech probability for each whole window of 512 samples, and the state to hand back next time.

        The state is opaque; `b""` starts anew. Nothing is kept between calls, so that a lost process loses nothing.
        `pcm` is PCM16, 16 kHz, mono; its length is a multiple of 1024 bytes. Raises as `Engine.decode` does.
        """
        ...


class Engine(Protocol):
    """Turns speech into words."""

    async def decode(self, request: DecodeRequest, *, urgency: int = 0) -> Hypothesis:
        """Return the words of at most 30 s of audio. Waits while the engine is being replaced.

        Of the requests that wait, the one with the lowest `urgency` is decoded first.

        Raises:
            RequestFailed: this request failed every engine it was given to.
            EngineError: there is no engine, and there will be none.

        """
        ...


class Recording(Protocol):
    """One track on disk: a sink that acknowledges what is durable, and the queue that late readers read back from."""

    @property
    def durable(self) -> Position:
        """Everything before this position is on disk and survives a power cut. It never goes back."""
        ...

    async def append(self, pieces: Sequence[Block | Gap]) -> Position:
        """Write and sync pieces in order of position, and return the new durable position.

        Samples before `durable` are ignored, so a piece may be given twice. A hole that no `Gap` names is refused.

        Raises:
            StorageError: the disk failed; what was not acknowledged is still to be written.

        """
        ...

    async def read(self, start: Position, end: Position) -> Sequence[Block | Gap]:
        """Return the audio and the gaps in `[start, end)`, in order and without holes; `end` is at most `durable`."""
        ...


class OriginalRecording(Protocol):
    """What a source delivered, kept in its own format as far as there is time and room for it. It never fails."""

    def take(self, piece: DeviceBlock | Gap) -> bool:
        """Hold a piece, which may be given twice, for the next `flush`; return whether that is due by what is held."""
        ...

    async def flush(self) -> None:
        """Make durable what was taken, or leave it out."""
        ...


class Transcript(Protocol):
    """Where text becomes part of the session, and is told to whoever listens."""

    async def publish(
        self, event: Event | None, *, coverage: Coverage | None = None, track: TrackName | None = None
    ) -> None:
        """Give the event its number, store it (a `Partial` is not stored), then hand it to the subscribers.

        `coverage` moves the cursor of `track` in the same transaction as the event: after a crash the two agree.
        Without an event only the cursor moves. A segment whose id, or a gap whose start, is stored already for its
        track is not news: it is told once.

        Raises:
            StorageError: it was told to nobody. It is not stored, unless the disk comes to it later.

        """
        ...
