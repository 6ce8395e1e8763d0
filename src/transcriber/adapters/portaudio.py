"""Loopback and microphone through PortAudio: pyaudiowpatch on Windows, and its parent PyAudio, whose API it extends.

What was learnt about WASAPI, and holds here: a read while nothing is played never returns, and ending it from another
thread crashes the process, so one thread owns the instance and the stream, asks before it reads, and alone closes them.
The list of devices is frozen at initialisation, so each opening makes a new instance. Frames that nobody fetches are
dropped without a word, so the device's buffer is large and the reads are small. Every OSError means that the stream is
gone, and so does a negative answer. A change of the default device shows nowhere, so it is asked for.
"""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any

import anyio

from transcriber.adapters.frame_queue import FrameQueue
from transcriber.adapters.sleep import AwakeClock
from transcriber.adapters.wasapi import default_endpoint, prioritise_this_thread
from transcriber.core.device_choice import WITHOUT_DEVICE, choose
from transcriber.errors import DeviceLost, NoDeviceError, SourceError
from transcriber.types import AudioFormat, CaptureOptions, Device, Reading, SourceKind

PAUSE = 0.02
"""Seconds between two questions whether a block is there. Measured: 1.9 % of a core, against 2.7 % at 4 ms."""

LOOKS = 50
"""Pauses between two looks at which device is the default: about a second."""

PATIENCE = 2.0
"""Seconds that `close` waits for the thread; one that hangs in a driver is left behind."""

LATE = 0.1
"""Seconds without a look of the thread after which an empty queue does not mean silence: it looks every `PAUSE`."""

HUNG = 3.0
"""Seconds without a look after which its device counts as lost."""

_LOOPBACK_MARK = " [Loopback]"

type PortAudio = Any
"""The module `pyaudiowpatch` or `pyaudio`, or a fake; it has no types."""


class PortAudioSource:
    """A `Source` that records a device at its own rate, all its channels.

    `portaudio` is the module to use. `default` tells which device of a kind is the system's default now, in whatever
    words, or None if that cannot be told; a source without a target is lost when the answer changes.
    """

    live = True

    def __init__(
        self,
        kind: SourceKind,
        target: str = "",
        options: CaptureOptions = CaptureOptions(),
        *,
        portaudio: PortAudio,
        default: Callable[[SourceKind], str | None] = default_endpoint,
    ) -> None:
        self.label = f"{kind}:{target}" if target else str(kind)
        self._make = lambda: _Recording(kind, target, options, portaudio=portaudio, default=default)
        self._recording: _Recording | None = None

    async def open(self) -> AudioFormat:
        """Find the device and start recording it.

        Raises:
            NoDeviceError: there is no such device.
            DeviceLost: it cannot be opened.

        """
        await self.close()
        self._recording = recording = self._make()
        recording.start()
        try:
            queue = await recording.opened()
        except BaseException:
            await self.close()
            raise
        self.label = recording.label
        return queue.form

    async def read(self) -> Reading | None:
        """Return the next frames, or none if none come in time.

        Raises:
            DeviceLost: the device is gone, or another is the default now.

        """
        if self._recording is None:
            raise SourceError(f"{self.label} is not open")
        return await self._recording.read()

    async def close(self) -> None:
        """Stop recording, and free the device. Idempotent."""
        recording, self._recording = self._recording, None
        if recording is not None:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(recording.close)


def list_devices(portaudio: PortAudio) -> list[Device]:
    """Return every device that can be recorded.

    Raises:
        NoDeviceError: PortAudio cannot be initialised.

    """
    with _instance(portaudio) as audio:
        return [device for device, _ in _devices(portaudio, audio)]


