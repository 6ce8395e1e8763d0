"""Original: keep what the source delivered, as it delivered it, beside the recording."""

from dataclasses import dataclass

import anyio

from transcriber.link import Link
from transcriber.ports import OriginalRecording
from transcriber.types import DeviceBlock, Gap


@dataclass(slots=True)
class Original:
    """Takes pieces as they come, and has them written every `flush_after` seconds: files are opened and synced then."""

    pieces: Link[DeviceBlock | Gap]
    recording: OriginalRecording
    flush_after: float

    async def run(self) -> None:
        """Keep them until they end."""
        ended = False
        with self.pieces.inbox() as inbox:
            while not ended:
                with anyio.move_on_after(self.flush_after):
                    async for piece in inbox:
                        if self.recording.take(piece):
                            break
                    else:
                        ended = True
                await self.recording.flush()
