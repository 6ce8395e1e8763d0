"""What a restart costs beside its delay: from the failure of a child to the next life that is ready.

    python benchmarks/restart.py [--times 30] [--delay 0.5] [--json]

The child fails at once after it was ready; its supervisor is alone in the loop. In the whole program, under load:
`faults/parts.py`.
"""

import argparse
import json
import statistics
import time

import anyio

from measuring import table
from transcriber.supervision import ChildFailed, ChildReady, ChildSpec, SupervisionEvent, Supervisor


class Failing:
    """Is ready, and fails."""

    async def run(self) -> None:
        await anyio.sleep(0.01)
        raise RuntimeError


async def measure(times: int, delay: float) -> list[float]:
    """Return the seconds from each failure to the next life."""
    took: list[float] = []
    failed: float | None = None

    def listen(event: SupervisionEvent) -> None:
        nonlocal failed
        match event:
            case ChildFailed():
                failed = time.monotonic()
            case ChildReady() if failed is not None:
                took.append(time.monotonic() - failed)
                if len(took) == times:
                    supervisor.stop()
            case _:
                pass

    child = ChildSpec(name="failing", start=Failing)
    supervisor = Supervisor("root", [child], max_restarts=times + 1, window=3600.0, delay=delay, on_event=listen)
    await supervisor.run()
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--delay", type=float, default=0.5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    took = sorted(anyio.run(measure, given.times, given.delay))
    rows = {
        "restarts": len(took),
        "median, s": round(statistics.median(took), 4),
        "longest, s": round(took[-1], 4),
        "of which the delay, s": given.delay,
    }
    print(json.dumps(rows) if given.json else table(rows.items()))


if __name__ == "__main__":
    main()