class _Recording(threading.Thread):
    """One opening of a device. The thread makes, reads and closes everything that PortAudio gives."""

    def __init__(
        self,
        kind: SourceKind,
        target: str,
        options: CaptureOptions,
        *,
        portaudio: PortAudio,
        default: Callable[[SourceKind], str | None],
    ) -> None:
        super().__init__(name="portaudio", daemon=True)
        self.label = f"{kind}:{target}"
        self._kind = kind
        self._target = target
        self._options = options
        self._portaudio = portaudio
        self._default = default
        self._stopped = threading.Event()
        self._outcome: FrameQueue | SourceError | None = None
        self._clock = AwakeClock()
        self._looked = self._clock.now()

    async def read(self) -> Reading | None:
        """Return what the queue has. While the thread hangs in its driver nobody knows whether there is silence."""
        queue = await self.opened()
        while True:
            reading = await queue.get()
            if reading is None or reading.pcm or self._unseen() < LATE:
                return reading
            if self._unseen() > HUNG:
                raise DeviceLost(f"{self.label} is lost: its driver does not answer")

    async def opened(self) -> FrameQueue:
        """Wait until the stream runs, and return the queue that it fills."""
        while self._outcome is None:  # noqa: ASYNC110 - a thread sets it
            await anyio.sleep(PAUSE)
        if isinstance(self._outcome, SourceError):
            raise self._outcome
        return self._outcome

    def close(self) -> None:
        """Let the thread end; one that hangs is not waited for."""
        self._stopped.set()
        self.join(PATIENCE if self._unseen() < LATE else 0.0)

    def _unseen(self) -> float:
        """Return the seconds since the thread looked for frames."""
        return self._clock.now() - self._looked

    def run(self) -> None:
        """Record until the device is lost, or `close`."""
        prioritise_this_thread()
        try:
            with _instance(self._portaudio) as audio:
                self._record(audio)
        except SourceError as error:
            self._fail(error)
        except OSError as error:
            self._fail(DeviceLost(f"{self.label} is gone: {error.args[-1] if error.args else error}"))
        except Exception as error:  # noqa: BLE001 - whatever it was, a thread that is over gives nothing more
            self._fail(DeviceLost(f"{self.label} is lost: {error!r}"))

    def _fail(self, error: SourceError) -> None:
        if isinstance(self._outcome, FrameQueue):
            self._outcome.end(error)
        else:
            self._outcome = error

    def _record(self, audio: PortAudio) -> None:
        found = _devices(self._portaudio, audio)
        chosen = choose([device for device, _ in found], self._kind, self._target)
        index = next(index for device, index in found if device is chosen)
        self.label = f"{self._kind}:{chosen.name}"
        default = self._default(self._kind)
        form = chosen.format
        stream = audio.open(
            rate=form.rate,
            channels=form.channels,
            format=self._portaudio.paInt16,
            input=True,
            input_device_index=index,
            frames_per_buffer=int(self._options.device_buffer * form.rate),
        )
        try:
            self._outcome = queue = FrameQueue(form)
            self._pump(stream, queue, default)
        finally:
            with suppress(OSError):
                stream.close()

    def _pump(self, stream: PortAudio, queue: FrameQueue, default: str | None) -> None:
        block = int(self._options.block * queue.form.rate)
        looks = 0
        while not self._stopped.is_set():
            self._looked = self._clock.now()
            available = stream.get_read_available()
            if available < 0:
                raise DeviceLost(f"{self.label} is gone: PortAudio's error {available}")
            if available >= block:
                queue.put(stream.read(block, exception_on_overflow=False))
                continue
            self._stopped.wait(PAUSE)
            looks += 1
            if looks % LOOKS == 0 and not self._target and self._default(self._kind) != default:
                raise DeviceLost(f"{self.label} is not the default any more")


@contextmanager
def _instance(portaudio: PortAudio) -> Generator[PortAudio]:
    try:
        audio = portaudio.PyAudio()
    except OSError as error:
        raise NoDeviceError(f"PortAudio finds no sound system: {error}; {WITHOUT_DEVICE}") from error
    try:
        yield audio
    finally:
        audio.terminate()


def _devices(portaudio: PortAudio, audio: PortAudio) -> list[tuple[Device, int]]:
    """Return the devices that can be recorded with their indices: of WASAPI where there is WASAPI, else of all APIs."""
    with suppress(OSError):
        wasapi = audio.get_host_api_info_by_type(portaudio.paWASAPI)
        loopback = None
        with suppress(OSError, LookupError):
            loopback = audio.get_default_wasapi_loopback()["index"]
        return _described(audio, {wasapi["defaultInputDevice"], loopback}, wasapi["index"])
    microphone = None
    with suppress(OSError):
        microphone = audio.get_default_input_device_info()["index"]
    return _described(audio, {microphone}, None)


def _described(audio: PortAudio, defaults: set[int | None], host_api: int | None) -> list[tuple[Device, int]]:
    found: list[tuple[Device, int]] = []
    for index in range(audio.get_device_count()):
        told: dict[str, Any] = audio.get_device_info_by_index(index)
        if told["maxInputChannels"] < 1 or host_api not in {None, told["hostApi"]}:
            continue
        kind = SourceKind.LOOPBACK if told.get("isLoopbackDevice") else SourceKind.MICROPHONE
        # WASAPI takes exactly the channels of its mix; ALSA's bridge to PulseAudio offers 32, made up of one or two.
        channels = told["maxInputChannels"] if host_api is not None else min(2, told["maxInputChannels"])
        form = AudioFormat(int(told["defaultSampleRate"]), channels)
        name = told["name"].removesuffix(_LOOPBACK_MARK)
        found.append((Device(name, kind, index in defaults, form), index))
    return found
