"""Loopback and microphone on PulseAudio, and on PipeWire, which speaks its language."""

import itertools
import threading

import anyio

from transcriber.adapters.frame_queue import FrameQueue
from transcriber.adapters.miniaudio_stream import MiniaudioStream, capture_devices
from transcriber.adapters.pulse_server import ServerSource, Stream, Watch, WrongDevice, check, list_sources
from transcriber.core.device_choice import choose
from transcriber.errors import DeviceLost, SourceError
from transcriber.types import AudioFormat, CaptureOptions, Device, Reading, SourceKind

BACKEND = "PULSEAUDIO"

PATIENCE = 2.0
"""Seconds that `close` waits; a thread that waits for a server which hangs is left behind, to end with it."""

LATE = 0.1
"""Seconds without frames after which a running device is late: it delivers every 10-100 ms."""

_numbers = itertools.count(1)


class PulseSource:
    """A `Source` that records what a sink plays, or a microphone, at the device's own rate and channels.

    It is proven, before the first frame and then at every change, that the stream is on the device that was asked for:
    the sound system likes to put a microphone where a loopback was. Without a `target` it follows the default device:
    when that changes the source is lost, and opens on the new one.
    """

    live = True

    def __init__(
        self,
        kind: SourceKind,
        target: str = "",
        options: CaptureOptions = CaptureOptions(),
    ) -> None:
        self._kind = kind
        self._target = target
        self._options = options
        self._capture: _Capture | None = None
        self.label = f"{kind}:{target}" if target else str(kind)

    async def open(self) -> AudioFormat:
        """Find the device and start recording it.

        Raises:
            NoDeviceError: there is no such device, or no sound system.
            DeviceLost: it cannot be opened, or is lost at once.

        """
        await self.close()
        self._capture = capture = _Capture(self._kind, self._target, self._options)
        try:
            # A server that hangs must not hold up whoever cancels: the thread then cleans up behind itself.
            form = await anyio.to_thread.run_sync(capture.open, abandon_on_cancel=True)
        except BaseException:
            await self.close()
            raise
        self.label = capture.label
        return form

    async def read(self) -> Reading | None:
        """Return the next frames, or none if none come in time.

        Raises:
            DeviceLost: the device is gone, or is not what was asked for any more.

        """
        if self._capture is None:
            raise SourceError(f"{self.label} is not open")
        return await self._capture.read()

    async def close(self) -> None:
        """Stop recording, and free the device. Idempotent."""
        capture, self._capture = self._capture, None
        if capture is not None:
            with anyio.move_on_after(PATIENCE, shield=True):
                await anyio.to_thread.run_sync(capture.close, abandon_on_cancel=True)


class _Capture:
    """One opening of a device: the stream, the queue that it fills, and the watch over it."""

    def __init__(self, kind: SourceKind, target: str, options: CaptureOptions) -> None:
        self._kind = kind
        self._target = target
        self._options = options
        self._lock = threading.Lock()
        self._closed = False
        self._running: tuple[MiniaudioStream, Watch] | None = None
        self._queue: FrameQueue | None = None
        self.label = ""

    def open(self) -> AudioFormat:
        """Start; wait for the server as long as it takes."""
        found = _sources()
        chosen = choose([device for device, _, _ in found], self._kind, self._target)
        wanted, identity = next((source, handle) for device, source, handle in found if device is chosen)
        form = chosen.format
        self.label = f"{self._kind}:{chosen.name}"
        application = f"Transcriber {next(_numbers)}"
        queue = FrameQueue(form)
        stream = MiniaudioStream(identity, queue, self._options, backend=BACKEND, application=application)
        ours = Stream(application, wanted, follows=not self._target)
        watch = Watch(
            ours, lambda: queue.silent, lambda error: queue.end(error, discard=isinstance(error, WrongDevice))
        )
        try:
            check(ours)
            watch.start()
        except BaseException:
            stream.close()
            raise
        with self._lock:
            if not self._closed:
                self._queue, self._running = queue, (stream, watch)
                return form
        watch.close()
        stream.close()
        raise DeviceLost(f"{self.label} was closed while it opened")

    async def read(self) -> Reading | None:
        if self._queue is None or self._running is None:
            raise SourceError(f"{self.label} is not open")
        queue, (_, watch) = self._queue, self._running
        while True:
            if watch.hung:
                raise DeviceLost(f"{self.label} is lost: the sound system does not answer")
            reading = await queue.get()
            # Of a device that runs and gives nothing nobody knows whether there is silence.
            if reading is None or reading.pcm or queue.silent < LATE or not watch.runs:
                return reading

    def close(self) -> None:
        """Stop; if it is still opening, let that clean up when it comes to its end."""
        with self._lock:
            self._closed = True
            running, self._running = self._running, None
        if running is not None:
            stream, watch = running
            stream.close()
            watch.close()


def list_devices() -> list[Device]:
    """Return every monitor as a loopback, named as its sink, and every other source as a microphone.

    Raises:
        NoDeviceError: no server answers.

    """
    return [device for device, _, _ in _sources()]


def _sources() -> list[tuple[Device, ServerSource, object]]:
    """Return what the server calls a source with the handle by which miniaudio opens it."""
    # pulsectl's sample specs point into memory that is freed; miniaudio's can be relied on.
    able = {capture.key: capture for capture in capture_devices(BACKEND)}
    return [
        (
            Device(told.name, told.kind, told.default, able[told.source].form, told.description),
            told,
            able[told.source].identity,
        )
        for told in list_sources()
        if told.source in able
    ]
