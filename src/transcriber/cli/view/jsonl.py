"""The event stream for programs: one JSON line an event, and nothing else."""

from transcriber.cli.view.output import Output
from transcriber.core.wire import encode
from transcriber.events import Envelope


class JsonlView:
    """Writes every event as `docs/events.md` says, flushed line by line."""

    def __init__(self, output: Output) -> None:
        self._output = output

    async def show(self, envelope: Envelope) -> None:
        """Write the line.

        Raises:
            OutputClosed: the reader has gone.

        """
        await self._output.write(encode(envelope))
