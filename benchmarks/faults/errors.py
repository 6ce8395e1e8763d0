"""Each call on each file of a session fails once, or for good, with each error of a disk: what is lost.

    cd benchmarks && python -m faults.errors [--quick] [--seconds 8] [--jobs 4] [--only PART] [--json]

Short live runs at real pace under `shim.c`. Those in which the recording is at fault have no model, for what matters is
what is on disk; those of the transcript have that of the `offline` extra, and are resumed. The sound is that of an
undisturbed run, sample for sample, or it is lost. Outcomes are grouped. Linux, with a C compiler and ffmpeg.
"""

import argparse
import errno
import json
import os
import subprocess
import sys
import tempfile
import time
from array import array
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from faults.parts import Bench
from measuring import TRANSCRIBER, offline_model
from transcriber.adapters.recording import read_extent, read_pieces
from transcriber.adapters.recovery import recover
from transcriber.adapters.recovery_verify import verify
from transcriber.adapters.session_folder import SessionFolder
from transcriber.errors import StorageError
from transcriber.types import Block, GapReason, Position, TrackName

SPEECH = Path(__file__).parents[2] / "examples" / "speech.flac"
TRACK = TrackName("track")
ERRORS = ("ENOSPC", "EIO", "EROFS", "EDQUOT", "EACCES", "EMFILE")
PARTS = {"recording": ".wav", "journal": "/journal/", "transcript": "transcript.db"}
LATE = {"recording": 4, "journal": 4, "transcript": 60}
"""Calls after which the session runs: the first ones on the journal and the transcript are those that open it."""
FOR_GOOD = 1_000_000
TO_DO = ("the session is unfinished", "are accounted for", "are committed and in no segment")
"""What `verify` says of a session that has only been recovered: `resume` has that to do."""


@dataclass(frozen=True)
class Case:
    """A fault: calls `first` to `first + count - 1` of `call` on `part`."""

    call: str
    part: str
    first: int
    count: int
    what: str
    live: bool = False

    @property
    def rule(self) -> str:
        call = "pwrite" if self.call == "write" and self.part == "transcript" else self.call
        name, _, value = self.what.partition("=")
        effect = f"{name}={value}" if value else f"errno={getattr(errno, self.what)}"
        return f"{call} {PARTS.get(self.part, self.part)} {self.first} {self.count} {effect}"

    def __str__(self) -> str:
        times = "for good" if self.count == FOR_GOOD else f"{self.count} x"
        return f"{self.call} {self.part} n={self.first} {times} {self.what}" + (", live" if self.live else "")


def cases(*, quick: bool) -> Iterator[Case]:
    """Yield every combination, or some of each kind."""
    errors = ("ENOSPC", "EIO") if quick else ERRORS
    for call, part, error in product(("write", "fdatasync", "open"), PARTS, errors):
        late = {"write": LATE[part], "fdatasync": min(LATE[part], 12), "open": 1}[call]
        for first, count in ((late, FOR_GOOD),) if quick else ((1, 1), (max(late, 2), 1), (late, FOR_GOOD)):
            yield Case(call, part, first, count, error)
    for error in errors:
        yield Case("fsync", "/audio/track", 1, 1, error)
        yield Case("fsync", "/journal", 1, 1, error)
        yield Case("rename", "session.json", 1, 1, error)
        yield Case("rename", "/clean", 1, FOR_GOOD, error)
    for part, size in product(PARTS, ("short=1", "short=1000")):
        yield Case("write", part, LATE[part], 3 if size == "short=1" else FOR_GOOD, size)
    for part, milliseconds in product(PARTS, (5_000, 60_000)):
        yield Case("fdatasync", part, min(LATE[part], 12), 1, f"delay={milliseconds}")
        yield Case("fdatasync", part, min(LATE[part], 12), 1, f"delay={milliseconds}", live=True)
    for call, part, error in product(("write", "fdatasync"), PARTS, errors[:2]):
        late = LATE[part] if call == "write" else min(LATE[part], 12)
        yield Case(call, part, late, FOR_GOOD, error, live=True)


@dataclass
class Recorded:
    """What a session folder holds of its track; what the device did not deliver is not `missing` here."""

    samples: array
    missing: int
    durable: int

    @classmethod
    def of(cls, path: Path) -> "Recorded":
        session = SessionFolder.view(path)
        extent = read_extent(session.journal(TRACK))
        samples, missing = array("h"), 0
        for piece in read_pieces(session.audio(TRACK), extent.gaps, Position(0), extent.durable):
            heard = isinstance(piece, Block) or piece.reason is GapReason.DEVICE
            missing += 0 if heard else piece.end - piece.start
            samples += array("h", piece.pcm if isinstance(piece, Block) else bytes(2 * (piece.end - piece.start)))
        return cls(samples, missing, extent.durable)


