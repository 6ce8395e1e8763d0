"""A transcript as one value, whether it comes from files or from a session, and the formats that it is written in."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import msgspec

from transcriber.core.cue_breaks import is_wide
from transcriber.core.ledger import Samples, share
from transcriber.core.lines import WordLine
from transcriber.core.stamps import gap_note
from transcriber.core.subtitles import Cue, cues, to_srt, to_vtt, with_gaps
from transcriber.core.tally import missing_by
from transcriber.core.wire import encode
from transcriber.events import Envelope, GapFound, SegmentClosed
from transcriber.types import RATE, Coverage, Gap, GapReason, Position, Segment, SegmentId, TrackName, seconds

JSON_VERSION = 1
"""`v` of the `json` format; it rises when a field changes its meaning or goes away."""

PARAGRAPH_PAUSE = 2 * RATE
"""Samples without speech that begin a new paragraph: about twice the wait between sentences of one thought."""

PARAGRAPH_LENGTH = 600
"""Characters after which the end of a segment ends the paragraph: about a hundred words."""


@dataclass(frozen=True, slots=True)
class DocumentTrack:
    """A track, and what became of its `captured` samples."""

    name: TrackName
    source: str
    captured: Position
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class Document:
    """Segments and gaps of all tracks as they were published, merged by time."""

    title: str
    started: datetime | None
    model: str
    tracks: tuple[DocumentTrack, ...]
    entries: tuple[Envelope, ...]

    @classmethod
    def of(
        cls,
        envelopes: Iterable[Envelope],
        *,
        title: str,
        tracks: Sequence[DocumentTrack],
        model: str,
        started: datetime | None = None,
    ) -> Self:
        """Make a document of an event stream, in any order: only segments and gaps of `tracks` enter it."""
        names = {track.name for track in tracks}
        found = [(place, envelope) for envelope in envelopes if (place := _place(envelope)) and place[1] in names]
        found.sort(key=lambda entry: entry[0])
        return cls(title, started, model, tuple(tracks), tuple(envelope for _, envelope in found))

    @property
    def segments(self) -> Sequence[Segment]:
        """The segments, by time."""
        return [entry.event.segment for entry in self.entries if isinstance(entry.event, SegmentClosed)]

    @property
    def gaps(self) -> Sequence[tuple[TrackName, Gap]]:
        """The gaps, by time."""
        return [(entry.event.track, entry.event.gap) for entry in self.entries if isinstance(entry.event, GapFound)]

    def missing_by(self, track: TrackName) -> dict[GapReason, int]:
        """Return the samples of a track's gaps, by reason."""
        return missing_by(gap for of, gap in self.gaps if of == track)


def to_txt(document: Document) -> str:
    """Return paragraphs with a blank line between; with several tracks, each begins with the name of its own."""
    paragraphs: list[str] = []
    last: Segment | None = None
    for entry in document.entries:
        match entry.event:
            case SegmentClosed(segment) if segment.text:
                if last is not None and _goes_on(paragraphs[-1], last, segment):
                    paragraphs[-1] = _continued(paragraphs[-1], segment.text)
                else:
                    paragraphs.append(f"{_label(document, segment.track)}{segment.text}")
                last = segment
            case GapFound(track, gap):
                paragraphs.append(f"{_label(document, track)}{gap_note(gap)}")
                last = None
            case _:
                pass
    return "\n\n".join(paragraphs) + "\n" if paragraphs else ""


def _goes_on(paragraph: str, last: Segment, segment: Segment) -> bool:
    return (
        segment.track == last.track and segment.start - last.end < PARAGRAPH_PAUSE and len(paragraph) < PARAGRAPH_LENGTH
    )


def _continued(paragraph: str, text: str) -> str:
    """Return the paragraph with more text; languages that are written without spaces get none."""
    return f"{paragraph}{'' if is_wide(paragraph[-1]) and is_wide(text[0]) else ' '}{text}"


def _label(document: Document, track: TrackName) -> str:
    return f"{track}: " if len(document.tracks) > 1 else ""


def _cues(document: Document, *, labelled: bool) -> list[Cue]:
    """Return the cues of all tracks by time. Those of one track never overlap; people may speak at the same time."""
    found: list[Cue] = []
    for track in document.tracks:
        label = _label(document, track.name) if labelled else ""
        spoken = cues((segment for segment in document.segments if segment.track == track.name), label)
        found += with_gaps(spoken, (gap for of, gap in document.gaps if of == track.name), track.name, label)
    return sorted(found, key=lambda cue: (cue.start, cue.end))


class JsonTrack(msgspec.Struct, frozen=True):
    """A track in the `json` format: seconds, the share of `captured` that is accounted for, and samples."""

    name: TrackName
    source: str
    captured: float
    covered: float
    transcribed: float
    silence: float
    missing: float
    coverage: float
    samples: Samples


class JsonSegment(msgspec.Struct, frozen=True):
    """A segment in the `json` format: the fields of a `segment` line that are about the text."""

    id: SegmentId
    track: TrackName
    start: float
    end: float
    text: str
    language: str
    words: tuple[WordLine, ...]


class JsonGap(msgspec.Struct, frozen=True):
    """A gap in the `json` format."""

    track: TrackName
    start: float
    end: float
    reason: GapReason


class JsonDocument(msgspec.Struct, frozen=True):
    """The `json` format."""

    v: int
    title: str
    started: datetime | None
    model: str
    tracks: list[JsonTrack]
    segments: list[JsonSegment]
    gaps: list[JsonGap]


def to_json(document: Document) -> str:
    """Return one JSON object, as `docs/events.md` describes it."""
    value = JsonDocument(
        JSON_VERSION,
        document.title,
        document.started,
        document.model,
        [_json_track(document, track) for track in document.tracks],
        [
            JsonSegment(
                one.id,
                one.track,
                seconds(one.start),
                seconds(one.end),
                one.text,
                one.language,
                WordLine.each(one.words),
            )
            for one in document.segments
        ],
        [JsonGap(track, seconds(gap.start), seconds(gap.end), gap.reason) for track, gap in document.gaps],
    )
    return msgspec.json.format(msgspec.json.encode(value)).decode() + "\n"


def _json_track(document: Document, track: DocumentTrack) -> JsonTrack:
    coverage = track.coverage
    return JsonTrack(
        track.name,
        track.source,
        seconds(track.captured),
        seconds(coverage.position),
        seconds(coverage.transcribed),
        seconds(coverage.silence),
        seconds(coverage.missing),
        share(coverage.position, track.captured),
        Samples(
            track.captured,
            coverage.position,
            coverage.transcribed,
            coverage.silence,
            coverage.missing,
            document.missing_by(track.name),
        ),
    )


def to_jsonl(document: Document) -> str:
    """Return the lines of segments and gaps as they stand in the event stream, by time."""
    return "".join(f"{encode(entry)}\n" for entry in document.entries)


FORMATS: dict[str, Callable[[Document], str]] = {
    "txt": to_txt,
    "srt": lambda document: to_srt(_cues(document, labelled=True)),
    "vtt": lambda document: to_vtt(_cues(document, labelled=False), voices=len(document.tracks) > 1),
    "json": to_json,
    "jsonl": to_jsonl,
}
"""Writers by the name of their format, which is also the end of the file's name."""


def _place(envelope: Envelope) -> tuple[Position, TrackName] | None:
    match envelope.event:
        case SegmentClosed(segment):
            return segment.start, segment.track
        case GapFound(track, gap):
            return gap.start, track
        case _:
            return None
