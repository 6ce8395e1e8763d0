"""Which device a name means."""

import pytest

from transcriber.core.device_choice import alternatives, choose
from transcriber.errors import NoDeviceError
from transcriber.types import AudioFormat, Device, SourceKind

FORM = AudioFormat(48_000, 2)


def device(name, kind=SourceKind.LOOPBACK, *, default=False, description=""):
    return Device(name, kind, default, FORM, description)


DEVICES = [
    device("hdmi", description="Television"),
    device("usb", default=True, description="USB Headset"),
    device("usb2", description="Second Headset"),
    device("webcam", SourceKind.MICROPHONE, description="Webcam of the Television"),
]


@pytest.mark.parametrize(
    ("target", "name"),
    [("", "usb"), ("usb", "usb"), ("USB2", "usb2"), ("television", "hdmi"), ("second", "usb2"), ("hdm", "hdmi")],
)
def test_an_equal_name_counts_before_a_part_of_one(target, name):
    assert choose(DEVICES, SourceKind.LOOPBACK, target).name == name


def test_without_a_default_it_is_the_first_of_its_kind():
    assert choose(DEVICES, SourceKind.MICROPHONE).name == "webcam"


def test_a_microphone_is_never_taken_for_a_loopback():
    with pytest.raises(NoDeviceError, match=r"no loopback 'webcam'; found were .*microphone:webcam.*file:PATH"):
        choose(DEVICES, SourceKind.LOOPBACK, "webcam")
    with pytest.raises(NoDeviceError, match="no loopback; found were microphone:webcam"):
        choose(DEVICES[-1:], SourceKind.LOOPBACK)


def test_a_name_that_could_mean_several_is_refused():
    with pytest.raises(NoDeviceError, match="could be usb and usb2"):
        choose(DEVICES, SourceKind.LOOPBACK, "headset")


def test_without_any_device_there_are_files_and_pipes():
    assert alternatives([]) == "found was no device at all; file:PATH or pcm:- need no device"
