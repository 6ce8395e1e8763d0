"""The transcript for a file or a pipe: what is said on stdout, what happens around it on stderr."""

from transcriber.cli.view import wording
from transcriber.cli.view.output import Output
from transcriber.core.stamps import clock
from transcriber.events import (
    Committed,
    Envelope,
    GapFound,
    Partial,
    SegmentClosed,
    SessionStarted,
    StateChanged,
    Summary,
)
from transcriber.types import samples


class PlainView:
    """Writes a line for each segment and gap, `[00:00:12] them: text`; partials are not shown.

    The session, changes of state and the summary go to `aside`, in brackets, so that a redirected stdout is the
    transcript and nothing else.
    """

    def __init__(self, output: Output, aside: Output) -> None:
        self._output = output
        self._aside = aside

    async def show(self, envelope: Envelope) -> None:
        """Write what the event says, if it is for people.

        Raises:
            OutputClosed: the reader has gone.

        """
        match envelope.event:
            case SegmentClosed(segment):
                if segment.text:
                    await self._output.write(wording.of_segment(segment))
            case GapFound(track, gap):
                await self._output.write(wording.of_gap(track, gap))
            case SessionStarted() as event:
                await self._aside.write(wording.of_session(event))
            case StateChanged() as event:
                at = clock(samples(envelope.emitted))
                await self._aside.write(f"[{at}] {wording.of_state(event)}")
            case Summary() as event:
                await self._aside.write(wording.of_summary(event))
            case Partial() | Committed():
                pass
