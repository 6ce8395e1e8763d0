"""The backlog: sessions that earlier runs left unfinished, brought to their end beside one that records."""

from dataclasses import dataclass

import anyio
import anyio.to_thread

from transcriber.actors.transcription import PARTIAL
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_index import SessionState, state_of, unfinished
from transcriber.adapters.session_folder_manifest import Manifest
from transcriber.app.reporting import Log, brief
from transcriber.app.resuming import Repaired, as_begun, reopened, repaired
from transcriber.app.session import Session, remedy
from transcriber.core.component_states import Backlog as State
from transcriber.errors import StorageError
from transcriber.settings import Settings
from transcriber.supervision import ChildSpec, Restart
from transcriber.types import seconds

URGENCY = PARTIAL + 1
"""Added to that of a decode of the backlog, so that all that is live goes first."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Repairs and finishes what is unfinished in the folder of `session`, one after the other, the oldest first.

    It uses the engine of `session` whenever that has nothing live to do, and ends with its captures: what is not
    finished by then is left for the next run, or for `resume`. What fails is told, and the next one goes on.
    """

    session: Session
    log: Log

    def children(self) -> tuple[ChildSpec, ...]:
        """Return it as a child of the session's tree; none where the settings leave the backlog alone."""
        once = ChildSpec(name="finishing", start=lambda: self, restart=Restart.TEMPORARY, essential=False)
        return () if self._settings.session.backlog == "leave" else (once,)

    async def run(self) -> None:
        """Finish what can be finished while something is captured."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._until_captured, tasks.cancel_scope)
            await self._finish_all()
            tasks.cancel_scope.cancel()

    @property
    def _settings(self) -> Settings:
        return self.session.services.settings

    async def _until_captured(self, scope: anyio.CancelScope) -> None:
        await self.session.services.captured.wait()
        scope.cancel()

    async def _finish_all(self) -> None:
        place = self._settings.session.place.absolute()
        try:
            found = await anyio.to_thread.run_sync(unfinished, place, abandon_on_cancel=True)
        except StorageError as error:
            self.log.warning("backlog_not_found", component="backlog", reason=brief(error))
            return
        for view in found:
            if state_of(view.path) is SessionState.UNFINISHED:  # nobody has taken it since
                await self._finish(view)

    async def _finish(self, view: SessionFolder) -> None:
        try:
            async with repaired(view.path) as found:
                repairs = f"repairs: {len(found.report.actions)}" if found.report.actions else "nothing to repair"
                self._tell(State.REPAIRED, view, f"{repairs}, {seconds(found.left):.0f} s still to transcribe")
                if self._settings.session.backlog == "finish":
                    await self._transcribe(view, found)
        except Exception as error:
            self.log.warning("session_not_finished", component="backlog", session=view.id, exc_info=error)
            self._tell(State.LEFT, view, brief(error))

    async def _transcribe(self, view: SessionFolder, found: Repaired) -> None:
        if obstacle := self._obstacle(view.manifest):
            self._tell(State.LEFT, view, f"{obstacle}; finish it with: {remedy(view)}")
            return
        settings = as_begun(self._settings, view.manifest)
        async with reopened(found, settings, self.log, self.session.supply, urgency=URGENCY) as session:
            await session.run()
        if (fault := session.fault()) is not None:
            self._tell(State.LEFT, view, str(fault))
        else:
            self._tell(State.FINISHED, view, "every sample is accounted for")

    def _obstacle(self, begun: Manifest) -> str | None:
        """Say why the engine cannot do for a session what its own would have done; None if it can."""
        if (error := self.session.supply.error) is not None:
            return brief(error)
        given, language = self._settings.engine, begun.language or "auto"
        # `auto` is a model that suits the language. Any other does what the session asks of it.
        if begun.model == given.model and (begun.model != "auto" or language == given.language):
            return None
        return (
            f"it was begun with model {begun.model}, language {language}, "
            f"and the engine runs for model {given.model}, language {given.language}"
        )

    def _tell(self, state: State, session: SessionFolder, what: str) -> None:
        self.session.services.reporter.changed("backlog", state, f"{session.id}: {what}")
