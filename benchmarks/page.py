"""What the status page costs: memory and CPU of the core with and without viewers, and how soon they see an event.

python benchmarks/page.py --audio RECORDING [--viewers 5] [--seconds 60]

A viewer reads the stream as a browser does. The time from an event on standard output to the same event at a viewer
says how much later the page is than the program itself.
"""

import argparse
import asyncio
import json
import re
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from measuring import TRANSCRIBER, offline_model, percentile


@dataclass
class Seen:
    """When each event was told on standard output, and at each viewer."""

    told: dict[int, float] = field(default_factory=dict[int, float])
    viewed: list[tuple[int, float]] = field(default_factory=list[tuple[int, float]])

    def delays(self) -> list[float]:
        return [1000 * (at - self.told[number]) for number, at in self.viewed if number in self.told]


async def view(address: str, ticket: str, seen: Seen) -> None:
    async with httpx.AsyncClient(base_url=address, timeout=None) as browser:  # noqa: S113 - a stream has no end
        (await browser.post("/enter", content=ticket)).raise_for_status()
        async with browser.stream("GET", "/events", params={"after": 0}) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("id: "):
                    seen.viewed.append((int(line[4:]), time.perf_counter()))


async def listen(stream: asyncio.StreamReader, seen: Seen) -> None:
    while line := await stream.readline():
        seen.told[json.loads(line)["seq"]] = time.perf_counter()


async def find_link(stream: asyncio.StreamReader) -> tuple[str, str]:
    while line := (await stream.readline()).decode():
        if found := re.search(r"status page: (http://\S+/)#(\S+)", line):
            return found[1], found[2]
    sys.exit("no status page was told")


async def measure(audio: Path, viewers: int, seconds: float) -> tuple[float, float, list[float]]:
    """Return the core's peak memory in MB, its CPU in per cent of one core, and the delays in milliseconds."""
    seen = Seen()
    with tempfile.TemporaryDirectory() as home:
        process = await asyncio.create_subprocess_exec(
            *TRANSCRIBER,
            *("run", "--source", f"file:{audio}", "--model", offline_model(), "--language", "en"),
            *("--format", "jsonl", "--sessions", home, "--log-level", "error"),
            *(() if viewers else ("--no-status",)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE if viewers else asyncio.subprocess.DEVNULL,
            limit=1 << 22,
        )
        tasks = [asyncio.create_task(listen(process.stdout or asyncio.StreamReader(), seen))]
        core = psutil.Process(process.pid)
        if viewers:
            address, ticket = await find_link(process.stderr or asyncio.StreamReader())
            async with httpx.AsyncClient(base_url=address) as first:
                (await first.post("/enter", content=ticket)).raise_for_status()
                tickets = [(await first.post("/ticket")).text for _ in range(viewers)]
            tasks += [asyncio.create_task(view(address, each, seen)) for each in tickets]
        await asyncio.sleep(10)  # until the model is loaded, and what came before is caught up
        peak, began, before = 0, time.perf_counter(), core.cpu_times()
        while time.perf_counter() < began + seconds:
            peak = max(peak, core.memory_info().rss)
            await asyncio.sleep(0.5)
        after, took = core.cpu_times(), time.perf_counter() - began
        process.terminate()
        for task in tasks[1:]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await process.wait()
    busy = after.user + after.system - before.user - before.system
    return peak / 1e6, 100 * busy / took, seen.delays()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--viewers", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60)
    given = parser.parse_args()
    for viewers in (0, given.viewers):
        memory, cpu, delays = asyncio.run(measure(given.audio, viewers, given.seconds))
        print(f"{viewers} viewers: core {memory:.1f} MB at most, {cpu:.1f} % of one core", end="")
        if delays:
            print(
                f"; events {percentile(delays, 0.5):.0f} ms (p50), {percentile(delays, 0.95):.0f} ms (p95) later",
                end="",
            )
        print()


if __name__ == "__main__":
    main()
