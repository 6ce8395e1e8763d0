"""A session in an asyncio program of your own: `python embed.py [SOURCE]`, by default what the computer plays."""

import asyncio
import sys

from transcriber import Gap, Segment, Transcriber, TranscriberError, load_settings


async def main(source: str) -> None:
    """Print each segment once it is closed; Ctrl-C cancels, and leaves the rest to `transcriber resume`."""
    settings = load_settings(None, {}, {"tracks": [{"name": "them", "source": source}]})
    async with Transcriber(settings) as transcriber:
        print(f"kept in {transcriber.folder}", file=sys.stderr)
        async for result in transcriber.results():
            match result:
                case Segment():
                    print(result.text)
                case Gap():
                    print(f"[{result.reason}: {result.end - result.start} samples are missing]")


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:] or ["loopback"]))
    except TranscriberError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted: `transcriber resume` transcribes what is left")
