"""Supervision: start, watch and restart anything that has `async def run(self)`.

It depends on anyio alone, and can be embedded in any program: it logs nothing, and touches no signal. What it
guarantees is written down, and linked to the test that holds it, in `docs/semantics.md`.
"""

from transcriber.core.state_machine import IllegalTransition, Transition
from transcriber.supervision.errors import (
    ChildError,
    ChildHung,
    ChildInterrupted,
    ChildReturned,
    StartTimedOut,
    SupervisionFailed,
)
from transcriber.supervision.events import (
    ChildBecameZombie,
    ChildFailed,
    ChildFellBack,
    ChildFinished,
    ChildGivenUp,
    ChildReady,
    ChildRecalled,
    ChildRestarting,
    ChildStarted,
    ChildStopped,
    SupervisionEvent,
    SupervisorEscalated,
    ZombieEnded,
)
from transcriber.supervision.heartbeat import Heartbeat, LoopBlocked
from transcriber.supervision.lifecycle import Lifecycle, State
from transcriber.supervision.spec import (
    Actor,
    AutoShutdown,
    ChildSpec,
    Recall,
    ReportingActor,
    Restart,
    Strategy,
    Watch,
)
from transcriber.supervision.supervisor import Supervisor
from transcriber.supervision.tree import ChildStatus, Tree

__all__ = [
    "Actor",
    "AutoShutdown",
    "ChildBecameZombie",
    "ChildError",
    "ChildFailed",
    "ChildFellBack",
    "ChildFinished",
    "ChildGivenUp",
    "ChildHung",
    "ChildInterrupted",
    "ChildReady",
    "ChildRecalled",
    "ChildRestarting",
    "ChildReturned",
    "ChildSpec",
    "ChildStarted",
    "ChildStatus",
    "ChildStopped",
    "Heartbeat",
    "IllegalTransition",
    "Lifecycle",
    "LoopBlocked",
    "Recall",
    "ReportingActor",
    "Restart",
    "StartTimedOut",
    "State",
    "Strategy",
    "SupervisionEvent",
    "SupervisionFailed",
    "Supervisor",
    "SupervisorEscalated",
    "Transition",
    "Tree",
    "Watch",
    "ZombieEnded",
]
