"""The engine of a session: its process as a supervised child, and what becomes of those who wait for it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

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
from transcriber.supervision import ChildSpec, Restart

START_TIMEOUT = 15.0
"""Seconds for the process to answer: it loads onnxruntime first, which takes one on a machine that is not busy."""


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
    """Provides the client with processes. `error` says why there is no engine, once there will be none.

    `changed` is told each new state of the engine, and why.
    """

    settings: Engine
    client: EngineClient
    changed: Callable[[str, str], None]
    log: Log
    start_timeout: float = START_TIMEOUT
    state: states.Engine = states.Engine.STARTING
    model: str = ""
    report: EngineReport | None = None
    """What the engine of the moment loaded."""
    error: TranscriberError | None = None

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
            restart=Restart.PERMANENT,
            reports_ready=True,
            start_timeout=self.start_timeout,
            essential=False,
        )

    def given_up(self, error: Exception) -> None:
        """Tell all who wait that there will be no engine any more."""
        self._end(error if isinstance(error, TranscriberError) else EngineError(brief(error)))

    async def _locate(self) -> Path:
        try:
            found = await models.locate(self.settings.model, language_of(self.settings))
        except TranscriberError as error:
            # Another process would find no model either. This one stays, or the supervisor would start the next.
            self._end(error)
            await anyio.sleep_forever()
            raise
        self.model, self.report = found.name, None
        self._change(states.Engine.LOADING, f"{found.name} from {found.origin}")
        return found.path

    def _loaded(self, report: EngineReport) -> None:
        self.report = report
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

    def _end(self, error: TranscriberError) -> None:
        self.error = error
        self.client.fail(error)
        self._change(states.Engine.ABSENT, brief(error))

    def _change(self, state: states.Engine, reason: str) -> None:
        self.state = state
        self.changed(state, reason)


def make_supply(services: Services) -> EngineSupply:
    """Return what provides the client of a session with processes."""
    given = services.settings
    return EngineSupply(
        given.engine,
        services.client,
        partial(services.reporter.changed, "engine"),
        services.log,
        start_timeout=start_timeout(given.supervision),
    )
