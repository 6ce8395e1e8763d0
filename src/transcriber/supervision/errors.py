"""What a supervisor says when a child fails in a way that the child itself did not name."""

from collections.abc import Sequence
from typing import Self


class SupervisionFailed(ExceptionGroup[Exception]):
    """A supervisor gave up: one child failed more often than its budget allows, and had no fallback left.

    It groups that child's failures, oldest first. All other children were stopped, in order, before it was raised.
    """

    supervisor: str
    child: str

    @classmethod
    def of(cls, supervisor: str, child: str, how: str, failures: Sequence[Exception]) -> Self:
        """Name the supervisor, the child, and in the message what became of it."""
        group = cls(f"{supervisor}: {child} {how}", failures)
        group.supervisor, group.child = supervisor, child
        return group

    def derive(self, excs: Sequence[Exception], /) -> "SupervisionFailed":  # type: ignore[override] - narrower
        """Keep the type and the names where `except*` and `split` take a part."""
        group = SupervisionFailed(self.message, excs)
        group.supervisor, group.child = self.supervisor, self.child
        return group


class ChildError(Exception):
    """A failure that the supervisor saw from outside; the message names the child."""


class ChildReturned(ChildError):  # noqa: N818 - as DeviceLost
    """A permanent child returned."""


class ChildInterrupted(ChildError):  # noqa: N818 - as DeviceLost
    """A child ended by a cancellation that nobody asked for, as after awaiting an asyncio future that was cancelled."""


class StartTimedOut(ChildError):  # noqa: N818 - as DeviceLost
    """A child did not say that it is ready within its `start_timeout`."""


class ChildHung(ChildError):  # noqa: N818 - as DeviceLost
    """A child had work and made no progress for its `watch.timeout`."""
