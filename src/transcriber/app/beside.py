"""What runs beside the tracks of a session for as long as it lives: the heartbeat, monitoring, the engine."""

from functools import partial

from transcriber.actors.monitoring import Gauges, Monitoring
from transcriber.app.engine import EngineSupply
from transcriber.app.measuring import Measuring
from transcriber.app.notifying import Notifying
from transcriber.app.reporting import Log
from transcriber.app.services import Services
from transcriber.core.alert_rules import Limits
from transcriber.events import StateChanged
from transcriber.settings import Monitoring as MonitoringSettings
from transcriber.supervision import ChildSpec, Heartbeat, LoopBlocked, Restart


def beside(
    services: Services, supply: EngineSupply, measuring: Measuring, gauges: Gauges, notifying: Notifying
) -> tuple[ChildSpec, ...]:
    """Return the children; the recording goes on without each of them if need be."""
    always = partial(ChildSpec, restart=Restart.PERMANENT, essential=False)
    blocked = partial(_loop_blocked, services.log)

    def tell(change: StateChanged) -> None:
        services.reporter.tell(change)
        notifying.tell(change)

    def monitoring() -> Monitoring:
        given = services.settings.monitoring
        return Monitoring(
            measure=measuring.snapshot, tell=tell, gauges=gauges, limits=_limits(given), interval=given.interval
        )

    return (
        # Before the engine, which takes its time to be ready.
        always(name="heartbeat", start=partial(Heartbeat, blocked, on_beat=measuring.beat)),
        always(name="monitoring", start=monitoring),
        *notifying.children(),
        supply.child(),
    )


def _limits(given: MonitoringSettings) -> Limits:
    return Limits(
        memory=given.memory_threshold,
        engine_memory=given.engine_memory_threshold,
        cpu=given.cpu_threshold,
        temperature=given.temperature_threshold,
        buffer=given.buffer_threshold,
        lag=given.lag_threshold,
        write=given.write_threshold,
        space=given.space_threshold,
        lost=given.lost_threshold,
        restarts=given.restart_threshold,
        sustain=given.sustain,
    )


def _loop_blocked(log: Log, blocked: LoopBlocked) -> None:
    """Log what blocks the loop, from the watchdog's thread: the loop itself can tell nothing now."""
    log.warning(
        "loop_blocked",
        component="heartbeat",
        seconds=round(blocked.seconds, 3),
        line=blocked.line,
        stack=blocked.calls,
    )
