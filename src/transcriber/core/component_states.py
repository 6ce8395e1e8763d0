"""The states of a session and of its components, and which may follow which: the words of `state` events.

The tables allow what can happen, and nothing else: what a component says beyond them is a mistake in the program.
"""

from enum import StrEnum
from typing import Final

from transcriber.core.state_machine import StateMachine, Table


class Session(StrEnum):
    """What becomes of a session."""

    RECORDING = "recording"
    FINISHING = "finishing"
    """Nothing is captured any more; what was captured is brought to its end."""
    COMPLETE = "complete"
    """Every captured sample is accounted for, and the folder says so."""
    INCOMPLETE = "incomplete"
    """It ended in order, and something is left to transcribe."""
    INTERRUPTED = "interrupted"
    """It was found unfinished, and nobody writes it: a crash, or an end at once."""
    RECOVERING = "recovering"
    """It was resumed: repaired where need be, and the rest of its recording is transcribed."""


class Engine(StrEnum):
    """What there is of an engine."""

    STARTING = "starting"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"
    RESTARTING = "restarting"
    ABSENT = "absent"
    """There is none; while something is recorded it is tried again, ever so often."""


class Actor(StrEnum):
    """How an actor is, or a part of the tree that is supervised like one."""

    STARTING = "starting"
    RUNNING = "running"
    FAILED = "failed"
    RESTARTING = "restarting"
    FALLBACK = "fallback"
    """What was meant has failed too often, and another takes its place."""
    WAITING = "waiting"
    """There is nothing to work with, as for a capture without any device, and it looks for it."""
    SUSPENDED = "suspended"
    """It can do nothing in this run, and leaves the rest to `resume`; or nothing until its disk works again."""
    GIVEN_UP = "given up"
    FINISHED = "finished"
    """Its input has ended."""
    STOPPED = "stopped"
    """By its supervisor, in order."""


class Disk(StrEnum):
    """Where a track is stored."""

    NORMAL = "normal"
    EMERGENCY = "emergency"
    """Its disk fails: it goes to the emergency file, and is as durable there."""
    LOST = "lost"
    """That fails too: what comes is a gap by name, and the transcription goes on from memory."""


class Backlog(StrEnum):
    """What became of the latest of the sessions that earlier runs left unfinished."""

    EMPTY = "empty"
    """None was found yet."""
    REPAIRED = "repaired"
    FINISHED = "finished"
    """Its transcript is complete."""
    LEFT = "left"
    """It is as it was found, or repaired, and `resume` may finish it."""


class Alert(StrEnum):
    """Whether a measurement is beyond its threshold."""

    NORMAL = "normal"
    RAISED = "alert"


SESSION: Final[Table[str]] = {
    Session.RECORDING: frozenset({Session.FINISHING, Session.INTERRUPTED}),
    Session.RECOVERING: frozenset({Session.FINISHING, Session.INTERRUPTED}),
    Session.FINISHING: frozenset({Session.COMPLETE, Session.INCOMPLETE, Session.INTERRUPTED}),
    Session.INTERRUPTED: frozenset({Session.RECOVERING}),
    Session.INCOMPLETE: frozenset({Session.RECOVERING}),
    Session.COMPLETE: frozenset({Session.RECOVERING}),  # a program may have it checked again
}

_ENGINE_FROM_START: Final = frozenset({Engine.LOADING, Engine.ABSENT, Engine.FAILED})
ENGINE: Final[Table[str]] = {
    Engine.STARTING: _ENGINE_FROM_START,
    Engine.LOADING: frozenset({Engine.READY, Engine.FAILED}),
    Engine.READY: frozenset({Engine.FAILED}),
    Engine.FAILED: frozenset({Engine.RESTARTING, Engine.ABSENT}),
    Engine.RESTARTING: _ENGINE_FROM_START,
    # Without a model its process still tells speech from other sound: that may fail, and the model may be found.
    Engine.ABSENT: frozenset({Engine.RESTARTING, Engine.FAILED, Engine.LOADING}),
}

_ALIVE: Final = frozenset({Actor.FAILED, Actor.FINISHED, Actor.WAITING, Actor.SUSPENDED})
# What had come to an end lives again when the whole of which it is a part is started anew.
_ANEW: Final = frozenset({Actor.RUNNING, Actor.FALLBACK, Actor.FAILED, Actor.WAITING})
ACTOR: Final[Table[str]] = {
    Actor.STARTING: _ALIVE | {Actor.RUNNING, Actor.FALLBACK, Actor.STOPPED},
    Actor.RUNNING: _ALIVE | {Actor.STOPPED},
    Actor.FAILED: _ANEW | {Actor.RESTARTING, Actor.GIVEN_UP},
    Actor.RESTARTING: _ALIVE | {Actor.RUNNING, Actor.FALLBACK},
    Actor.FALLBACK: _ALIVE | {Actor.RUNNING},
    Actor.WAITING: _ANEW - {Actor.WAITING} | {Actor.FINISHED},
    Actor.SUSPENDED: _ANEW,
    Actor.GIVEN_UP: _ANEW,
    Actor.FINISHED: frozenset({Actor.STARTING}),
    Actor.STOPPED: frozenset({Actor.STARTING}),
}
BY_PLAN: Final[frozenset[str]] = frozenset({Actor.STARTING, Actor.RUNNING, Actor.FINISHED, Actor.STOPPED})
"""States of an actor between which it goes without being news."""

DISK: Final[Table[str]] = {
    Disk.NORMAL: frozenset({Disk.EMERGENCY}),
    Disk.EMERGENCY: frozenset({Disk.NORMAL, Disk.LOST}),
    Disk.LOST: frozenset({Disk.NORMAL, Disk.EMERGENCY}),
}

_NEXT: Final = frozenset({Backlog.REPAIRED, Backlog.LEFT})
BACKLOG: Final[Table[str]] = {
    Backlog.EMPTY: _NEXT,
    Backlog.REPAIRED: _NEXT | {Backlog.FINISHED},
    Backlog.FINISHED: _NEXT,
    Backlog.LEFT: _NEXT,
}

ALERT: Final[Table[str]] = {
    Alert.NORMAL: frozenset({Alert.RAISED}),
    Alert.RAISED: frozenset({Alert.NORMAL, Alert.RAISED}),  # as long as it is on it may be told again
}


def component(name: str, at: float) -> StateMachine[str]:
    """Return the machine of a component at its beginning; what is not named here is an actor."""
    match name:
        case "session":
            return StateMachine(SESSION, Session.RECORDING, at)
        case "engine":
            return StateMachine(ENGINE, Engine.STARTING, at)
        case "disk":
            return StateMachine(DISK, Disk.NORMAL, at)
        case "backlog":
            return StateMachine(BACKLOG, Backlog.EMPTY, at)
        case _:
            return StateMachine(ACTOR, Actor.STARTING, at)


def alert(at: float) -> StateMachine[str]:
    """Return the machine of an alert at its beginning."""
    return StateMachine(ALERT, Alert.NORMAL, at)
