"""Kill the program after every single step on the disk, and in the middle of every write: what is whole again.

    cd benchmarks && python -m faults.crash_points [--only PART] [--jobs 2] [--without STEP] [--notes 3]

A step is a call that writes, syncs, cuts, makes, renames or removes something in the session's folder: `steps.c` counts
them, and kills at the n-th. So are killed: a recovery (after a kill, of torn files, of a damaged transcript, one that
merges emergency files), the opening of a session, its first flushes, the change to a new WAV file, and the orderly end.
Then it is recovered, or resumed, and compared: recoveries with one that nothing disturbs, recordings with their
source, transcripts with that of a whole run. `--without` takes a protective step away, to show that the bench can fail.
Linux, with a C compiler and ffmpeg.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from array import array
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

from faults.damage import EXPECTED, Content, make_sessions
from faults.errors import Recorded
from faults.kills import acknowledged_in
from measuring import TRANSCRIBER, offline_model
from transcriber.adapters.recovery import recover
from transcriber.adapters.recovery_verify import verify
from transcriber.adapters.session_folder import SessionFolder
from transcriber.core import journal
from transcriber.errors import StorageError
from transcriber.types import TrackName

HERE = Path(__file__).parent
SPEECH = HERE.parents[1] / "examples" / "speech.flac"
TRACK = TrackName("track")
RECOVER = """
import sys
from pathlib import Path
from transcriber.adapters.recovery import recover
from transcriber.adapters.session_folder import SessionFolder
session = SessionFolder.open(Path(sys.argv[1]))
recover(session)
session.close()
"""
SIGKILLED = -9


@dataclass(frozen=True)
class Point:
    """Where a program is killed: after its step `number`, or in the middle of it."""

    number: int
    step: str
    half: bool = False


@dataclass
class Scenario:
    """Something that is killed: what it begins with, the command, which of its steps count, and how it is judged."""

    name: str
    command: Callable[[Path], list[str]]
    judge: Callable[[Path], list[str]]
    original: Path | None = None
    window: Callable[[Sequence[str]], range] = lambda steps: range(len(steps) + 1)
    settings: dict[str, str] = field(default_factory=dict)


class Bench:
    """Runs the scenarios in a folder."""

    def __init__(self, folder: Path, given: argparse.Namespace) -> None:
        self.folder, self.given = folder, given
        self.shim = folder / "steps.so"
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", self.shim, HERE / "steps.c", "-ldl"], check=True)
        self.long = folder / "long.wav"
        cut = ["ffmpeg", "-v", "error", "-stream_loop", "-1", "-i", SPEECH, "-t", "304", "-ar", "16000", "-ac", "1"]
        subprocess.run([*cut, self.long], check=True)

    def points(self, scenario: Scenario) -> list[Point]:
        """Run it to its end; return the points at which it is to be killed."""
        place = self.begin(scenario, "whole")
        steps = self.run(scenario, place, {})[1]
        chosen = scenario.window(steps)
        halves = [n for n in chosen if n and steps[n - 1].split()[0] in {"write", "pwrite"}]
        return [Point(n, steps[n - 1] if n else "before the first step") for n in chosen] + [
            Point(n, steps[n - 1], half=True) for n in halves
        ]

    def begin(self, scenario: Scenario, name: str) -> Path:
        place = self.folder / f"{scenario.name.replace(' ', '-')}-{name}"
        if scenario.original is not None:
            shutil.copytree(scenario.original, place / "sessions" / "session")
        else:
            place.mkdir()
        return place

    def run(self, scenario: Scenario, place: Path, kill: dict[str, str]) -> tuple[int, list[str]]:
        """Run it under the shim; return its exit code and the steps that it came to."""
        log = place / "steps"
        environment = os.environ | {"HF_HUB_OFFLINE": "1", "TRANSCRIBER_STORAGE__EMERGENCY_SIZE": "400000"}
        environment |= {"LD_PRELOAD": str(self.shim), "STEPS": f"{place}/sessions/", "STEPS_LOG": str(log)}
        if kill and self.given.without:
            path = os.pathsep.join([str(HERE / "without"), os.environ.get("PYTHONPATH", "")])
            environment |= {"PYTHONPATH": path, "WITHOUT": self.given.without}
        ended = subprocess.run(
            scenario.command(place / "sessions"),
            env=environment | scenario.settings | kill,
            capture_output=True,
            check=False,
            timeout=300,
        )
        steps = log.read_text().splitlines() if log.exists() else []
        return ended.returncode, [line.replace(f"{place}/sessions/", "") for line in steps]

    def kill(self, scenario: Scenario, point: Point) -> list[str]:
        """Kill it at a point; return what is wrong then."""
        place = self.begin(scenario, f"{point.number}{'-half' if point.half else ''}")
        try:
            kill = {"STEPS_KILL": str(point.number)} | ({"STEPS_HALF": "1"} if point.half else {})
            code, _ = self.run(scenario, place, kill)
            if code != SIGKILLED:
                return ["it had ended before"]
            return scenario.judge(place / "sessions")
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            return [f"crashed: {type(error).__name__}: {error}"]
        finally:
            shutil.rmtree(place, ignore_errors=True)

    # What is killed

    def scenarios(self) -> list[Scenario]:
        made = make_sessions(self.folder)
        torn = self.copy(made["finished"], "torn")
        (torn / "clean").unlink()
        tear(torn)
        damaged = self.copy(torn, "damaged")
        with (damaged / "transcript.db").open("r+b") as file:
            file.seek(5_000)
            file.write(bytes(20_000))
        recovered = [
            self.recovery("recovery after a kill", self.killed),
            self.recovery("recovery of torn files", torn),
            self.recovery("recovery of a damaged transcript", damaged),
            self.recovery("recovery that merges emergency files", made["killed"]),
        ]
        return [
            *recovered,
            Scenario("opening a session", self.recording(3.0), self.judge_recorded, window=until_audio),
            Scenario("the first flushes", self.recording(3.0), self.judge_recorded, window=after_audio),
            Scenario("a new WAV file", self.recording(304.0), self.judge_recorded, window=around_rotation),
            Scenario(
                "the orderly end",
                lambda sessions: self.record(sessions, SPEECH, offline_model(), 60.0),
                self.judge_ended,
                window=to_the_end,
                settings={"TRANSCRIBER_TRANSCRIPTION__POLICY": "utterance"},
            ),
        ]

    def copy(self, session: Path, name: str) -> Path:
        return Path(shutil.copytree(session, self.folder / name))

    def recovery(self, name: str, original: Path) -> Scenario:
        copy = self.copy(original, f"{name} expected".replace(" ", "-"))
        session = SessionFolder.open(copy)
        recover(session)
        session.close()
        expected, left = Content.of(copy), set(verify(SessionFolder.view(copy)).findings)

        def judge(sessions: Path) -> list[str]:
            again = sessions / "session"
            wrong = recovered_twice(again)
            content = Content.of(again)
            if content.samples != expected.samples:
                wrong.append("other samples than of a recovery that nothing disturbs")
            wrong += [f"other {table}" for table, rows in content.rows.items() if rows != expected.rows[table]]
            wrong += [f"verify: {line}" for line in verify(SessionFolder.view(again)).findings if line not in left]
            return wrong

        return Scenario(
            name, lambda sessions: [sys.executable, "-c", RECOVER, str(sessions / "session")], judge, original
        )

    @cached_property
    def killed(self) -> Path:
        """A session that was killed in the middle of a flush."""
        place = self.folder / "killed-run"
        place.mkdir()
        run = Scenario("", lambda sessions: self.record(sessions, SPEECH, offline_model(), 9.0, "realtime"), list)
        self.run(run, place, {"STEPS_KILL": "230"})
        return next((place / "sessions").iterdir())

    def recording(self, seconds: float) -> Callable[[Path], list[str]]:
        """Return the command that records without a model: what it brings to the disk is the sound alone."""
        return lambda sessions: self.record(sessions, self.long, "small", seconds)

    def record(self, sessions: Path, audio: Path, model: str, seconds: float, pace: str = "fast") -> list[str]:
        run = [*TRANSCRIBER, "run", "--source", f"{TRACK}=file:{audio}", "--model", model, "--language", "en"]
        run += ["--no-status", "--log-level", "error", "--format", "jsonl", "--pace", pace, "--sessions", str(sessions)]
        return [*run, "--duration", str(seconds)]

    # How it is judged

    @cached_property
    def recorded(self) -> array:
        raw = ["ffmpeg", "-v", "error", "-i", self.long, "-f", "s16le", "-"]
        return array("h", subprocess.run(raw, capture_output=True, check=True).stdout)

    def judge_recorded(self, sessions: Path) -> list[str]:
        """Recover a recording, and compare it with its source."""
        for path in sessions.iterdir() if sessions.is_dir() else ():
            try:
                acknowledged = acknowledged_in(SessionFolder.view(path))
            except StorageError:
                # Nothing is recorded before there is a session.
                return ["sound without a session"] if list(path.rglob("*.wav")) else []
            wrong = recovered_twice(path)
            kept = Recorded.of(path)
            if kept.durable < acknowledged or kept.missing:
                wrong.append(f"{acknowledged - kept.durable + kept.missing} acknowledged samples lost")
            if kept.samples != self.recorded[: kept.durable]:
                wrong.append("other samples than those of the source")
            return wrong
        return []

    @cached_property
    def transcribed(self) -> Content:
        place = self.folder / "transcribed"
        subprocess.run(
            self.record(place, SPEECH, offline_model(), 60.0),
            env=os.environ | {"TRANSCRIBER_TRANSCRIPTION__POLICY": "utterance"},
            check=True,
            capture_output=True,
        )
        return Content.of(next(place.iterdir()))

    def judge_ended(self, sessions: Path) -> list[str]:
        """Resume a session, unless it says that it is complete, and compare it with one that nothing disturbed."""
        [path] = sessions.iterdir()
        if not (path / "clean").exists():
            resume = [*TRANSCRIBER, "resume", str(path), "--log-level", "error"]
            subprocess.run(
                resume,
                env=os.environ | {"TRANSCRIBER_TRANSCRIPTION__POLICY": "utterance"},
                check=True,
                capture_output=True,
            )
        wrong = [f"verify: {line}" for line in verify(SessionFolder.view(path)).findings]
        content = Content.of(path)
        if content.samples != self.transcribed.samples:
            wrong.append("other samples")
        tables = ("segments", "words", "gaps", "cursor")
        wrong += [f"other {table}" for table in tables if content.rows[table] != self.transcribed.rows[table]]
        left = {"emergency", "transcript.db-wal", "transcript.db-shm"} & {file.name for file in path.iterdir()}
        return wrong + [f"{name} is left" for name in sorted(left)]


def tear(session: Path) -> None:
    """Leave a session as a crash of the computer may: half a journal record, and samples that nobody vouched for."""
    path = session / "journal" / TRACK
    path.write_bytes(path.read_bytes()[: -2 * journal.RECORD_BYTES - 30])
    with (session / "audio" / TRACK / "000001.wav").open("r+b") as file:
        file.seek(0)
        file.write(b"RIFF\0\0\0\0")
        file.seek(0, os.SEEK_END)
        file.write(b"\1")


def recovered_twice(path: Path) -> list[str]:
    """Recover a session, and once more; return what is wrong."""
    wrong = []
    for once_more in (False, True):
        session = SessionFolder.open(path)
        try:
            actions = recover(session).actions
        finally:
            session.close()
        if once_more and actions:
            wrong.append(f"changed by another recovery: {actions[0]}")
    found = verify(SessionFolder.view(path)).findings
    return wrong + [f"verify: {line}" for line in found if not any(part in line for part in EXPECTED)]


def until_audio(steps: Sequence[str]) -> range:
    return range(first(steps, "000001.wav") + 1)


def after_audio(steps: Sequence[str]) -> range:
    return range(first(steps, "000001.wav"), len(steps))


def around_rotation(steps: Sequence[str]) -> range:
    begin = first(steps, "000002.wav")
    return range(begin - 25, begin + 25)


def to_the_end(steps: Sequence[str]) -> range:
    return range(first(steps, "/clean~") - 10, len(steps) + 1)


def first(steps: Sequence[str], part: str) -> int:
    return next(number for number, step in enumerate(steps) if part in step)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="the scenarios that have this in their name")
    parser.add_argument("--jobs", type=int, default=2, help="kills at once")
    parser.add_argument("--without", choices=("journal",))
    parser.add_argument("--notes", type=int, default=3, help="details of each scenario")
    given = parser.parse_args()
    fast = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - only to be fast
    failed = 0
    with tempfile.TemporaryDirectory(dir=fast) as folder, ThreadPoolExecutor(given.jobs) as pool:
        bench = Bench(Path(folder), given)
        print(
            "| what is killed | steps | kills, also in the middle of a write | not as it should be |\n|---|---|---|---|"
        )
        for scenario in bench.scenarios():
            if given.only not in scenario.name:
                continue
            points = bench.points(scenario)
            wrong = list(pool.map(partial(bench.kill, scenario), points))
            ended = sum(lines == ["it had ended before"] for lines in wrong)
            bad = [(point, lines) for point, lines in zip(points, wrong, strict=True) if lines]
            steps = len({point.number for point in points})
            print(f"| {scenario.name} | {steps} | {len(points) - ended} | {len(bad) - ended} |", flush=True)
            for point, lines in bad[: given.notes]:
                print(f"{scenario.name}: {point}: {'; '.join(lines)}", file=sys.stderr)
            failed += len(bad) - ended
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
