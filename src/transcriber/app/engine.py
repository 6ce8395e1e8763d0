"""The engine of a session: its process as a supervised child, and what becomes of those who wait for it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
from anyio.abc import TaskStatus

from transcriber.adapters import models
from transcriber.adapters.engine.calls import Patience
from transcriber.adapters.engine.client import EngineClient
from transcriber.adapters.engine.life import Pulse
from transcriber.adapters.engine.process import EngineProcess, EngineReport, Hardware
from transcriber.app.reporting import Log, brief
from transcriber.app.services import Services
from transcriber.core import component_states as states
from transcriber.errors import EngineError, TranscriberError
from transcriber.settings import Engine, Supervision
from transcriber.supervision import (
    ChildFailed,
    ChildFellBack,
    ChildRecalled,
    ChildSpec,
    Recall,
    Restart,
    SupervisionEvent,
)

START_TIMEOUT = 15.0
"""Seconds for the process to answer: it loads onnxruntime first, which takes one on a machine that is not busy."""


RETRY = 60.0
"""Seconds after which an engine that failed too often, or a model that was not found, is tried again."""


def start_timeout(limits: Supervision) -> float:
    """Return the seconds that an engine may take to start: fewer than usual where the window allows no more.

    The supervisor refuses a window in which starts that time out would never escalate.
    """
    if limits.max_restarts == 0:
        return START_TIMEOUT
    return min(START_TIMEOUT, 0.99 * (limits.window / limits.max_restarts - limits.delay))


def make_client(settings: Engine) -> EngineClient:
    """Return the client that actors talk to, whatever becomes of the processes behind it."""
    return EngineClient(patience=Patience(base=settings.decode_deadline))


async def check_model(settings: Engine) -> None:
    """Refuse a model that cannot be meant, before anything is recorded. Never touches the network.

    Raises:
        ConfigError: there is no model of that name, no such folder, or it does not know the language.

    """
    if settings.model != "auto":
        await anyio.to_thread.run_sync(models.find, settings.model, language_of(settings))


def language_of(settings: Engine) -> str | None:
    """Return the language that was fixed, or None to detect it."""
    return None if settings.language == "auto" else settings.language


@dataclass(slots=True)
class EngineSupply:
    """Provides the client with processes. `error` says why there is no engine, as long as there is none.

    `changed` is told each new state of the engine, and why. Until `captured` is set, there is something to be recorded
    that can be transcribed later: so who waits for an engine waits on, and what failed too often is tried again.
    """

    settings: Engine
    client: EngineClient
    changed: Callable[[str, str], None]
    log: Log
    captured: anyio.Event
    start_timeout: float = START_TIMEOUT
    state: states.Engine = states.Engine.STARTING
    model: str = ""
    report: EngineReport | None = None
    """What the engine of the moment loaded."""
    error: TranscriberError | None = None
    _failure: TranscriberError = field(default_factory=lambda: EngineError("there is no engine"))

    def child(self) -> ChildSpec:
        """Return the engine process as a child: always one, and the recording goes on without it if need be."""
        settings = self.settings
        process = EngineProcess(
            self.client,
            self._locate,
            self._loaded,
            hardware=Hardware(device=settings.device, compute_type=settings.compute_type, threads=settings.threads),
            pulse=Pulse(interval=settings.ping_interval, deadline=settings.ping_deadline),
        )
        return ChildSpec(
            name="engine",
            start=lambda: process,
            fallbacks=(lambda: _Absence(self),),
            recall=Recall(probe=self._is_wanted, interval=RETRY, stopgap=True),
            restart=Restart.PERMANENT,
            reports_ready=True,
            start_timeout=self.start_timeout,
            essential=False,
        )

    def supervised(self, event: SupervisionEvent) -> None:
        """Take note of what its supervisor did with it."""
        match event:
            case ChildFailed(child="engine", error=error):
                # Told by who hears all supervisors, and no more than that: it may be back in a moment.
                self.state = states.Engine.FAILED
                self._failure = error if isinstance(error, TranscriberError) else EngineError(brief(error))
            case ChildFellBack(child="engine"):
                self._go_without(self._failure)
            case ChildRecalled(child="engine"):
                self._change(states.Engine.RESTARTING, "it is tried again")
            case _:
                pass

    async def unavailable(self) -> None:
        """Let who waits for the engine wait, until nothing more is captured: then tell them that there is none."""
        await self.captured.wait()
        self.client.fail(self._failure)
        await anyio.sleep_forever()

    def _go_without(self, error: TranscriberError) -> None:
        self.error = self._failure = error
        outlook = "" if self.captured.is_set() else f"; it is tried again in {RETRY:.0f} s"
        self._change(states.Engine.ABSENT, f"{brief(error)}{outlook}")

    async def _is_wanted(self, _: int) -> bool:
        return not self.captured.is_set()

    async def _locate(self) -> Path:
        while True:
            try:
                found = await models.locate(self.settings.model, language_of(self.settings))
            except TranscriberError as error:
                # Another process would find no model either. This one stays, or the supervisor would start the next.
                self._go_without(error)
                with anyio.move_on_after(RETRY):
                    await self.unavailable()
            else:
                break
        self.model, self.report = found.name, None
        self._change(states.Engine.LOADING, f"{found.name} from {found.origin}")
        return found.path

    def _loaded(self, report: EngineReport) -> None:
        self.report, self.error = report, None
        reason = f"{self.model} on {report.device}, {report.compute_type}, in {report.load_seconds:.1f} s"
        self._change(states.Engine.READY, f"{reason}; {report.fallback}" if report.fallback else reason)
        self.log.info(
            "model_loaded",
            component="engine",
            model=self.model,
            device=report.device,
            compute_type=report.compute_type,
            threads=report.threads,
            seconds=report.load_seconds,
            fallback=report.fallback,
        )

    def _change(self, state: states.Engine, reason: str) -> None:
        if state is not self.state:
            self.state = state
            self.changed(state, reason)


@dataclass(frozen=True, slots=True)
class _Absence:
    """Stands in for an engine that failed too often, until it is tried again."""

    supply: EngineSupply

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Do nothing, but for who waits when nothing more is captured."""
        task_status.started()
        await self.supply.unavailable()


def make_supply(services: Services) -> EngineSupply:
    """Return what provides the client of a session with processes."""
    given = services.settings
    return EngineSupply(
        given.engine,
        services.client,
        partial(services.reporter.changed, "engine"),
        services.log,
        services.captured,
        start_timeout=start_timeout(given.supervision),
    )
