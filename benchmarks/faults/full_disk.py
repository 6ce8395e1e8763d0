"""The disk is full in the middle of a live run, for a while: what is lost.

    cd benchmarks && sudo python -m faults.full_disk --audio speech.flac [--seconds 90] [--full 40] [--until-the-end]

A live device is recorded on a file system of its own, of which something else takes all the space after 15 s; `--full`
seconds later it gives it back, or never. Linux, as root. In the second case the session is resumed afterwards, with
space again. `--emergency BYTES` is what is reserved; 0 shows what is lost without.
"""

import argparse
import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from faults.parts import Bench, Fault
from measuring import TRANSCRIBER, offline_model, table, word_error_rate


@contextmanager
def small_file_system(folder: Path, size: str) -> Iterator[Path]:
    """Mount a file system of `size` in a folder."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--model")
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--full", type=float, default=40.0)
    parser.add_argument("--until-the-end", action="store_true")
    parser.add_argument("--emergency", type=int, default=6_000_000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    given.model = given.model or offline_model()
    with tempfile.TemporaryDirectory() as folder, small_file_system(Path(folder) / "small", "16m") as place:
        bench = Bench(given, Path(folder))
        undisturbed = bench.run("undisturbed", Fault("none", "", "stuck"))
        bench.sessions = place / "sessions"
        bench.settings = {
            "TRANSCRIBER_STORAGE__EMERGENCY_SIZE": str(given.emergency),
            "TRANSCRIBER_STORAGE__LEAST_FREE": "0",
        }

        def strike(_core: psutil.Process) -> None:
            fill(place)
            if not given.until_the_end:
                threading.Timer(given.full, free, [place]).start()

        run = bench.run("full", Fault("full", "disk", "stuck", strike=strike), codes=(0, 5))
        began = time.monotonic()
        [session] = bench.sessions.iterdir()
        resumed = 0
        if given.until_the_end:
            free(place)
            resume = ["resume", str(session), "--model", given.model, "--language", "en"]
            resumed = subprocess.run([*TRANSCRIBER, *resume], capture_output=True, check=False).returncode
        text = subprocess.run(
            [*TRANSCRIBER, "sessions", "export", session, "--format", "json"], capture_output=True, check=True
        ).stdout
        shown = json.loads(
            subprocess.run(
                [*TRANSCRIBER, "sessions", "show", session, "--json"], capture_output=True, check=True
            ).stdout
        )
        words = " ".join(segment["text"] for segment in json.loads(text)["segments"])
        rows = {
            "states of the disk": ", ".join(
                f"{event['to']} at {event['emitted']:.1f} s" for _, event in run.states("disk")
            ),
            "exit code": run.code,
            "resume": f"{resumed}, {time.monotonic() - began:.1f} s" if given.until_the_end else None,
            "samples": shown["samples"],
            "words unlike those of an undisturbed run, per cent": round(word_error_rate(undisturbed.text, words), 1),
            "verify": subprocess.run(
                [*TRANSCRIBER, "sessions", "verify", session], capture_output=True, check=False
            ).returncode,
        }
        print(json.dumps(rows) if given.json else table(rows.items()))


if __name__ == "__main__":
    main()
