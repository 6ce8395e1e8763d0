"""Supervision in a program of your own: `python supervised.py`. Of Transcriber it uses `transcriber.supervision` alone.

A station supervises a clock and a roof, and the roof a sensor: it breaks, is restarted twice, and then gives way to its
fallback. Each event is printed as it happens, and the tree as it stands while all of it runs.
"""

import asyncio
from dataclasses import dataclass

import anyio

from transcriber.supervision import ChildSpec, SupervisionEvent, Supervisor, Tree


class Clock:
    """An actor is any object with `run`: this one goes on for ever."""

    async def run(self) -> None:
        """Tick, until it is cancelled."""
        while True:
            await anyio.sleep(0.4)
            print("tick")


@dataclass
class Sensor:
    """It fails, and leaves it to its supervisor what follows."""

    name: str
    lasts: float

    async def run(self) -> None:
        """Measure as long as it lasts."""
        await anyio.sleep(self.lasts)
        raise OSError(f"{self.name} does not answer")


def make_roof() -> Supervisor:
    """Return a supervisor, which is an actor as well; like any child it is made anew for every life."""
    sensor = ChildSpec(
        name="sensor",
        start=lambda: Sensor("thermometer", lasts=0.1),
        fallbacks=(lambda: Sensor("spare", lasts=60),),
    )
    return Supervisor("roof", [sensor], max_restarts=2, delay=0.1, on_event=tell)


def tell(event: SupervisionEvent) -> None:
    """Print an event; a listener returns at once."""
    child, error = getattr(event, "child", ""), getattr(event, "error", None)
    print(f"{type(event).__name__} {event.supervisor}/{child}" + (f": {error}" if error else ""))


def show(tree: Tree, indent: str = "") -> None:
    """Print a supervisor and all below it."""
    print(f"{indent}{tree.name}")
    for child in tree.children:
        fallback = ", its fallback" if child.fallback else ""
        print(f"{indent}  {child.name}: {child.state}, life {child.lives}{fallback}")
        if child.tree is not None:
            show(child.tree, indent + "    ")


async def main() -> None:
    """Run the station for a second and a half."""
    children = [ChildSpec(name="clock", start=Clock), ChildSpec(name="roof", start=make_roof, reports_ready=True)]
    station = Supervisor("station", children, on_event=tell)
    async with anyio.create_task_group() as tasks:
        await tasks.start(station.run)  # until all of it is ready
        show(station.tree())
        await anyio.sleep(1.5)
        show(station.tree())
        station.stop()


if __name__ == "__main__":
    asyncio.run(main())
