"""The sound system of the platform: what can be recorded, and by which source."""

import sys
from importlib import import_module

from transcriber.core.device_choice import WITHOUT_DEVICE
from transcriber.core.diagnosis import Sound
from transcriber.errors import NoDeviceError
from transcriber.ports import Source
from transcriber.types import CaptureOptions, Device, SourceKind

_WITHOUT_LOOPBACK = (
    "macOS lets nobody record what it plays: install a virtual device such as BlackHole, let the computer play into it "
    f"as well, and record it with microphone:BlackHole; {WITHOUT_DEVICE}"
)


def list_devices() -> list[Device]:
    """Return what can be recorded, by kind, the default one first. Empty where there is no sound system."""
    return list(probe_sound().devices)


def probe_sound() -> Sound:
    """Return what the sound system is and has, or why there is none."""
    try:
        found = _found(sys.platform)
    except (NoDeviceError, ImportError, OSError) as error:  # OSError: the library of the sound system is not installed
        return Sound(system="", error=str(error))
    devices = sorted(found, key=lambda device: (device.kind, not device.default, device.name))
    return Sound(system=_name(sys.platform), devices=tuple(devices), cable=sys.platform == "win32")


def make_device(
    kind: SourceKind,
    target: str = "",
    options: CaptureOptions = CaptureOptions(),
    *,
    platform: str = sys.platform,
) -> Source:
    """Return the source that records a device of this kind on this platform. Nothing is opened yet.

    Raises:
        NoDeviceError: the platform has no such thing, or no sound system.

    """
    try:
        return _made(kind, target, options, platform)
    except (ImportError, OSError) as error:
        raise NoDeviceError(f"there is no sound system to record a {kind} ({error}); {WITHOUT_DEVICE}") from error


def _found(platform: str) -> list[Device]:
    match platform:
        case "win32":
            from transcriber.adapters import portaudio  # noqa: PLC0415 - each platform has its own libraries

            return portaudio.list_devices(import_module("pyaudiowpatch"))
        case "darwin":
            from transcriber.adapters import miniaudio_microphone  # noqa: PLC0415 - as above

            return miniaudio_microphone.list_microphones()
        case _:
            from transcriber.adapters import pulse  # noqa: PLC0415 - as above

            return pulse.list_devices()


def _name(platform: str) -> str:
    match platform:
        case "win32":
            return "WASAPI"
        case "darwin":
            return "Core Audio"
        case _:
            from transcriber.adapters.pulse_server import server_name  # noqa: PLC0415 - as above

            return server_name()


def _made(kind: SourceKind, target: str, options: CaptureOptions, platform: str) -> Source:
    match platform:
        case "win32":
            from transcriber.adapters.portaudio import PortAudioSource  # noqa: PLC0415 - as above

            return PortAudioSource(kind, target, options, portaudio=import_module("pyaudiowpatch"))
        case "darwin":
            if kind is SourceKind.LOOPBACK:
                raise NoDeviceError(_WITHOUT_LOOPBACK)
            from transcriber.adapters.miniaudio_microphone import MiniaudioMicrophone  # noqa: PLC0415 - as above

            return MiniaudioMicrophone(target, options)
        case _:
            from transcriber.adapters.pulse import PulseSource  # noqa: PLC0415 - as above

            return PulseSource(kind, target, options)
