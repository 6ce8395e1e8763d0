"""The disk is full in the middle of a live run, for a while or to the end: what is lost.

    cd benchmarks && sudo python -m faults.full_disk --audio SPEECH [--seconds 180] [--full 120] [--until-the-end]
                                  [--file-system ext4|tmpfs] [--policy utterance|agreement] [--emergency BYTES]

A device that plays is recorded on a small file system of its own, of which something else takes all the space 15 s
after the beginning; `--full` seconds later it gives it back, or, with `--until-the-end`, before the session is resumed.
What is compared then is in `tapped.py`. `--emergency` is what is reserved; 0 shows what is lost without. Linux, as
root, with a C compiler and ffmpeg.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from faults.tapped import RECOVERS, STAYS, Case, Running, TappedBench
from measuring import offline_model, table

STRIKE = 15.0
"""Seconds after the beginning of the session at which the disk is full."""


@contextmanager
def small_file_system(place: Path, size: str, kind: str) -> Iterator[None]:
    """Mount a file system of `size` in a folder."""
    place.mkdir(parents=True)
    if kind == "tmpfs":
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], check=True)
    else:
        image = place.with_name("image")
        subprocess.run(["truncate", "-s", size, image], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, place], check=True)
        (place / "lost+found").rmdir()
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def fill(place: Path) -> None:
    """Take all the space that there is."""
    with (place / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(65_536))
    with (place / "rest").open("wb", buffering=0) as rest, suppress(OSError):
        while True:
            rest.write(b"x")


def free(place: Path) -> None:
    """Give it back."""
    for name in ("filler", "rest"):
        (place / name).unlink()


class FullDiskBench(TappedBench):
    """Runs on a small file system; what was taken of it is given back at the latest before `resume`."""

    def run(self, folder: Path, case: Case) -> subprocess.CompletedProcess[str]:
        ended = super().run(folder, case)
        if (folder / "disk" / "filler").exists():
            free(folder / "disk")
        return ended


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--model")
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--full", type=float, default=120.0)
    parser.add_argument("--until-the-end", action="store_true")
    parser.add_argument("--file-system", choices=("ext4", "tmpfs"), default="ext4")
    parser.add_argument("--policy", choices=("utterance", "agreement"), default="utterance")
    parser.add_argument("--emergency", type=int, default=8_000_000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()

    def strike(running: Running) -> None:
        fill(running.folder / "disk")
        if not given.until_the_end:
            threading.Timer(given.full, free, [running.folder / "disk"]).start()

    case = Case(
        "the disk is full",
        f"{given.file_system}, " + ("to the end" if given.until_the_end else f"for {given.full:g} s"),
        exits=(5,) if given.until_the_end else (0,),
        states=STAYS if given.until_the_end else RECOVERS,
        strike=strike,
        at=STRIKE,
        seconds=given.seconds,
        settings={"TRANSCRIBER_STORAGE__EMERGENCY_SIZE": str(given.emergency)},
    )
    with tempfile.TemporaryDirectory() as temporary:
        bench = FullDiskBench(Path(temporary), given.audio, given.model or offline_model(), policy=given.policy)
        place = Path(temporary) / "0" / "disk"
        with small_file_system(place, "32M", given.file_system):
            (place / "sessions").mkdir()
            (place.parent / "sessions").symlink_to(place / "sessions")
            row = bench.judge(0, case)
    print(json.dumps(row) if given.json else table(row.items()))
    sys.exit(bool(row["bad"]))


if __name__ == "__main__":
    main()
