"""A capture stream of miniaudio: its thread fills a queue."""

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import miniaudio as untyped  # pyright: ignore[reportMissingTypeStubs] - it ships none

from transcriber.adapters.frame_queue import FrameQueue
from transcriber.core.device_choice import WITHOUT_DEVICE
from transcriber.errors import DeviceLost, NoDeviceError
from transcriber.types import AudioFormat, CaptureOptions

miniaudio: Any = untyped

HELD = 2.0
"""Seconds that the sound system holds for a thread that comes late, at least. With miniaudio's own three blocks a busy
computer loses sound and is not told: measured 0.17 s of 11 at a load of 12 on two cores."""


class MiniaudioStream:
    """A stream of PCM16 from the device `identity`, running from the beginning: it delivers into `queue` until closed.

    `application` is the name under which the sound system shows it. That a device is gone does not show here: the
    stream falls silent. (miniaudio's stop callback tells nothing: it comes when a device is only suspended.)
    """

    def __init__(
        self, identity: object, queue: FrameQueue, options: CaptureOptions, *, backend: str, application: str
    ) -> None:
        filling = _fill(queue)
        next(filling)
        try:
            self._device = miniaudio.CaptureDevice(
                nchannels=queue.form.channels,
                sample_rate=queue.form.rate,
                buffersize_msec=round(1_000 * options.block),
                callback_periods=math.ceil(max(HELD, options.device_buffer) / options.block),
                device_id=identity,
                backends=[miniaudio.Backend[backend]],
                app_name=application,
            )
            self._device.start(filling)
        except miniaudio.MiniaudioError as error:
            raise DeviceLost(f"the device cannot be opened: {error}") from error

    def close(self) -> None:
        """Stop, and free the device. Once only."""
        self._device.close()
        # miniaudio forgets its connection to the server: 5 descriptors at every opening.
        miniaudio.lib.ma_context_uninit(self._device._context)  # noqa: SLF001 - there is no public way


@dataclass(frozen=True, slots=True)
class CaptureDevice:
    """A device that miniaudio can record: its name for people, the backend's own name, and its format as it runs."""

    name: str
    key: str
    form: AudioFormat
    identity: object
    default: bool


def capture_devices(backend: str) -> list[CaptureDevice]:
    """Return every device of a backend that can be recorded.

    Raises:
        NoDeviceError: the backend does not answer.

    """
    try:
        found = miniaudio.Devices([miniaudio.Backend[backend]]).get_captures()
    except miniaudio.MiniaudioError as error:
        raise NoDeviceError(f"there is no sound system ({backend} does not answer); {WITHOUT_DEVICE}") from error
    return [_capture_device(place, told) for place, told in enumerate(found)]


def _capture_device(place: int, told: dict[str, Any]) -> CaptureDevice:
    key = miniaudio.ffi.string(miniaudio.ffi.cast("char *", told["id"])).decode(errors="replace")
    native: dict[str, Any] = told["formats"][0] if told["formats"] else {}
    # A device may leave its format open; then 48 kHz is what sound cards run at.
    form = AudioFormat(native.get("samplerate") or 48_000, native.get("channels") or 1)
    return CaptureDevice(told["name"], key, form, told["id"], default=place == 0)


def _fill(queue: FrameQueue) -> Generator[None, bytes]:
    while True:
        queue.put(bytes((yield)))
