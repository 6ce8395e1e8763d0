"""Two sessions in one loop: one ends with its file, the other after four seconds. Each has a folder of its own."""

import asyncio
from pathlib import Path

from transcriber import Segment, Transcriber, load_settings

SPEECH = Path(__file__).parent / "speech.flac"


async def follow(name: str, **wanted: object) -> str:
    """Return what was said in a session."""
    flags = {"session.name": name, "tracks": [{"name": name, "source": f"file:{SPEECH}"}]} | wanted
    async with Transcriber(load_settings(None, {}, flags)) as transcriber:
        if name == "live":
            asyncio.get_running_loop().call_later(4, transcriber.stop)
        return " ".join([result.text async for result in transcriber.results() if isinstance(result, Segment)])


async def main() -> None:
    """Run both, and print what each heard."""
    live, whole = await asyncio.gather(follow("live"), follow("whole", **{"capture.pace": "fast"}))
    print(f"live:  {live}\nwhole: {whole}")


if __name__ == "__main__":
    asyncio.run(main())
