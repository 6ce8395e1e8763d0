"""What Windows alone tells and does, through ctypes: its default devices, and the priority of a recording thread."""

import ctypes
import sys
from contextlib import suppress
from typing import Any

from transcriber.types import SourceKind

_RENDER, _CAPTURE, _CONSOLE = 0, 1, 0
_CLSCTX_ALL = 23
# CLSID_MMDeviceEnumerator and IID_IMMDeviceEnumerator, and the places of methods in their tables: mmdeviceapi.h.
_ENUMERATOR_CLASS = "{BCDE0395-E52F-467C-8E3D-C4579291692E}"
_ENUMERATOR_INTERFACE = "{A95664D2-9614-4F35-A746-DE8DB63617E6}"
_RELEASE, _GET_DEFAULT_AUDIO_ENDPOINT, _GET_ID = 2, 4, 5


def default_endpoint(kind: SourceKind) -> str | None:
    """Return the id of the default device that plays (for a loopback) or records; None where that cannot be told.

    It takes 0.4 ms. The calling thread must have COM, as one has that initialised PortAudio.
    """
    if sys.platform != "win32":
        return None
    with suppress(OSError):
        enumerator = ctypes.c_void_p()
        ctypes.oledll.ole32.CoCreateInstance(
            _guid(_ENUMERATOR_CLASS), None, _CLSCTX_ALL, _guid(_ENUMERATOR_INTERFACE), ctypes.byref(enumerator)
        )
        try:
            return _default_id(enumerator, _RENDER if kind is SourceKind.LOOPBACK else _CAPTURE)
        finally:
            _release(enumerator)
    return None


def prioritise_this_thread() -> None:
    """Let Windows schedule the calling thread as it does professional audio (MMCSS); elsewhere nothing happens."""
    if sys.platform == "win32":
        with suppress(OSError):
            ctypes.WinDLL("avrt").AvSetMmThreadCharacteristicsW("Pro Audio", ctypes.byref(ctypes.c_ulong()))


if sys.platform == "win32":

    def _guid(text: str) -> ctypes.Array[ctypes.c_char]:
        guid = ctypes.create_string_buffer(16)
        ctypes.oledll.ole32.CLSIDFromString(text, guid)
        return guid

    def _method(interface: ctypes.c_void_p, place: int, result: Any, *types: Any) -> Any:  # noqa: ANN401 - ctypes
        table = ctypes.cast(interface, ctypes.POINTER(ctypes.POINTER(ctypes.c_void_p)))[0]
        return ctypes.WINFUNCTYPE(result, ctypes.c_void_p, *types)(table[place])

    def _release(interface: ctypes.c_void_p) -> None:
        _method(interface, _RELEASE, ctypes.c_ulong)(interface)

    def _default_id(enumerator: ctypes.c_void_p, flow: int) -> str | None:
        device, name = ctypes.c_void_p(), ctypes.c_wchar_p()
        pointer = ctypes.c_void_p
        get_default = _method(
            enumerator, _GET_DEFAULT_AUDIO_ENDPOINT, ctypes.HRESULT, ctypes.c_int, ctypes.c_int, pointer
        )
        get_default(enumerator, flow, _CONSOLE, ctypes.byref(device))
        try:
            _method(device, _GET_ID, ctypes.HRESULT, pointer)(device, ctypes.byref(name))
            return name.value
        finally:
            ctypes.windll.ole32.CoTaskMemFree(name)
            _release(device)
