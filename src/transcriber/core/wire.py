"""Events as JSON lines and back: the contract of `docs/events.md`.

Within a version, fields are only added, and a reader ignores those that it does not know.
"""

from typing import Final

import msgspec

from transcriber.core.lines import (
    AnyLine,
    CommitLine,
    GapLine,
    PartialLine,
    SegmentLine,
    SessionLine,
    StateLine,
    SummaryLine,
)
from transcriber.events import (
    Committed,
    Envelope,
    GapFound,
    Partial,
    SegmentClosed,
    SessionStarted,
    StateChanged,
)

VERSION: Final = 1
"""`v` of every line. It rises when a field changes its meaning or goes away."""


class _Head(msgspec.Struct):
    v: int
    event: str


_DECODERS: Final[dict[str, msgspec.json.Decoder[AnyLine]]] = {
    "session": msgspec.json.Decoder(SessionLine),
    "partial": msgspec.json.Decoder(PartialLine),
    "commit": msgspec.json.Decoder(CommitLine),
    "segment": msgspec.json.Decoder(SegmentLine),
    "gap": msgspec.json.Decoder(GapLine),
    "state": msgspec.json.Decoder(StateLine),
    "summary": msgspec.json.Decoder(SummaryLine),
}


def encode(envelope: Envelope) -> str:
    """Return the event as one JSON line, without the newline."""
    return msgspec.json.encode(to_line(envelope)).decode()


def decode(line: str | bytes) -> Envelope:
    """Return the event that `encode` wrote: times within a millisecond, sample counts exact.

    Raises:
        ValueError: the line is no event of this version; the message says which field is wrong.

    """
    head = msgspec.json.decode(line, type=_Head)
    if head.v != VERSION:
        raise ValueError(f"an event line of version {head.v}; this program reads version {VERSION}")
    decoder = _DECODERS.get(head.event)
    if decoder is None:
        raise ValueError(f"unknown event {head.event!r}")
    value = decoder.decode(line)
    return Envelope(value.seq, value.emitted, value.told())


def to_line(envelope: Envelope) -> AnyLine:  # noqa: PLR0911 - one for each member of the union
    """Return the event as the value that `encode` writes: its attributes are the fields of the line."""
    seq, emitted = envelope.seq, round(envelope.emitted, 3)
    match envelope.event:
        case SessionStarted() as event:
            return SessionLine.of(seq, emitted, event)
        case Partial() as event:
            return PartialLine.of(seq, emitted, event)
        case Committed() as event:
            return CommitLine.of(seq, emitted, event)
        case SegmentClosed() as event:
            return SegmentLine.of(seq, emitted, event)
        case GapFound() as event:
            return GapLine.of(seq, emitted, event)
        case StateChanged() as event:
            return StateLine.of(seq, emitted, event)
        case event:  # a Summary: an event that is new does not type-check here
            return SummaryLine.of(seq, emitted, event)
