"""Record what a computer plays and hears, transcribe it live, and never lose a word.

    from transcriber import Transcriber, load_settings

    async with Transcriber(load_settings(None, {}, {"engine.language": "en"})) as transcriber:
        async for result in transcriber.results():
            print(result)
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
