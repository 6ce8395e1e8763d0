"""The sources that Transcriber brings, as the entry points of `transcriber.sources` name them: one factory a scheme.

Each imports what it needs when it is called, so that a session on a file loads no sound system.
"""

from pathlib import Path

from transcriber.adapters.media.source import FileSource, Pace
from transcriber.core.source_spec import SourceSpec
from transcriber.ports import Source


def file(spec: SourceSpec, pace: Pace) -> Source:
    """Return the source of a media file."""
    return FileSource(Path(spec.target).expanduser(), pace)
