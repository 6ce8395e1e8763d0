"""The board: how a run is at this moment, as the JSON that the page shows."""

import math
from collections.abc import Sequence

import anyio
import msgspec

from transcriber.app.reporting import brief
from transcriber.app.session import Session
from transcriber.core.snapshot import Snapshot
from transcriber.supervision import Tree


class Node(msgspec.Struct, frozen=True):
    """A child of the supervisor tree; `since` is in seconds before now."""

    name: str
    state: str
    since: float
    restarts: int
    fallback: int
    error: str
    children: Sequence["Node"]


class Raised(msgspec.Struct, frozen=True):
    """An alert that is on. What it says came as a `state` event."""

    name: str
    track: str | None


class Board(msgspec.Struct, frozen=True):
    """All of it."""

    session: str
    state: str
    engine: str
    model: str
    elapsed: float
    alerts: Sequence[Raised]
    tree: Sequence[Node]
    snapshot: Snapshot | None


def read(session: Session) -> Board:
    """Return the board as it is now."""
    states = {(status.component, status.track): status.state for status in session.services.reporter.states()}
    return Board(
        session=session.services.folder.id,
        state=states["session", None],
        engine=session.supply.state,
        model=session.supply.model,
        elapsed=session.elapsed,
        alerts=[Raised(alert.name, alert.track) for alert in session.gauges.alerts.values() if alert.raised],
        tree=_nodes(session.tree, anyio.current_time()),
        snapshot=session.gauges.latest,
    )


def levels(session: Session) -> bytes:
    """Return the level of each track in dBFS, in the order of the tracks, as JSON."""
    return msgspec.json.encode([round(track.level, 1) for track in session.tracks])


def encode(board: Board) -> bytes:
    """Return the board as JSON; what is infinite is null."""
    return msgspec.json.encode(board)


def _nodes(tree: Tree, now: float) -> Sequence[Node]:
    return [
        Node(
            name=child.name,
            state=child.state,
            since=max(0.0, now - child.since) if math.isfinite(child.since) else 0.0,
            restarts=child.restarts,
            fallback=child.fallback,
            error=brief(child.error) if child.error else "",
            children=_nodes(child.tree, now) if child.tree else (),
        )
        for child in tree.children
    ]
