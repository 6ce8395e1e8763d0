"""A sound device whose driver goes wrong once: the source `stuck:FILE.wav?fault=hang|raise&at=SECONDS`.

The file plays from the moment that the device is first opened, whether it is read or not, as a real device does. The
adapter is the one for PortAudio, thread and all; only what stands for `pyaudiowpatch` is made up.
"""

import threading
import time
import wave
from pathlib import Path
from typing import Any

from transcriber.adapters.portaudio import PortAudioSource
from transcriber.core.source_spec import SourceSpec
from transcriber.types import CaptureOptions, SourceKind


class Playing:
    """Stands for the module `pyaudiowpatch`, on a machine with one loopback."""

    paInt16, paWASAPI = 8, 13  # noqa: N815 - PortAudio's names

    def __init__(self, path: Path, fault: str, at: float) -> None:
        with wave.open(str(path)) as file:
            self.rate, self.channels = file.getframerate(), file.getnchannels()
            self.pcm = file.readframes(file.getnframes())
        self.frame_bytes = 2 * self.channels
        self.fault, self.at = fault, at
        self.began: float | None = None

    def PyAudio(self) -> "Playing":  # noqa: N802 - PyAudio's name
        return self

    def terminate(self) -> None: ...

    def get_host_api_info_by_type(self, _host_api: int) -> dict[str, Any]:
        return {"index": 0, "defaultInputDevice": None}

    def get_default_wasapi_loopback(self) -> dict[str, Any]:
        return self.get_device_info_by_index(0)

    def get_device_count(self) -> int:
        return 1

    def get_device_info_by_index(self, _index: int) -> dict[str, Any]:
        told = {"index": 0, "hostApi": 0, "name": "File [Loopback]", "isLoopbackDevice": True}
        return told | {"maxInputChannels": self.channels, "defaultSampleRate": float(self.rate)}

    def open(self, *, frames_per_buffer: int, **_: Any) -> "Stream":
        self.began = self.began or time.monotonic()
        return Stream(self, frames_per_buffer)

    def now(self) -> int:
        """Return which frame sounds."""
        return int((time.monotonic() - (self.began or 0.0)) * self.rate)

    def go_wrong(self) -> None:
        """Do what was asked for, once, when it is time."""
        if self.fault and self.now() >= self.at * self.rate:
            fault, self.fault = self.fault, ""
            if fault == "hang":
                threading.Event().wait()
            raise RuntimeError("the driver failed")


class Stream:
    """Frames from the moment of opening; those that nobody fetches are dropped without a word, as WASAPI does."""

    def __init__(self, playing: Playing, buffer: int) -> None:
        self.playing, self.buffer = playing, buffer
        self.next = playing.now()

    def get_read_available(self) -> int:
        self.playing.go_wrong()
        self.next = max(self.next, self.playing.now() - self.buffer)
        return self.playing.now() - self.next

    def read(self, frames: int, **_: Any) -> bytes:
        begin, size = self.next * self.playing.frame_bytes, frames * self.playing.frame_bytes
        self.next += frames
        return self.playing.pcm[begin : begin + size].ljust(size, b"\0")

    def close(self) -> None: ...


def make(spec: SourceSpec, options: CaptureOptions) -> PortAudioSource:
    """Return the source of `stuck:FILE.wav?fault=...&at=...`."""
    playing = Playing(Path(spec.target), spec.options.get("fault", ""), float(spec.options.get("at", "15")))
    return PortAudioSource(SourceKind.LOOPBACK, "", options, portaudio=playing)
