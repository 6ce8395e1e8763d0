"""The branch of a track that keeps what its source delivers, as it delivers it."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

from transcriber.actors.original import Original
from transcriber.actors.resampling import Tee
from transcriber.adapters.original_writer import OriginalWriter
from transcriber.app.services import Services
from transcriber.core import component_states as states
from transcriber.link import Link
from transcriber.supervision import ChildSpec, Watch
from transcriber.types import DeviceBlock, Gap, TrackName

AHEAD = 64
"""Blocks that wait to be written, some seconds of sound; of a live source, what does not fit is left out."""

EVERY = sys.maxsize
"""Lives that may crash on a message before it is set aside: one that cannot be kept is a mistake to be told."""


@dataclass(frozen=True, slots=True)
class KeptOriginal:
    """The link, and what outlives the actor."""

    tee: Tee
    writer: OriginalWriter
    flush_after: float

    @property
    def pieces(self) -> Link[DeviceBlock | Gap]:
        """What waits to be written."""
        return self.tee.pieces

    def actor(self) -> Original:
        """Return a life of the actor."""
        return Original(self.pieces, self.writer, self.flush_after)

    def child(self, spec: Callable[..., ChildSpec], watch: Callable[[Link[DeviceBlock | Gap]], Watch]) -> ChildSpec:
        """Return it as a child of its track. The track can do without."""
        return spec(name="original", start=self.actor, essential=False, watch=watch(self.pieces))


def keep_original(track: TrackName, services: Services, *, waits: bool) -> KeptOriginal | None:
    """Return the branch, if the original is to be kept. A source that `waits` loses nothing of it to a slow disk."""
    if services.original_disk is None:
        return None
    storage, reporter = services.settings.storage, services.reporter

    def changed(state: states.Actor, reason: str) -> None:
        if reporter.allows("original", state, track=track):  # to its supervisor a new life runs, whatever the disk does
            reporter.changed("original", state, reason, track=track)

    writer = OriginalWriter(services.folder.original(track), services.original_disk, storage.least_free, changed)
    pieces = Link[DeviceBlock | Gap](f"{track}.original", AHEAD, attempts=EVERY)
    return KeptOriginal(Tee(pieces, waits), writer, storage.flush_interval)
