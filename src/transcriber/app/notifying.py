"""Notifying: alerts are told to whom the settings name, one after the other, beside everything else."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from transcriber.adapters.alert_call import NotDelivered, post, run_command
from transcriber.app.reporting import Log
from transcriber.events import StateChanged
from transcriber.link import Link
from transcriber.settings import Monitoring as Settings
from transcriber.supervision import ChildSpec, Restart

WAITING = 32
"""Alerts that may wait to be told: more at once is a storm, of which the log has the rest."""


class Notice(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is told of an alert."""

    v: int
    session: str
    at: datetime
    alert: str
    state: str
    reason: str
    track: str | None = None


@dataclass(slots=True)
class Notifying:
    """Tells the command and the webhook of a session's settings. One that fails is logged, and not told again."""

    settings: Settings
    session: str
    log: Log
    _notices: Link[bytes] = field(default_factory=lambda: Link[bytes]("notices", WAITING))

    @property
    def wanted(self) -> bool:
        """Whether anybody is to be told."""
        return bool(self.settings.alert_command or self.settings.alert_webhook)

    def children(self) -> tuple[ChildSpec, ...]:
        """Return the actor, if it is wanted."""
        spec = ChildSpec(name="notifying", start=lambda: self, restart=Restart.PERMANENT, essential=False)
        return (spec,) if self.wanted else ()

    def tell(self, change: StateChanged) -> None:
        """Take what was told of an alert; whether it was raised or is over, it is passed on. Never waits."""
        if not self.wanted or change.before == change.after:
            return
        now = datetime.now(UTC)
        notice = Notice(1, self.session, now, change.component, change.after, change.reason, change.track)
        self._notices.offer(msgspec.json.encode(notice))

    async def run(self) -> None:
        """Tell until cancelled."""
        with self._notices.inbox() as inbox:
            async for notice in inbox:
                try:
                    if self.settings.alert_command:
                        await run_command(self.settings.alert_command, notice)
                    if self.settings.alert_webhook:
                        await post(self.settings.alert_webhook, notice)
                except NotDelivered as error:
                    self.log.warning("alert_not_delivered", component="notifying", reason=str(error))
