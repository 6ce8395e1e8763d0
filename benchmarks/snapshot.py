"""What measuring costs: the time of a snapshot of a live session, its judgement included, as a share of one core.

python benchmarks/snapshot.py [--tracks 2] [--count 1000]
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress

import anyio

from transcriber import Transcriber, TranscriberError
from transcriber.actors.monitoring import Monitoring
from transcriber.adapters.scripted_source import ScriptedSource
from transcriber.app import opening
from transcriber.settings import Engine, Session, Settings, Track


async def costs(tracks: int, count: int, folder: str) -> Sequence[float]:
    """Return the seconds that each measurement took."""
    settings = Settings(
        session=Session(folder=folder),
        tracks=tuple(Track(name=f"t{number}", source="loopback") for number in range(tracks)),
        engine=Engine(model="small"),
    )
    opening.make_source = lambda *_: ScriptedSource([bytes(2 * 16_000 * 600)], live=True)
    took: list[float] = []
    # It says that there is no model, which is not what is measured.
    with suppress(TranscriberError):
        async with Transcriber(settings) as transcriber:
            monitoring: Monitoring = transcriber.session._monitoring()  # noqa: SLF001 - measured alone
            await anyio.sleep(2)
            for _ in range(count):
                began = time.perf_counter()
                monitoring.measure_once()
                took.append(time.perf_counter() - began)
                await anyio.sleep(0.002)
            transcriber.stop()
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, default=2)
    parser.add_argument("--count", type=int, default=1000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        took = sorted(anyio.run(costs, given.tracks, given.count, folder))
    p50, p99 = (took[int(share * len(took))] for share in (0.5, 0.99))
    print(f"a snapshot of {given.tracks} tracks: p50 {p50 * 1000:.2f} ms, p99 {p99 * 1000:.2f} ms")
    print(f"once a second that is {100 * sum(took) / len(took):.2f} % of one core")


if __name__ == "__main__":
    main()
