"""Reporting: what the supervisors and other parts tell becomes log lines and `state` events, if the tables allow it."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol, cast

import anyio

from transcriber.core import component_states as states
from transcriber.core.state_machine import IllegalTransition, StateMachine, Transition
from transcriber.errors import StorageError, TranscriberError
from transcriber.events import StateChanged
from transcriber.ports import Transcript
from transcriber.supervision import ChildError
from transcriber.supervision import events as supervised
from transcriber.types import TrackName

UNTOLD = 256
"""State changes that wait to be published, each by itself. In a storm of more, those of a component become one."""


class Log(Protocol):
    """A structlog logger, or anything like it: an event in snake case, and fields that never hold what was said."""

    def info(self, event: str, /, **fields: object) -> object:
        """Write a line about the normal course of things."""
        ...

    def warning(self, event: str, /, **fields: object) -> object:
        """Write a line about something that the program dealt with."""
        ...

    def error(self, event: str, /, **fields: object) -> object:
        """Write a line about something that someone should look at."""
        ...


class SilentLog:
    """The log of an embedded transcriber that was given none."""

    def info(self, event: str, /, **fields: object) -> None:
        """Do nothing."""

    warning = error = info


@dataclass(frozen=True, slots=True)
class SessionLog:
    """A log whose lines name the session that they are about."""

    log: Log
    session: str

    def info(self, event: str, /, **fields: object) -> None:
        """Write a line."""
        self.log.info(event, session=self.session, **fields)

    def warning(self, event: str, /, **fields: object) -> None:
        """Write a line."""
        self.log.warning(event, session=self.session, **fields)

    def error(self, event: str, /, **fields: object) -> None:
        """Write a line."""
        self.log.error(event, session=self.session, **fields)


@dataclass(frozen=True, slots=True)
class ComponentStatus:
    """A component as it is now, and how it got there. Times are the loop's own (`anyio.current_time`)."""

    component: str
    track: TrackName | None
    state: str
    since: float
    history: tuple[Transition[str], ...]
    """The latest attempts to change, oldest first; those that were refused too."""


