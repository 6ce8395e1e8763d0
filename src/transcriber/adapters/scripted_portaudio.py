"""A PortAudio that does what it is told: the part of pyaudiowpatch's API that `portaudio` uses, without a sound card.

Use an instance where the module is wanted. Its errors are those measured on WASAPI.
"""

import threading
from collections.abc import Iterator
from typing import Any

from transcriber.types import SAMPLE_BYTES

DEVICE_GONE = (-9999, "Unanticipated host error")
INVALID_DEVICE = (-9996, "Invalid device")
STREAM_CLOSED = (-9988, "Stream closed")


class ScriptedPortAudio:
    """Speakers with their loopback, and a microphone. Every stream records `sound` from its beginning."""

    paInt16 = 8  # noqa: N815 - PortAudio's name
    paWASAPI = 13  # noqa: N815 - PortAudio's name

    def __init__(self, sound: bytes = b"") -> None:
        self.devices = [
            _device(0, "Speakers (USB)", 0, outputs=2),
            _device(1, "Microphone (USB)", 1),
            _device(2, "Speakers (USB) [Loopback]", 2, loopback=True),
        ]
        self.plugged = True
        self.instances = 0
        self.buffer_frames = 0
        self.sound = sound
        self._answers = threading.Event()
        self._answers.set()

    def PyAudio(self) -> "_Instance":  # noqa: N802 - PyAudio's name
        """Initialise."""
        self.instances += 1
        return _Instance(self)

    def play(self, pcm: bytes) -> None:
        """Let whole frames sound."""
        self.sound += pcm

    def hang(self) -> None:
        """Let every question to a stream hang, as in a driver that is stuck, until `unhang`."""
        self._answers.clear()

    def unhang(self) -> None:
        """Answer again."""
        self._answers.set()

    def answer(self) -> None:
        """Wait as long as everything hangs."""
        self._answers.wait()

    def unplug(self) -> None:
        """Take the device away; setting `plugged` brings it back."""
        self.plugged = False


class _Instance:
    def __init__(self, module: ScriptedPortAudio) -> None:
        self._module = module

    def get_host_api_info_by_type(self, _host_api: int) -> dict[str, Any]:
        return {"index": 0, "defaultInputDevice": 1}

    def get_default_wasapi_loopback(self) -> dict[str, Any]:
        for told in self._loopbacks():
            return told
        raise LookupError

    def get_device_count(self) -> int:
        return len(self._module.devices)

    def get_device_info_by_index(self, index: int) -> dict[str, Any]:
        return self._module.devices[index]

    def open(self, *, rate: int, channels: int, input_device_index: int, frames_per_buffer: int, **_: Any) -> "_Stream":  # noqa: ANN401 - what PortAudio takes besides
        told = self._module.devices[input_device_index]
        if not self._module.plugged:
            raise OSError(*INVALID_DEVICE)
        if rate != told["defaultSampleRate"]:
            raise OSError(-9997, "Invalid sample rate")
        if channels != told["maxInputChannels"]:
            raise OSError(-9998, "Invalid number of channels")
        self._module.buffer_frames = frames_per_buffer
        return _Stream(self._module, channels * SAMPLE_BYTES)

    def terminate(self) -> None:
        self._module.instances -= 1

    def _loopbacks(self) -> Iterator[dict[str, Any]]:
        return (told for told in self._module.devices if told["isLoopbackDevice"])


class _Stream:
    """Fails as a stream of WASAPI does: with a negative answer first, and closed ever after."""

    def __init__(self, module: ScriptedPortAudio, frame_bytes: int) -> None:
        self._module = module
        self._frame_bytes = frame_bytes
        self._closed = False
        self._taken = 0

    def get_read_available(self) -> int:
        self._module.answer()
        if self._closed:
            raise OSError(*STREAM_CLOSED)
        if not self._module.plugged:
            self._closed = True
            return DEVICE_GONE[0]
        return (len(self._module.sound) - self._taken) // self._frame_bytes

    def read(self, frames: int, *, exception_on_overflow: bool) -> bytes:
        if exception_on_overflow:
            raise ValueError("WASAPI drops in silence: there is no overflow to raise")
        start, self._taken = self._taken, self._taken + frames * self._frame_bytes
        if self._taken > len(self._module.sound):
            raise RuntimeError("this read would never return")
        return self._module.sound[start : self._taken]

    def close(self) -> None:
        self._closed = True


def _device(index: int, name: str, inputs: int, *, outputs: int = 0, loopback: bool = False) -> dict[str, Any]:
    return {
        "index": index,
        "hostApi": 0,
        "name": name,
        "maxInputChannels": inputs,
        "maxOutputChannels": outputs,
        "defaultSampleRate": 48_000.0,
        "isLoopbackDevice": loopback,
    }
