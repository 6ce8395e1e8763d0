"""Reporting: what the supervisors and other parts tell becomes log lines and `state` events."""

from typing import Protocol, cast

from transcriber.errors import StorageError, TranscriberError
from transcriber.events import StateChanged
from transcriber.link import Link
from transcriber.ports import Transcript
from transcriber.supervision import ChildError
from transcriber.supervision import events as supervised
from transcriber.types import TrackName

UNTOLD = 256
"""State changes that may wait to be published. More than that at once is a storm of which the log has the rest."""

STARTING = "starting"
"""State of a component before anything was told of it."""


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


class Reporter:
    """Takes reports without waiting, and publishes them in order from `run`."""

    def __init__(self, log: Log, transcript: Transcript) -> None:
        self._log = log
        self._transcript = transcript
        self._changes = Link[StateChanged]("reports", UNTOLD)
        self._states: dict[tuple[str, TrackName | None], str] = {
            ("session", None): "recording",
            ("engine", None): STARTING,
        }
        self._ended = False

    def changed(self, component: str, after: str, reason: str, *, track: TrackName | None = None) -> None:
        """Report that a component is in another state than it was."""
        before = self._states.get((component, track), STARTING)
        self._states[component, track] = after
        self.tell(StateChanged(component, before, after, reason, track))

    def tell(self, change: StateChanged) -> None:
        """Report a change, in the log and as an event."""
        self._log.info(
            "state_changed",
            component=change.component,
            track=change.track,
            before=change.before,
            after=change.after,
            reason=change.reason,
        )
        if not self._ended:
            self._changes.offer(change)

    def supervised(self, event: supervised.SupervisionEvent, track: TrackName | None = None) -> None:
        """Report what a supervisor did."""
        log = self._log
        match event:
            case supervised.ChildFailed(child=child, error=error):
                log.warning("actor_failed", component=child, track=track, exc_info=error)
                self.changed(child, "failed", brief(error), track=track)
            case supervised.ChildRestarting(child=child, attempt=attempt, limit=limit):
                self.changed(child, "restarting", f"restart {attempt} of {limit}", track=track)
            case supervised.ChildFellBack(child=child):
                self.changed(child, "fallback", "the restarts are spent", track=track)
            case supervised.ChildGivenUp(child=child, error=error):
                log.error("actor_given_up", component=child, track=track, exc_info=error)
                self.changed(child, "given up", brief(error), track=track)
            case supervised.ChildReady(child=child):
                log.info("actor_ready", component=child, track=track)
                if self._states.setdefault((child, track), "running") in {"restarting", "fallback"}:
                    self.changed(child, "running", "a new life is ready", track=track)
            case supervised.ChildBecameZombie(child=child):
                log.error("actor_hangs", component=child, track=track)
            case supervised.ChildStopped(child=child, error=Exception() as error):
                log.warning("actor_clean_up_failed", component=child, track=track, exc_info=error)
            case _:
                pass

    async def run(self) -> None:
        """Publish until `end` was called."""
        with self._changes.inbox() as inbox:
            async for change in inbox:
                try:
                    await self._transcript.publish(change)
                except StorageError as error:
                    self._log.error("state_not_stored", component=change.component, exc_info=error)

    def end(self) -> None:
        """Let `run` return once everything is told. What is reported later is only logged."""
        self._ended = True
        self._changes.end()


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
