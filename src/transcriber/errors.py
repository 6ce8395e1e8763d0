"""Every error that Transcriber raises on purpose, with the exit code that `transcriber` ends with.

    TranscriberError                1
    ├── ConfigError                 2   a setting, flag or name is wrong
    ├── SourceError                 1   a file or stream cannot be read as audio
    │   ├── NoDeviceError           3   nothing can be captured
    │   └── DeviceLost              1   a device that worked is gone: reopen it, or fall back
    ├── EngineError                 1   the engine process failed
    │   ├── RequestFailed           1   every engine failed on this one request; others may succeed
    │   └── NoModelError            4   no Whisper model can be reached
    ├── StorageError                5   the session cannot be written or read
    └── ObjectiveMissed             6   `--require` was not met

A message is one line: what is wrong, and what to do about it.
"""

from typing import ClassVar


class TranscriberError(Exception):
    """What went wrong, and what to do about it, in one line."""

    exit_code: ClassVar[int] = 1


class ConfigError(TranscriberError):
    """A setting, a flag or a name is wrong; the message names the path of the key."""

    exit_code = 2


class SourceError(TranscriberError):
    """A file or stream cannot be read as audio."""


class NoDeviceError(SourceError):
    """Nothing can be captured; the message lists what can be used instead."""

    exit_code = 3


class DeviceLost(SourceError):  # noqa: N818 - it names what happened, as websockets' ConnectionClosed does
    """A device that worked is gone. Reopening may bring it back."""


class EngineError(TranscriberError):
    """The engine process failed, or refused a request."""


class RequestFailed(EngineError):  # noqa: N818 - as DeviceLost
    """Every engine that was given this request failed on it. There may be nothing wrong with the next request."""


class NoModelError(EngineError):
    """No Whisper model can be reached; the message names the ways out."""

    exit_code = 4


class StorageError(TranscriberError):
    """The session cannot be written or read."""

    exit_code = 5


class ObjectiveMissed(TranscriberError):  # noqa: N818 - as DeviceLost
    """The run ended well and an objective given by `--require` was not met."""

    exit_code = 6
