"""One part of the running program dies or hangs: what is restarted, how soon, what is lost.

    cd benchmarks && python -m faults.parts --audio speech.flac [--seconds 45] [--only NAME] [--json]

Each fault strikes a live run at real pace once. The table has, for each: when it was noticed and when the part ran
again (both in seconds after the fault), how long the restart itself took, what of the sound is missing, whether every
captured sample is accounted for, and how many words are not those of the same model offline, beside those of a run that
nothing disturbs. Linux; the out-of-memory kill needs root and a memory cgroup, the disk a C compiler, devices ffmpeg.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import psutil

from measuring import TRANSCRIBER, offline_model, table, word_error_rate

LOADED = re.compile(r"in ([0-9.]+) s")
HERE = Path(__file__).parent
STRIKE = 15.0
"""Seconds of sound after which the fault strikes."""

HANG = 60_000
"""Milliseconds that a hanging disk hangs: longer than the run."""


@dataclass
class Run:
    """A live run: its events, with the time of each."""

    command: list[str]
    environment: dict[str, str]
    events: list[tuple[float, dict]] = field(default_factory=list)
    struck: float | None = None
    process: subprocess.Popen[str] | None = None
    code: int = 0

    def to_its_end(self, strike: Callable[[psutil.Process], None] | None, codes: Sequence[int] = (0,)) -> "Run":
        """Run it; `strike` is called once words have been committed and `STRIKE` seconds have passed."""
        with subprocess.Popen(
            self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment
        ) as process:
            self.process = process
            errors: list[str] = []
            reader = threading.Thread(target=lambda: errors.extend(process.stderr))
            reader.start()
            for line in process.stdout:
                event = json.loads(line)
                self.events.append((time.monotonic(), event))
                if strike and self.struck is None and event["event"] == "commit" and event["emitted"] > STRIKE:
                    self.struck = time.monotonic()
                    strike(psutil.Process(process.pid))
            reader.join()
        self.code = process.returncode
        if self.code not in codes:
            sys.exit(f"the run ended with {self.code}: {''.join(errors)}")
        return self

    @property
    def text(self) -> str:
        return " ".join(event["text"] for _, event in self.events if event["event"] == "segment")

    def states(self, component: str) -> Iterator[tuple[float, dict]]:
        return (
            (at, event) for at, event in self.events if event["event"] == "state" and event["component"] == component
        )


@dataclass
class Fault:
    """What goes wrong, with which part, and how it is brought about."""

    name: str
    component: str
    source: str = "file"
    device: str = ""
    rules: str = ""
    strike: Callable[[psutil.Process], None] | None = None


def engine_of(core: psutil.Process) -> psutil.Process:
    return next(child for child in core.children(recursive=True) if "engine.worker" in " ".join(child.cmdline()))


def kill(core: psutil.Process) -> None:
    engine_of(core).kill()


def stop(core: psutil.Process) -> None:
    engine_of(core).send_signal(signal.SIGSTOP)


def exhaust_memory(core: psutil.Process) -> None:
    """Leave the engine so little memory that the kernel kills it at its next decode."""
    first, second = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    place = (first if first.is_dir() else second) / f"transcriber-{os.getpid()}"
    place.mkdir()
    limit = "memory.limit_in_bytes" if first.is_dir() else "memory.max"
    (place / limit).write_text("4194304")
    pid = engine_of(core).pid
    (place / "cgroup.procs").write_text(str(pid))
    psutil.wait_procs([psutil.Process(pid)], timeout=30)
    events = (place / ("memory.oom_control" if first.is_dir() else "memory.events")).read_text()
    kills = next(int(line.split()[1]) for line in events.splitlines() if line.startswith("oom_kill "))
    if not kills:
        sys.exit("the kernel did not kill the engine: is there a limit on this machine that stands in the way?")
    place.rmdir()


FAULTS = (
    Fault("the engine is killed (SIGKILL)", "engine", strike=kill),
    Fault("the engine is out of memory (killed by the kernel)", "engine", strike=exhaust_memory),
    Fault("the engine hangs (SIGSTOP)", "engine", strike=stop),
    Fault("the capture thread raises", "capture", source="stuck", device="raise"),
    Fault("the capture thread hangs", "capture", source="stuck", device="hang"),
    Fault("a sync of the recording fails (EIO)", "disk", rules="fdatasync .wav 30 1 errno=5"),
    Fault("the storage thread hangs", "disk", rules=f"fdatasync .wav 30 1 delay={HANG}"),
)


class Bench:
    """Runs the faults, and the undisturbed runs that they are compared with."""

    def __init__(self, given: argparse.Namespace, folder: Path) -> None:
        self.given, self.folder = given, folder
        self.sessions = folder / "sessions"
        self.settings: dict[str, str] = {}
        self.undisturbed: dict[str, Run] = {}
        self.shim, self.wav, plugin = folder / "shim.so", folder / "speech.wav", folder / "stuck-1.dist-info"
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", self.shim, HERE / "shim.c", "-ldl"], check=True)
        stereo = ["-ar", "48000", "-ac", "2", "-t", str(given.seconds)]
        subprocess.run(["ffmpeg", "-v", "error", "-i", given.audio, *stereo, self.wav], check=True)
        plugin.mkdir()
        (plugin / "METADATA").write_text("Metadata-Version: 2.1\nName: stuck\nVersion: 1\n")
        (plugin / "entry_points.txt").write_text("[transcriber.sources]\nstuck = stuck_device:make\n")

    def run(self, name: str, fault: Fault, codes: Sequence[int] = (0,)) -> Run:
        source = f"stuck:{self.wav}?fault={fault.device}&at={STRIKE}" if fault.source == "stuck" else f"file:{self.wav}"
        command = [*TRANSCRIBER, "run", "--source", f"track={source}", "--sessions", str(self.sessions)]
        command += ["--name", name, "--model", self.given.model, "--language", "en", "--format", "jsonl"]
        command += ["--duration", str(self.given.seconds), "--log-level", "error"]
        environment = os.environ | {"PYTHONPATH": f"{self.folder}:{HERE}"} | self.settings
        if fault.rules:
            environment |= {"LD_PRELOAD": str(self.shim), "FAULTS": fault.rules}
        return Run(command, environment).to_its_end(fault.strike, codes)

    @cached_property
    def offline(self) -> str:
        """What the same model hears in the whole file at once."""
        command = [*TRANSCRIBER, "transcribe", str(self.wav), "--model", self.given.model, "--language", "en"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def unlike_offline(self, run: Run) -> float:
        return round(word_error_rate(self.offline, run.text), 1)

    def compare(self, number: int, fault: Fault) -> dict[str, object]:
        if fault.source not in self.undisturbed:
            self.undisturbed[fault.source] = self.run(f"undisturbed-{fault.source}", Fault("none", "", fault.source))
        run = self.run(f"fault-{number}", fault)
        [session] = self.sessions.glob(f"*-fault-{number}")
        verify = subprocess.run([*TRANSCRIBER, "sessions", "verify", str(session)], capture_output=True, check=False)
        segments = [event for _, event in run.events if event["event"] == "segment"]
        spans = [(segment["start"], segment["end"]) for segment in segments]
        summary = run.events[-1][1]
        samples = summary["samples"]
        return {
            "fault": fault.name,
            **times(run, fault),
            "missing_s": round(samples["missing"] / 16_000, 2),
            "samples": f"{samples['covered']} of {samples['captured']}",
            "words_unlike_offline_percent": self.unlike_offline(run),
            "undisturbed_percent": self.unlike_offline(self.undisturbed[fault.source]),
            "segments_twice": sum(later[0] < earlier[1] - 0.05 for earlier, later in pairwise(spans)),
            "restarts": summary["restarts"],
            "verify": verify.returncode,
        }


def times(run: Run, fault: Fault) -> dict[str, object]:
    """Return when a fault was noticed and repaired: after it struck, where that is known."""
    changes = list(run.states(fault.component))
    failed = next((at for at, event in changes if event["to"] in {"failed", "emergency"}), None)
    if failed is None:
        return {"path": "not noticed", "noticed_s": None, "running_again_s": None, "restart_s": None}
    again = next((at for at, event in changes if at > failed and event["to"] in {"ready", "running", "normal"}), None)
    struck = run.struck
    if fault.device:  # the device strikes by its own clock, which begins with the track's
        origin = next(at - event["emitted"] for at, event in run.events if event["event"] == "commit")
        struck = origin + STRIKE
    path = [event["to"] for at, event in changes if at >= failed and (again is None or at <= again)]
    loaded = again and next(event["reason"] for at, event in changes if at == again)
    return {
        "path": " → ".join(path),
        "noticed_s": struck and round(failed - struck, 2),
        "running_again_s": struck and again and round(again - struck, 2),
        "restart_s": again and round(again - failed, 3),
        "of_which_loading_the_model_s": loaded and float(found[1]) if (found := LOADED.search(loaded or "")) else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--model")
    parser.add_argument("--seconds", type=float, default=45.0)
    parser.add_argument("--only", default="", help="run the faults whose name has this in it")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    given.model = given.model or offline_model()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(given, Path(folder))
        for number, fault in enumerate(FAULTS):
            if given.only in fault.name:
                row = bench.compare(number, fault)
                print(json.dumps(row) if given.json else table(row.items()) + "\n", flush=True)


if __name__ == "__main__":
    main()
