"""The sources that Transcriber brings, as the entry points of `transcriber.sources` name them: one factory a scheme.

Each imports what it needs when it is called, so that a session on a file loads no sound system.
"""

from pathlib import Path

from transcriber.adapters.media.source import FileSource
from transcriber.core.listening import listening
from transcriber.core.source_spec import SourceSpec, pcm_format
from transcriber.ports import Source
from transcriber.types import CaptureOptions, SourceKind


def file(spec: SourceSpec, options: CaptureOptions) -> Source:
    """Return the source of a media file."""
    return FileSource(Path(spec.target).expanduser(), options.pace)


def pcm(spec: SourceSpec, options: CaptureOptions) -> Source:  # noqa: ARG001 - a pipe has the pace of its writer
    """Return the source of raw frames on the standard input."""
    from transcriber.adapters.stdin_pcm import StdinSource  # noqa: PLC0415 - loaded when used

    return StdinSource(pcm_format(spec))


def url(spec: SourceSpec, options: CaptureOptions) -> Source:  # noqa: ARG001 - a stream has its own pace
    """Return the source of a stream."""
    from transcriber.adapters.media.stream_source import StreamSource  # noqa: PLC0415 - as above

    return StreamSource(spec.target)


def websocket(spec: SourceSpec, options: CaptureOptions) -> Source:  # noqa: ARG001 - who feeds it has a choice
    """Return the source that whoever connects feeds."""
    from transcriber.adapters.websocket_source import WebSocketSource  # noqa: PLC0415 - as above
    from transcriber.adapters.websocket_token import find_token  # noqa: PLC0415 - as above

    where = listening(spec)
    return WebSocketSource(where, find_token(where))


def loopback(spec: SourceSpec, options: CaptureOptions) -> Source:
    """Return the source of what the computer plays."""
    from transcriber.adapters.devices import make_device  # noqa: PLC0415 - as above

    return make_device(SourceKind.LOOPBACK, spec.target, options)


def microphone(spec: SourceSpec, options: CaptureOptions) -> Source:
    """Return the source of what is said."""
    from transcriber.adapters.devices import make_device  # noqa: PLC0415 - as above

    return make_device(SourceKind.MICROPHONE, spec.target, options)
