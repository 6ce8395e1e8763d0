"""What a supervisor did, in the past tense. Errors carry their traceback."""

from dataclasses import dataclass

from transcriber.supervision.errors import SupervisionFailed


@dataclass(frozen=True, slots=True)
class ChildStarted:
    """A life began; `life` counts them from 1. It is of fallback number `fallback`, or 0: of what was meant."""

    supervisor: str
    child: str
    life: int
    fallback: int = 0


@dataclass(frozen=True, slots=True)
class ChildReady:
    """A life said that it is ready, or runs where nothing is to be said."""

    supervisor: str
    child: str


@dataclass(frozen=True, slots=True)
class ChildFailed:
    """A life, or its start, ended by `error`. One of the events below says what follows."""

    supervisor: str
    child: str
    error: Exception


@dataclass(frozen=True, slots=True)
class ChildRestarting:
    """A new life begins in `delay` seconds; it is restart `attempt` of the `limit` in the window."""

    supervisor: str
    child: str
    attempt: int
    limit: int
    delay: float


@dataclass(frozen=True, slots=True)
class ChildFellBack:
    """The budget is spent: in `delay` seconds fallback number `fallback` (from 1) takes over, with a fresh one."""

    supervisor: str
    child: str
    fallback: int
    delay: float


@dataclass(frozen=True, slots=True)
class ChildRecalled:
    """Something better than the fallback in use works again, and takes over now: 0 is the child as it was meant."""

    supervisor: str
    child: str
    fallback: int


@dataclass(frozen=True, slots=True)
class ChildGivenUp:
    """A child that is not essential is failed for good, and the rest goes on without it."""

    supervisor: str
    child: str
    error: Exception


@dataclass(frozen=True, slots=True)
class ChildFinished:
    """A child returned, and is not restarted."""

    supervisor: str
    child: str


@dataclass(frozen=True, slots=True)
class ChildStopped:
    """A child was told to stop and did; `error` is what its clean-up raised."""

    supervisor: str
    child: str
    error: Exception | None


@dataclass(frozen=True, slots=True)
class ChildBecameZombie:
    """A child was cancelled and is still running after `stop_timeout` seconds. Nothing waits for it any longer."""

    supervisor: str
    child: str


@dataclass(frozen=True, slots=True)
class ZombieEnded:
    """A zombie ended after all."""

    supervisor: str
    child: str
    error: Exception | None


@dataclass(frozen=True, slots=True)
class SupervisorEscalated:
    """The supervisor gives up; it stops its children, then raises `failure`."""

    supervisor: str
    failure: SupervisionFailed


type SupervisionEvent = (
    ChildStarted
    | ChildReady
    | ChildFailed
    | ChildRestarting
    | ChildFellBack
    | ChildRecalled
    | ChildGivenUp
    | ChildFinished
    | ChildStopped
    | ChildBecameZombie
    | ZombieEnded
    | SupervisorEscalated
)