class ErrorBench(Bench):
    """Runs the cases."""

    def __init__(self, given: argparse.Namespace, folder: Path) -> None:
        super().__init__(given, folder)
        self.reference = Recorded.of(self.start("undisturbed", None)[1]).samples

    def start(self, name: str, case: Case | None) -> tuple[subprocess.CompletedProcess, Path | None, float]:
        """Run it; return how it ended, the session's folder, and the seconds that it took."""
        source = f"stuck:{self.wav}" if case and case.live else f"file:{SPEECH}"
        model = self.given.model if case and case.part == "transcript" else "small"
        sessions = self.sessions / name
        command = [*TRANSCRIBER, "run", "--source", f"{TRACK}={source}", "--sessions", str(sessions), "--model", model]
        command += ["--language", "en", "--format", "jsonl", "--duration", str(self.given.seconds), "--no-status"]
        environment = os.environ | {"PYTHONPATH": f"{self.folder}:{Path(__file__).parent}", "HF_HUB_OFFLINE": "1"}
        environment |= {"TRANSCRIBER_STORAGE__EMERGENCY_SIZE": "2000000"}
        if case:
            environment |= {"LD_PRELOAD": str(self.shim), "FAULTS": case.rule}
        began = time.monotonic()
        ended = subprocess.run(
            [*command, "--log-level", "error"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        took = time.monotonic() - began
        return ended, next(iter(sessions.iterdir()), None) if sessions.is_dir() else None, took

    def judge(self, number: int, case: Case) -> dict[str, object]:
        """Run a case, bring its session back, and say what became of it."""
        ended, session, took = self.start(str(number), case)
        events = [json.loads(line) for line in ended.stdout.splitlines()]
        row: dict[str, object] = {"case": str(case), "exit": ended.returncode, "took": round(took, 1)}
        row["disk"] = " ".join(
            event["to"] for event in events if event["event"] == "state" and event["component"] == "disk"
        )
        row["said"] = ended.stderr.strip().splitlines()[-1:] if ended.returncode else []
        if "Traceback" in ended.stderr:
            row["said"] = ended.stderr.strip().splitlines()[-8:]
        summary = events[-1] if events and events[-1]["event"] == "summary" else None
        row["summary"] = summary is not None
        row["restarts"] = summary["restarts"] if summary else None
        captured = summary["samples"]["captured"] if summary else None
        row["captured"] = captured
        if session is None or not (session / "session.json").is_file():
            row["after"] = "no session" if session is None else "a folder without session.json"
            return row
        row["after"] = self.bring_back(session, case)
        with suppress(StorageError):
            kept = Recorded.of(session)
            row["kept"] = kept.durable - kept.missing
            row["lost"] = None if captured is None else captured - kept.durable + kept.missing
            if not case.live:
                row["wrong"] = sum(a != b for a, b in zip(kept.samples, self.reference, strict=False)) - kept.missing
        return row

    def bring_back(self, session: Path, case: Case) -> str:
        if (session / "clean").exists():
            report = verify(SessionFolder.view(session))
            return "complete, " + ("verified" if report.ok else f"NOT SOUND: {report.findings[0]}")
        if case.part == "transcript":
            command = [*TRANSCRIBER, "resume", str(session), "--log-level", "error"]
            resumed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
            report = verify(SessionFolder.view(session))
            wrong = "verified" if report.ok else f"NOT SOUND: {report.findings[0]}"
            return f"resumed ({resumed.returncode}), {wrong}"
        try:
            folder = SessionFolder.open(session)
            try:
                recover(folder)
            finally:
                folder.close()
        except StorageError as error:
            return f"NOT RECOVERED: {error}"
        left = [
            line for line in verify(SessionFolder.view(session)).findings if not any(part in line for part in TO_DO)
        ]
        return f"recovered, NOT SOUND: {left[0]}" if left else "recovered, verified"


def outcome(row: dict[str, object]) -> tuple[object, ...]:
    """Return what cases are grouped by."""
    return tuple(str(row.get(name, "")) for name in ("exit", "disk", "restarts", "lost", "wrong", "after"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="some of each kind, in about two minutes")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--jobs", type=int, default=4, help="runs at once")
    parser.add_argument("--only", default="", help="the cases that have this in their name")
    parser.add_argument("--model")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    given.model, given.audio = given.model or offline_model(), SPEECH
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(given.jobs) as pool:
        bench = ErrorBench(given, Path(folder))
        chosen = [case for case in cases(quick=given.quick) if given.only in str(case)]
        groups: dict[tuple[object, ...], list[dict[str, object]]] = defaultdict(list)
        for row in pool.map(bench.judge, range(len(chosen)), chosen):
            if given.json:
                print(json.dumps(row), flush=True)
            groups[outcome(row)].append(row)
    print(
        "| exit | disk | restarts | lost | wrong | afterwards | cases | slowest, s |\n|---|---|---|---|---|---|---|---|"
    )
    for key, rows in sorted(groups.items(), key=lambda group: -len(group[1])):
        slowest = max(float(str(row["took"])) for row in rows)
        print(
            f"| {' | '.join(map(str, key))} | {len(rows)}: {'; '.join(str(row['case']) for row in rows)} | {slowest} |"
        )
    bad = [
        row
        for rows in groups.values()
        for row in rows
        if row.get("lost") or row.get("wrong") or "NOT" in str(row["after"])
    ]
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