class Reporter:
    """Takes reports without waiting, and publishes them in order from `run`.

    Each component is in one state of its table in `core.component_states`. A change that the table does not allow is
    refused: the state stays, nothing is published, and the log and the component's history have the attempt.
    """

    def __init__(self, log: Log, transcript: Transcript, now: Callable[[], float] = anyio.current_time) -> None:
        self._log = log
        self._transcript = transcript
        self._now = now
        self._untold: list[StateChanged] = []
        self._news = anyio.Event()
        self._machines: dict[tuple[str, TrackName | None], StateMachine[str]] = {
            (name, None): states.component(name, now()) for name in ("session", "engine")
        }
        self._fallback: dict[tuple[str, TrackName | None], int] = {}
        self._ended = False

    def states(self) -> tuple[ComponentStatus, ...]:
        """Return every component that was heard of, the session first: values that never change."""
        return tuple(
            ComponentStatus(component, track, machine.state, machine.since, machine.history)
            for (component, track), machine in self._machines.items()
        )

    def allows(self, component: str, after: str, *, track: TrackName | None = None) -> bool:
        """Whether a component may go to this state now."""
        return self._machine(component, track).allows(after)

    def found(self, session: str) -> None:
        """Take note of the state that a session on disk was left in; one that is not known counts as interrupted."""
        state = session if session in states.SESSION else states.Session.INTERRUPTED
        self._machines["session", None] = StateMachine(states.SESSION, state, self._now())

    def changed(self, component: str, after: str, reason: str, *, track: TrackName | None = None) -> None:
        """Report that a component is in another state than it was."""
        self._move(self._machine(component, track), StateChanged(component, "", after, reason, track))

    @contextmanager
    def moving(self, component: str, after: str, reason: str, *, track: TrackName | None = None) -> Generator[None]:
        """Report that a component is in another state once the block has brought it there.

        If the block raises, the change is rolled back: it is in the log and in the history, and was never told.

        Raises:
            IllegalTransition: the table does not allow it; the block does not begin.

        """
        machine = self._machine(component, track)
        change = StateChanged(component, machine.state, after, reason, track)
        try:
            with machine.moving(after, self._now, reason):
                yield
        except IllegalTransition:
            self._log.warning("transition_refused", **_fields(change))
            raise
        except BaseException as error:
            self._log.warning("transition_rolled_back", **_fields(replace(change, reason=brief(error))))
            raise
        self._tell(change)

    def tell(self, change: StateChanged) -> None:
        """Report that an alert was raised, or is over."""
        machine = self._machines.setdefault((change.component, change.track), states.alert(self._now()))
        self._move(machine, change)

    def supervised(
        self, event: supervised.SupervisionEvent, track: TrackName | None = None, choices: Sequence[str] = ()
    ) -> None:
        """Report what a supervisor did. A start and an end that go by plan are no news.

        `choices` are what a child with fallbacks may run with, in their order, in words.
        """
        log = self._log
        match event:
            case supervised.ChildStarted(child=child, fallback=fallback):
                self._fallback[child, track] = fallback
                self._follow(child, states.Actor.STARTING, track)
            case supervised.ChildReady(child=child):
                log.info("actor_ready", component=child, track=track)
                self._ready(child, track, choices)
            case supervised.ChildFailed(child=child, error=error):
                log.warning("actor_failed", component=child, track=track, exc_info=error)
                self.changed(child, states.Actor.FAILED, brief(error), track=track)
            case supervised.ChildRestarting(child=child, attempt=attempt, limit=limit):
                self.changed(child, states.Actor.RESTARTING, f"restart {attempt} of {limit}", track=track)
            case supervised.ChildFellBack(child=child, fallback=fallback):
                self._follow(child, states.Actor.FALLBACK, track, _naming("the restarts are spent", choices, fallback))
            case supervised.ChildRecalled(child=child, fallback=fallback):
                better = states.Actor.FALLBACK if fallback else states.Actor.RUNNING
                self._follow(child, better, track, _naming("it works again", choices, fallback))
            case supervised.ChildGivenUp(child=child, error=error):
                log.error("actor_given_up", component=child, track=track, exc_info=error)
                self.changed(child, states.Actor.GIVEN_UP, brief(error), track=track)
            case supervised.ChildFinished(child=child):
                self._follow(child, states.Actor.FINISHED, track)
            case supervised.ChildBecameZombie(child=child):
                log.error("actor_hangs", component=child, track=track)
            case supervised.ChildStopped(child=child, error=error):
                if isinstance(error, Exception):
                    log.warning("actor_clean_up_failed", component=child, track=track, exc_info=error)
                self._follow(child, states.Actor.STOPPED, track)
            case _:
                pass

    def _ready(self, child: str, track: TrackName | None, choices: Sequence[str]) -> None:
        # What stands in for what was meant stays known as that, until the child is recalled from it.
        if self._machine(child, track).state in {states.Actor.FALLBACK, states.Actor.WAITING}:
            return
        if fallback := self._fallback.get((child, track), 0):
            self._follow(child, states.Actor.FALLBACK, track, _naming("it stands in", choices, fallback))
        else:
            self._follow(child, states.Actor.RUNNING, track, "a new life is ready")

    def _follow(self, child: str, after: str, track: TrackName | None, reason: str = "") -> None:
        """Go on where the table allows it: what ended in trouble stays so until something lives again."""
        machine = self._machine(child, track)
        if not machine.allows(after):
            return
        if {machine.state, after} <= states.BY_PLAN:
            machine.move(after, self._now(), reason)
        else:
            self.changed(child, after, reason, track=track)

    def _machine(self, component: str, track: TrackName | None) -> StateMachine[str]:
        return self._machines.setdefault((component, track), states.component(component, self._now()))

    def _move(self, machine: StateMachine[str], change: StateChanged) -> None:
        change = replace(change, before=machine.state)
        try:
            machine.move(change.after, self._now(), change.reason)
        except IllegalTransition:
            self._log.warning("transition_refused", **_fields(change))
        else:
            self._tell(change)

    def _tell(self, change: StateChanged) -> None:
        log = self._log.warning if change.after == states.Alert.RAISED else self._log.info
        log("state_changed", **_fields(change))
        if self._ended:
            return
        self._untold.append(change)
        if len(self._untold) > UNTOLD:
            self._untold = _merged(self._untold)
        self._news.set()

    async def run(self) -> None:
        """Publish until `end` was called."""
        while self._untold or not self._ended:
            if self._untold:
                await self._publish(self._untold.pop(0))
            else:
                await self._news.wait()
                self._news = anyio.Event()

    async def _publish(self, change: StateChanged) -> None:
        try:
            await self._transcript.publish(change)
        except StorageError as error:
            self._log.error("state_not_stored", component=change.component, exc_info=error)

    def end(self) -> None:
        """Let `run` return once everything is told. What is reported later is only logged."""
        self._ended = True
        self._news.set()


def _merged(changes: Sequence[StateChanged]) -> list[StateChanged]:
    """Return one change for each component, from the state that was told last to the one that it is in now."""
    merged: dict[tuple[str, TrackName | None], StateChanged] = {}
    for change in changes:
        key = (change.component, change.track)
        earlier = merged.pop(key, change)
        merged[key] = replace(change, before=earlier.before)
    return [change for change in merged.values() if change.before != change.after]


def _naming(reason: str, choices: Sequence[str], number: int) -> str:
    return f"{reason}: {choices[number]}" if number < len(choices) else reason


def _fields(change: StateChanged) -> dict[str, object]:
    return {
        "component": change.component,
        "track": change.track,
        "before": change.before,
        "after": change.after,
        "reason": change.reason,
    }


def brief(error: BaseException) -> str:
    """Return an error in one line, as it may stand in a log; of a group, its first error.

    A message that neither Transcriber nor the system worded may quote what was being worked on: its type is all that
    is told.
    """
    if isinstance(error, BaseExceptionGroup):
        return brief(cast("BaseExceptionGroup[BaseException]", error).exceptions[0])
    worded = isinstance(error, TranscriberError | ChildError | OSError)
    return (worded and in_one_line(error)) or type(error).__name__


def in_one_line(error: BaseException) -> str:
    """Return the message of an error, whatever it holds, in one line."""
    return " ".join(str(error).split())


def cause(error: Exception) -> TranscriberError:
    """Return the first error with a remedy in a group, else one that names what failed."""
    leaves: list[Exception] = [error]
    for leaf in leaves:
        if isinstance(leaf, TranscriberError):
            return leaf
        if isinstance(leaf, ExceptionGroup):
            leaves.extend(cast("ExceptionGroup[Exception]", leaf).exceptions)
    first = next(leaf for leaf in leaves if not isinstance(leaf, ExceptionGroup))
    return TranscriberError(f"unexpected {type(first).__name__}: {in_one_line(first)}; the log says where")
