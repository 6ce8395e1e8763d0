"""What a PulseAudio server, or PipeWire in its place, knows: its devices, and which of them a stream really records."""

import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pulsectl as untyped  # pyright: ignore[reportMissingTypeStubs] - it ships none

from transcriber.adapters.sleep import AwakeClock
from transcriber.core.device_choice import WITHOUT_DEVICE
from transcriber.errors import DeviceLost, NoDeviceError, SourceError
from transcriber.types import SourceKind

pulsectl: Any = untyped

LOOK = 0.2
"""Seconds between two looks at the stream where no event asks for one; `close` waits as long at most."""

HUNG = 4.0
"""Seconds without an answer after which the server counts as gone: its silence is not that of an idle device."""

SILENT = 4.0
"""Seconds without frames after which a running device counts as lost: an idle null sink renders 2 s at a time, and a
device that is suspended is not running."""

_NOT_A_MONITOR = 0xFFFFFFFF
_NO_ANSWER = "PulseAudio or PipeWire does not answer"


class WrongDevice(DeviceLost):
    """The stream records another device than was asked for. What it delivered must not be used."""


@dataclass(frozen=True, slots=True)
class ServerSource:
    """What the server can record: a sink's monitor, named and described as the sink, or a microphone.

    `source` and `index` are the server's own name and number of it.
    """

    kind: SourceKind
    name: str
    description: str
    default: bool
    source: str
    index: int


@dataclass(frozen=True, slots=True)
class Stream:
    """Our stream, told from others by its application name, and what it must record.

    `follows`: that must be the default device, so the stream is lost when another becomes the default.
    """

    application: str
    wanted: ServerSource
    follows: bool


def server_name() -> str:
    """Return what the server calls itself, and its version.

    Raises:
        NoDeviceError: no server answers.

    """
    with _connection(_nobody()) as pulse:
        server = pulse.server_info()
        return f"{server.server_name} {server.server_version}"


def list_sources() -> list[ServerSource]:
    """Return everything that the server can record.

    Raises:
        NoDeviceError: no server answers.

    """
    with _connection(_nobody()) as pulse:
        server = pulse.server_info()
        sinks = {sink.index: sink for sink in pulse.sink_list()}
        found: list[ServerSource] = []
        for source in pulse.source_list():
            if source.monitor_of_sink == _NOT_A_MONITOR:
                kind, named, default = SourceKind.MICROPHONE, source, server.default_source_name
            elif source.monitor_of_sink in sinks:
                kind, named, default = SourceKind.LOOPBACK, sinks[source.monitor_of_sink], server.default_sink_name
            else:
                continue  # its sink vanished between the two questions
            is_default = named.name == default
            found.append(ServerSource(kind, named.name, named.description, is_default, source.name, source.index))
        return found


def check(stream: Stream) -> None:
    """Prove that the stream records what it must.

    Raises:
        WrongDevice: the server moved it to another device.
        DeviceLost: the device, or the server, is gone, or another device is the default now.

    """
    with _connection(_unanswered(stream)) as pulse:
        _check(pulse, stream)


class Watch(threading.Thread):
    """Checks a stream whenever the server reports a change, and tells once why it is lost.

    `silent` says for how many seconds no frames have come: a thread of the sound system that hangs tells nothing else.

    Measured: when the sink behind a monitor vanishes, the server moves its clients to the default source, which is the
    microphone, without an error, and never back. It tells so 40 ms later.
    """

    def __init__(self, stream: Stream, silent: Callable[[], float], lost: Callable[[DeviceLost], None]) -> None:
        super().__init__(name="pulse-watch", daemon=True)
        self._stream = stream
        self._silent = silent
        self._lost = lost
        self._done = threading.Event()
        self._clock = AwakeClock()
        self._answered = self._clock.now()
        self.runs = True
        """Whether the device was running when the server was last asked: then it has frames to give."""

    @property
    def hung(self) -> bool:
        """Whether the server has not answered for too long."""
        return self._clock.now() - self._answered > HUNG

    def run(self) -> None:
        """Watch until the stream is lost, or `close`."""
        try:
            with _connection(_unanswered(self._stream)) as pulse:
                pulse.event_mask_set("source_output", "source", "server")
                pulse.event_callback_set(_return_at_once)
                while not self._done.is_set():
                    _check(pulse, self._stream)
                    self.runs = _runs(pulse, self._stream)
                    if self.runs and self._silent() > SILENT:
                        raise DeviceLost(f"{self._stream.wanted.name} is lost: it runs, and nothing comes")  # noqa: TRY301 - told below, as the others
                    self._answered = self._clock.now()
                    pulse.event_listen(timeout=LOOK)
        except DeviceLost as error:
            self._lost(error)
        except Exception as error:  # noqa: BLE001 - whatever it was, what is not watched cannot be trusted
            self._lost(DeviceLost(f"{self._stream.wanted.name} is lost: {error}"))

    def close(self) -> None:
        """Stop watching."""
        self._done.set()
        self.join()


@contextmanager
def _connection(unanswered: SourceError) -> Generator[Any]:
    """Ask the server; where it does not answer, that comes out as `unanswered`."""
    try:
        with pulsectl.Pulse("transcriber") as pulse:
            yield pulse
    except (pulsectl.PulseError, pulsectl.PulseDisconnected) as error:
        raise unanswered from error


def _nobody() -> NoDeviceError:
    return NoDeviceError(f"there is no sound system: {_NO_ANSWER}; {WITHOUT_DEVICE}")


def _unanswered(stream: Stream) -> DeviceLost:
    return DeviceLost(f"{stream.wanted.kind}:{stream.wanted.name} is lost: {_NO_ANSWER}")


def _check(pulse: Any, stream: Stream) -> None:  # noqa: ANN401 - pulsectl has no types
    name = f"{stream.wanted.kind}:{stream.wanted.name}"
    ours = [output for output in pulse.source_output_list() if _is_ours(output, stream)]
    if not ours:
        raise DeviceLost(f"{name} is gone")
    if ours[0].source != stream.wanted.index:
        raise WrongDevice(f"{name} is gone, and the sound system put another device in its place")
    if stream.follows:
        server = pulse.server_info()
        loopback = stream.wanted.kind is SourceKind.LOOPBACK
        default = server.default_sink_name if loopback else server.default_source_name
        if default != stream.wanted.name:
            raise DeviceLost(f"{name} is not the default any more: {default} is")


def _runs(pulse: Any, stream: Stream) -> bool:  # noqa: ANN401 - as above
    return str(pulse.source_info(stream.wanted.index).state._value) == "running"  # noqa: SLF001 - how an enum of pulsectl is read


def _is_ours(output: Any, stream: Stream) -> bool:  # noqa: ANN401 - as above
    told = output.proplist
    return told.get("application.name") == stream.application and told.get("application.process.id") == str(os.getpid())


def _return_at_once(_event: object) -> None:
    raise pulsectl.PulseLoopStop
