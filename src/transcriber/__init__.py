"""Record what a computer plays and hears, transcribe it live, and never lose a word.

`Transcriber` is a session as an async context manager, `load_settings` gives it its settings; `examples/embed.py` shows
both at work. The command line is `transcriber.cli`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from transcriber.errors import (
    ConfigError,
    DeviceLost,
    EngineError,
    NoDeviceError,
    NoModelError,
    ObjectiveMissed,
    RequestFailed,
    SourceError,
    StorageError,
    TranscriberError,
)
from transcriber.types import Gap, GapReason, Position, Segment, Word

if TYPE_CHECKING:
    from transcriber.app.transcriber import Transcriber
    from transcriber.settings import Settings
    from transcriber.settings import load as load_settings

__all__ = [
    "ConfigError",
    "DeviceLost",
    "EngineError",
    "Gap",
    "GapReason",
    "NoDeviceError",
    "NoModelError",
    "ObjectiveMissed",
    "Position",
    "RequestFailed",
    "Segment",
    "Settings",
    "SourceError",
    "StorageError",
    "Transcriber",
    "TranscriberError",
    "Word",
    "load_settings",
]

_LAZY = {
    "Settings": ("transcriber.settings", "Settings"),
    "Transcriber": ("transcriber.app.transcriber", "Transcriber"),
    "load_settings": ("transcriber.settings", "load"),
}


def __getattr__(name: str) -> object:
    """Import what is heavy when it is asked for, so that `import transcriber` costs a host next to nothing."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _LAZY[name]
    return getattr(import_module(module), attribute)
