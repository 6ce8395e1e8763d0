"""The states of a session and of its components: as JSON for programs, and as lines for people."""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from transcriber.cli.view import wording
from transcriber.core.component_states import Alert
from transcriber.core.session_states import ComponentState, SessionStates


class StateOverview(msgspec.Struct, frozen=True):
    """A component in `sessions show --json`; `restarts` are those of the last run."""

    component: str
    track: str | None
    state: str
    since: datetime
    reason: str
    restarts: int


class ChangeOverview(msgspec.Struct, frozen=True):
    """A change of state in `sessions show --json`; `seq` is the number of its event."""

    seq: int
    at: datetime
    component: str
    track: str | None
    before: str = msgspec.field(name="from")
    after: str = msgspec.field(name="to")
    reason: str


def overview(states: SessionStates) -> list[StateOverview]:
    """Return the state of the session, then of each component that something was told of."""
    return [
        StateOverview(one.component, one.track, one.state, one.since, one.reason, one.restarts)
        for one in (states.session, *states.components)
    ]


def history(states: SessionStates) -> list[ChangeOverview]:
    """Return the latest changes, oldest first."""
    return [
        ChangeOverview(
            stored.seq,
            stored.at,
            stored.change.component,
            stored.change.track,
            stored.change.before,
            stored.change.after,
            stored.change.reason,
        )
        for stored in states.history
    ]


def table(states: SessionStates) -> Iterator[str]:
    """Yield a line for the session, and for each component that something was told of; no alert that is over."""
    shown = [states.session, *(one for one in states.components if one.state != Alert.NORMAL)]
    names = [one.component + (f" ({one.track})" if one.track else "") for one in shown]
    widths = max(map(len, names)), max(len(one.state) for one in shown)
    yield "  states"
    for name, one in zip(names, shown, strict=True):
        line = f"    {name:{widths[0]}}  {one.state:{widths[1]}}  {moment(one.since)}  {_why(one)}"
        yield line.rstrip()


def changes(states: SessionStates) -> Iterator[str]:
    """Yield a line for each of the latest changes."""
    yield "  history"
    for stored in states.history:
        yield f"    {moment(stored.at)}  {wording.of_state(stored.change)}"


def moment(at: datetime) -> str:
    """Return a wall clock as people here read it, to the second."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def _why(one: ComponentState) -> str:
    restarts = [wording.count(one.restarts, "restart")] if one.restarts else []
    return "; ".join(filter(None, [one.reason, *restarts]))
