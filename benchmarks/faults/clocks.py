"""The clocks jump, or the program stands still, in the middle of a live run: the timeline, and what gap is named.

    cd benchmarks && python -m faults.clocks --audio speech.flac [--only PART] [--without monotonic|asleep|slept]

A live device (`stuck_device.py`), and one of a real sound server, are recorded for a minute. After 15 s the wall clock
is put a day forward or back; or all processes are stopped for 30 s (SIGSTOP), while the device goes on; or the computer
is asleep for 30 s: the device and the monotonic clock stand still, and the system's other clocks do not. What is
recorded after that is looked for in what was played: `off` is how far it is from where it belongs. `--without` takes
away a protective step, to show that the bench can fail. Linux, with a C compiler, ffmpeg, and PulseAudio for its row.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from faults.errors import Recorded
from faults.parts import STRIKE, Bench, Run
from measuring import TRANSCRIBER, offline_model
from transcriber.adapters.soxr_resampler import SoxrResampler
from transcriber.types import RATE, AudioFormat

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from conftest import running_rig

HERE = Path(__file__).parent
DAY = 86_400
PAUSE = 30
"""Seconds for which the program stands still, or the computer sleeps."""

LENGTH = 60.0
"""Seconds that are recorded."""

TOO_LONG = 180.0
"""Seconds after which a run that has not ended is killed."""

PIECE = 2 * RATE
"""Samples of the recording that are looked for in what was played."""


@dataclass(frozen=True)
class Jump:
    """What happens. `asleep`: seconds that the device stands still."""

    name: str
    clocks: str = ""
    stops: bool = False
    asleep: int = 0
    pulse: bool = False


JUMPS = (
    Jump("nothing"),
    Jump("nothing, a sound server", pulse=True),
    Jump("the wall clock is put a day forward", f"realtime {STRIKE:.0f} {DAY}"),
    Jump("the wall clock is put a day back", f"realtime {STRIKE:.0f} -{DAY}"),
    Jump("stopped for 30 s", stops=True),
    Jump("stopped for 30 s, a sound server", stops=True, pulse=True),
    Jump(
        "the computer sleeps for 30 s",
        f"boottime {STRIKE:.0f} {PAUSE}; realtime {STRIKE:.0f} {PAUSE}",
        asleep=PAUSE,
    ),
)


def stop_for_a_while(core: psutil.Process) -> None:
    """Stop every process of the program, the core first, and let them go on later, the core last."""
    processes = [core, *core.children(recursive=True)]
    for process in processes:
        process.send_signal(signal.SIGSTOP)

    def go_on() -> None:
        for process in reversed(processes):
            process.send_signal(signal.SIGCONT)

    threading.Timer(PAUSE, go_on).start()


def offset(recorded: NDArray[np.int16], played: NDArray[np.int16], position: int) -> tuple[float, float]:
    """Return where in what was played a piece of the recording sounded, in seconds after `position`; and how sure."""
    piece = recorded[position : position + PIECE].astype(np.float64)
    size = 1 << (len(played) + PIECE).bit_length()
    product = np.fft.irfft(np.fft.rfft(played, size) * np.conj(np.fft.rfft(piece, size)), size)[: len(played) - PIECE]
    energy = np.cumsum(np.concatenate([[0.0], played.astype(np.float64) ** 2]))
    norm = np.sqrt(np.maximum(energy[PIECE:] - energy[:-PIECE], 1.0))[: len(product)] * np.linalg.norm(piece)
    likeness = product / np.maximum(norm, 1.0)
    best = int(likeness.argmax())
    return (best - position) / RATE, float(likeness[best])


class ClockBench(Bench):
    """Runs the jumps."""

    def __init__(self, given: argparse.Namespace, folder: Path) -> None:
        super().__init__(given, folder)
        self.clocks = folder / "clocks.so"
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", self.clocks, HERE / "clocks.c", "-ldl"], check=True)
        pcm = subprocess.run(
            ["ffmpeg", "-v", "error", "-i", self.wav, "-f", "s16le", "-"], capture_output=True, check=True
        ).stdout
        self.played = np.frombuffer(SoxrResampler(AudioFormat(48_000, 2)).feed(pcm), "<i2")

    def judge(self, jump: Jump) -> dict[str, object]:
        """Run it; return what became of it."""
        sessions = self.sessions / jump.name.replace(" ", "-")
        if jump.pulse:
            place = self.folder / "pulse"
            place.mkdir()
            with running_rig(place) as rig:
                threading.Timer(2.0, rig.play, [self.wav]).start()
                run = self._run("loopback", sessions, jump)
        else:
            run = self._run(f"stuck:{self.wav}", sessions, jump)
        if run.code:
            return {"what": jump.name, "states": "it did not end"}
        [session] = sessions.iterdir()
        recorded = np.asarray(Recorded.of(session).samples, np.int16)
        before, after = (offset(recorded, self.played, round(at * RATE)) for at in (8.0, LENGTH - 8.0))
        summary = run.events[-1][1]
        return {
            "what": jump.name,
            "off_ms": round(1_000 * (after[0] - before[0] + jump.asleep), 1),
            "alike": round(min(before[1], after[1]), 3),
            "gaps": [
                (event["reason"], round(event["start"], 2), round(event["end"] - event["start"], 3))
                for _, event in run.events
                if event["event"] == "gap"
            ],
            "captured_s": summary["captured"],
            "coverage": summary["coverage"],
            "restarts": summary["restarts"],
            "states": [
                f"{event['component']}: {event['to']}"
                for _, event in run.events
                if event["event"] == "state" and event["to"] in {"failed", "emergency", "alert", "waiting"}
            ],
            "verify": subprocess.run(
                [*TRANSCRIBER, "sessions", "verify", session], capture_output=True, check=False
            ).returncode,
        }

    def _run(self, source: str, sessions: Path, jump: Jump) -> Run:
        path = [str(self.folder), str(HERE), *([str(HERE / "without")] if self.given.without else [])]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([*path, os.environ.get("PYTHONPATH", "")])}
        environment |= {"WITHOUT": self.given.without or "", "TRANSCRIBER_STORAGE__EMERGENCY_SIZE": "4000000"}
        if jump.clocks:
            environment |= {"LD_PRELOAD": str(self.clocks), "CLOCKS": jump.clocks}
        command = [*TRANSCRIBER, "run", "--source", f"track={source}", "--sessions", str(sessions), "--language", "en"]
        command += ["--model", self.given.model, "--format", "jsonl", "--duration", str(LENGTH), "--log-level", "error"]
        run = Run(command, environment)
        timer = threading.Timer(TOO_LONG, lambda: run.process and run.process.kill())
        timer.start()
        try:
            return run.to_its_end(stop_for_a_while if jump.stops else None, codes=(0, -signal.SIGKILL))
        finally:
            timer.cancel()


COLUMNS = ("what", "off_ms", "alike", "gaps", "captured_s", "coverage", "restarts", "states", "verify")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--model")
    parser.add_argument("--only", default="", help="the rows that have this in their name")
    parser.add_argument("--without", choices=("monotonic", "asleep", "slept"))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    given.model, given.seconds = given.model or offline_model(), LENGTH + PAUSE + 10
    print("|", " | ".join(COLUMNS), "|\n" + "|---" * len(COLUMNS) + "|")
    with tempfile.TemporaryDirectory() as folder:
        bench = ClockBench(given, Path(folder))
        for jump in JUMPS:
            if given.only in jump.name:
                row = bench.judge(jump)
                text = " | ".join(str(row.get(column, "")) for column in COLUMNS)
                print(json.dumps(row) if given.json else f"| {text} |", flush=True)


if __name__ == "__main__":
    main()
