"""What a live view has still to settle: the open segment of each track, and the text that may change after it."""

from dataclasses import dataclass, field

from transcriber.events import Committed, Event, Partial, SegmentClosed
from transcriber.types import Position, TrackName


@dataclass(slots=True)
class Tail:
    """A track's text that is not in the scrollback yet: `committed` stands, `partial` may still change."""

    start: Position
    committed: str = ""
    partial: str = ""

    def __bool__(self) -> bool:
        return bool(self.committed.strip() or self.partial.strip())


@dataclass(slots=True)
class Tails:
    """The tails of the tracks, in the order in which the tracks were named."""

    _tails: dict[TrackName, Tail] = field(default_factory=dict[TrackName, Tail])

    def follow(self, event: Event) -> None:
        """Take in an event; those that change no tail are ignored."""
        match event:
            case Partial(track, start, text):
                tail = self._of(track, start)
                tail.partial = text
            case Committed(track, words) if words:
                tail = self._of(track, words[0].start)
                text = "".join(word.text for word in words)
                tail.committed += text
                # What the commit does not cover stays in view until the next partial, or the tail would blink.
                tail.partial = tail.partial[len(text) :] if tail.partial.startswith(text) else ""
            case SegmentClosed(segment):
                self._tails.pop(segment.track, None)
            case _:
                pass

    def open(self) -> list[tuple[TrackName, Tail]]:
        """Return the tails that have text."""
        return [(track, tail) for track, tail in self._tails.items() if tail]

    def _of(self, track: TrackName, start: Position) -> Tail:
        tail = self._tails.get(track)
        if not tail:
            tail = self._tails[track] = Tail(start)
        return tail
