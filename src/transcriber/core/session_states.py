"""The states of a session and of its components, read from the events that were stored: there is no second truth."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Self

from transcriber.core.component_states import Actor, Session
from transcriber.core.wire import decode
from transcriber.events import Envelope, SessionStarted, StateChanged, track_of
from transcriber.types import TrackName

HISTORY: Final = 1_000
"""State changes of a session that are kept: with their reasons about 200 KB, and days of an ordinary one."""

_RESTARTS: Final = frozenset({Actor.RESTARTING, Actor.FALLBACK})


@dataclass(frozen=True, slots=True)
class ComponentState:
    """Where a component stands, since when and why; and how often it was started anew in the last run."""

    component: str
    track: TrackName | None
    state: str
    since: datetime
    reason: str
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class StoredChange:
    """A state change, and when it was."""

    seq: int
    at: datetime
    change: StateChanged


@dataclass(frozen=True, slots=True)
class SessionStates:
    """What was told of the session and of the components of its last run; `history` is of all runs, and bounded."""

    session: ComponentState
    components: tuple[ComponentState, ...]
    """Without the session, in the order in which something was first told of them."""
    history: tuple[StoredChange, ...]
    """The latest changes, oldest first."""
    last: datetime
    """When the last event was."""

    @classmethod
    def of(cls, envelopes: Iterable[Envelope], origins: Mapping[TrackName | None, datetime]) -> Self:
        """Read a stream of events; `origins` has the wall clock of each track's position 0, None the session's."""
        began = origins[None]
        last, session = began, ComponentState("session", None, Session.RECORDING, began, "")
        components: dict[tuple[str, TrackName | None], ComponentState] = {}
        history: deque[StoredChange] = deque(maxlen=HISTORY)
        for envelope in envelopes:
            last = origins.get(track_of(envelope.event), began) + timedelta(seconds=envelope.emitted)
            match envelope.event:
                case SessionStarted():
                    components.clear()
                case StateChanged("session") as change:
                    session = replace(session, state=change.after, since=last, reason=change.reason)
                    history.append(StoredChange(envelope.seq, last, change))
                case StateChanged() as change:
                    key = (change.component, change.track)
                    components[key] = _followed(components.get(key), change, last)
                    history.append(StoredChange(envelope.seq, last, change))
                case _:
                    pass
        return cls(session, tuple(components.values()), tuple(history), last)

    def as_left(self, *, written: bool, clean: bool) -> Self:
        """Return them with what the folder says: whether a process writes the session, and whether it is `clean`.

        The folder decides. A session that nobody writes, and that said nothing at its end, was interrupted.
        """
        session = self.session
        if written:
            return self
        if clean:
            return replace(self, session=replace(session, state=Session.COMPLETE))
        if session.state in {Session.INCOMPLETE, Session.INTERRUPTED}:
            return self
        reason = f"nobody writes it, and the last that it told is that it was {session.state}"
        return replace(self, session=replace(session, state=Session.INTERRUPTED, since=self.last, reason=reason))


def _followed(before: ComponentState | None, change: StateChanged, at: datetime) -> ComponentState:
    restarts = (before.restarts if before else 0) + (change.after in _RESTARTS)
    return ComponentState(change.component, change.track, change.after, at, change.reason, restarts)


def tells_states(line: str) -> bool:
    """Whether a stored line is one that `SessionStates.of` goes by: cheaper by far than to decode it."""
    return '"event":"state"' in line or '"event":"session"' in line


def told(lines: Iterable[str]) -> Iterator[Envelope]:
    """Yield what `SessionStates.of` goes by, and the last event; lines that cannot be read are passed over."""
    line = ""
    for line in lines:
        if tells_states(line):
            yield from _read(line)
    if not tells_states(line):
        yield from _read(line)


def _read(line: str) -> Iterator[Envelope]:
    with suppress(ValueError):
        yield decode(line)
