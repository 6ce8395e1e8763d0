"""Two sessions in one loop, each with a folder of its own: `python two_sessions.py`.

One hears a file at the pace of speech, for four seconds; the other all of it, as fast as the engine goes. If one
failed, the task group would cancel the other, and what that had captured would be on disk for `transcriber resume`.
"""

import asyncio
from pathlib import Path

from transcriber import Segment, Transcriber, load_settings

SPEECH = Path(__file__).parent / "speech.flac"


async def follow(name: str, pace: str, seconds: float | None = None) -> str:
    """Return what was said in a session."""
    tracks = [{"name": name, "source": f"file:{SPEECH}"}]
    settings = load_settings(None, {}, {"session.name": name, "tracks": tracks, "capture.pace": pace})
    async with Transcriber(settings, duration=seconds) as transcriber:
        return " ".join([result.text async for result in transcriber.results() if isinstance(result, Segment)])


async def main() -> None:
    """Run both, and print what each heard."""
    async with asyncio.TaskGroup() as tasks:
        live = tasks.create_task(follow("live", "realtime", 4.0))
        whole = tasks.create_task(follow("whole", "fast"))
    print(f"live:  {live.result()}\nwhole: {whole.result()}")


if __name__ == "__main__":
    asyncio.run(main())
