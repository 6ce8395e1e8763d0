"""Which device a name means, and what to say when it means none."""

from collections.abc import Sequence

from transcriber.errors import NoDeviceError
from transcriber.types import Device, SourceKind

WITHOUT_DEVICE = "file:PATH or pcm:- need no device"


def choose(devices: Sequence[Device], kind: SourceKind, target: str = "") -> Device:
    """Return the device of `kind` that `target` names; empty: the default one.

    A name or a description that is equal counts before one that contains the target; case does not matter.

    Raises:
        NoDeviceError: there is none, or the target could mean several; the message lists what there is.

    """
    able = [device for device in devices if device.kind is kind]
    if not target:
        found = [device for device in able if device.default] or able
        if not found:
            raise NoDeviceError(f"there is no {kind}; {alternatives(devices)}")
        return found[0]
    wanted = target.casefold()
    names = [(device, (device.name.casefold(), device.description.casefold())) for device in able]
    found = [device for device, texts in names if wanted in texts]
    found = found or [device for device, texts in names if any(wanted in text for text in texts)]
    match found:
        case [device]:
            return device
        case []:
            raise NoDeviceError(f"there is no {kind} {target!r}; {alternatives(devices)}")
        case _:
            several = " and ".join(device.name for device in found)
            raise NoDeviceError(f"{kind} {target!r} could be {several}: write more of the name")


def alternatives(devices: Sequence[Device]) -> str:
    """Return what can be recorded instead, as the second half of a message."""
    found = ", ".join(f"{device.kind}:{device.name}" for device in devices)
    return f"found were {found}; {WITHOUT_DEVICE}" if found else f"found was no device at all; {WITHOUT_DEVICE}"
