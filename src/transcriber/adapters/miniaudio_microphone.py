"""Microphones where there is no PulseAudio: on macOS, through miniaudio alone."""

import anyio

from transcriber.adapters.frame_queue import FrameQueue
from transcriber.adapters.miniaudio_stream import CaptureDevice, MiniaudioStream, capture_devices
from transcriber.core.device_choice import choose
from transcriber.errors import DeviceLost, SourceError
from transcriber.types import AudioFormat, CaptureOptions, Device, Reading, SourceKind

COREAUDIO = "COREAUDIO"

SILENT = 4.0
"""Seconds without frames after which a microphone counts as lost."""


class MiniaudioMicrophone:
    """A `Source` that records a microphone at its own rate and channels.

    miniaudio does not tell that a device is gone: it gives nothing any more, which is how it is found out.
    """

    live = True

    def __init__(
        self,
        target: str = "",
        options: CaptureOptions = CaptureOptions(),
        *,
        backend: str = COREAUDIO,
    ) -> None:
        self._options = options
        self.label = f"microphone:{target}" if target else "microphone"
        self._target = target
        self._backend = backend
        self._running: tuple[MiniaudioStream, FrameQueue] | None = None

    async def open(self) -> AudioFormat:
        """Find the microphone and start recording it.

        Raises:
            NoDeviceError: there is no such microphone.
            DeviceLost: it cannot be opened.

        """
        await self.close()
        name, stream, queue = await anyio.to_thread.run_sync(self._start)
        self.label = f"microphone:{name}"
        self._running = stream, queue
        return queue.form

    async def read(self) -> Reading | None:
        """Return the next frames.

        Raises:
            DeviceLost: none have come for too long. A microphone has no silence: it hears something, or it is gone.

        """
        if self._running is None:
            raise SourceError(f"{self.label} is not open")
        _, queue = self._running
        while (reading := await queue.get()) is not None and not reading.pcm:
            if queue.silent > SILENT:
                raise DeviceLost(f"{self.label} is lost: nothing comes")
        return reading

    async def close(self) -> None:
        """Stop recording, and free the device. Idempotent."""
        running, self._running = self._running, None
        if running is not None:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(running[0].close)

    def _start(self) -> tuple[str, MiniaudioStream, FrameQueue]:
        found = capture_devices(self._backend)
        devices = [_device(capture) for capture in found]
        chosen = choose(devices, SourceKind.MICROPHONE, self._target)
        capture = found[devices.index(chosen)]
        queue = FrameQueue(capture.form)
        stream = MiniaudioStream(
            capture.identity, queue, self._options, backend=self._backend, application="Transcriber"
        )
        return chosen.name, stream, queue


def list_microphones(backend: str = COREAUDIO) -> list[Device]:
    """Return the microphones.

    Raises:
        NoDeviceError: the sound system does not answer.

    """
    return [_device(capture) for capture in capture_devices(backend)]


def _device(capture: CaptureDevice) -> Device:
    return Device(capture.name, SourceKind.MICROPHONE, capture.default, capture.form)
