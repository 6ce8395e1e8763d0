"""Runs of the program in which something goes wrong, and what became of what it heard: shared by several benches.

What the program was about to store is tapped. After each run, and `resume` where there is something to finish, it is
compared: the samples, one by one; what was told with what is stored; the words with those of a run over the same
samples that nothing interrupts. With the policy `utterance` the words do not depend on when something is decoded,
unless a decode fails Whisper's own checks and is repeated with some chance, as of the same few sentences in a loop.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import wave
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from faults.kills import STORED, transcript, unlike
from faults.recorded import TRACK, Tapped
from measuring import TRANSCRIBER
from transcriber.adapters.recovery import recover
from transcriber.adapters.recovery_verify import verify
from transcriber.adapters.session_folder import SessionFolder
from transcriber.types import RATE

HERE = Path(__file__).parent
LONGEST = 320
"""Seconds of sound that there is to play."""

TO_DO = ("the session is unfinished", "are accounted for", "are committed and in no segment")
"""What `verify` says of a session that has only been recovered: `resume` has that to do."""

RECOVERS = (("emergency", "normal"),)
STAYS = (("emergency",),)
UNNOTICED = ((),)
ANY = ()


@dataclass(frozen=True)
class Running:
    """A run in progress, for what strikes it."""

    process: psutil.Process
    session: Path
    folder: Path
    """Where everything of this case is."""


@dataclass(frozen=True)
class Case:
    """A fault, by rules of the shim or by something that strikes, and what must come of it."""

    group: str
    """The row of the results that it belongs to."""
    what: str
    rules: tuple[str, ...] = ()
    exits: tuple[int, ...] = (0,)
    states: tuple[tuple[str, ...], ...] = RECOVERS
    """The states of the disk that may be told; all are accepted where there are none."""
    strike: Callable[[Running], None] | None = None
    at: float = 6.0
    """Seconds after the beginning of the session at which it strikes."""
    seconds: float = 12.0
    loses: bool = False
    """Whether sound may find no place at all: it must be a gap by name then."""
    begins: bool = True
    live: bool = True
    settings: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.group, self.what)))


class TappedBench:
    """Runs the cases."""

    def __init__(self, folder: Path, audio: Path, model: str, *, without: str = "", policy: str = "utterance") -> None:
        self.folder, self.model, self.without, self.policy = folder, model, without, policy
        self.shim, self.wav, plugin = folder / "shim.so", folder / "speech.wav", folder / "tapped-1.dist-info"
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", self.shim, HERE / "shim.c", "-ldl"], check=True)
        loop = ["ffmpeg", "-v", "error", "-stream_loop", "-1", "-i", audio, "-t", str(LONGEST)]
        subprocess.run([*loop, "-ar", "48000", "-ac", "2", self.wav], check=True)
        plugin.mkdir()
        (plugin / "METADATA").write_text("Metadata-Version: 2.1\nName: tapped\nVersion: 1\n")
        (plugin / "entry_points.txt").write_text("[transcriber.sources]\ntapped = tapped_source:make\n")

    def judge(self, number: int, case: Case) -> dict[str, object]:
        """Run a case, finish its session, and say what became of it."""
        folder = self.folder / str(number)
        folder.mkdir(exist_ok=True)
        try:
            return self._judge(folder, case)
        except subprocess.TimeoutExpired as error:
            return {
                "case": str(case),
                "group": case.group,
                "exit": None,
                "states": [],
                "after": "",
                "bad": [str(error)],
            }
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _judge(self, folder: Path, case: Case) -> dict[str, object]:
        began = time.monotonic()
        ended = self.run(folder, case)
        events = [json.loads(line) for line in ended.stdout.splitlines() if line.endswith("}")]
        changes = [event for event in events if event["event"] == "state" and event["component"] == "disk"]
        row: dict[str, object] = {
            "case": str(case),
            "group": case.group,
            "exit": ended.returncode,
            "took_s": round(time.monotonic() - began, 1),
            "states": list(dict.fromkeys(change["to"] for change in changes)),
            "told": [[change["emitted"], change["to"], change["reason"]] for change in changes],
            "said": ended.stderr.strip().splitlines()[-8 if "Traceback" in ended.stderr else -1 :],
        }
        sessions = folder / "sessions"
        session = next(iter(sessions.iterdir()), None) if sessions.is_dir() else None
        if session is None or not (session / "session.json").exists() or not case.begins:
            row["after"] = "nothing left behind" if session is None else self.finish(session, case)
        else:
            tapped = Tapped.of(folder / "tap")
            row["captured"] = tapped.end
            row["acknowledged"] = tapped.acknowledged
            row["after"] = self.finish(session, case)
            row |= tapped.compare(session, self.since(folder, case))
            if case.live:
                row |= self.compare(folder, session, events, tapped)
        return row | {"bad": self.wrong(case, row)}

    def since(self, _folder: Path, _case: Case) -> int:
        """Return from which position on nothing may be lost."""
        return 0

    def run(self, folder: Path, case: Case) -> subprocess.CompletedProcess[str]:
        """Run the program in the case's folder, and let the fault strike."""
        source = f"{TRACK}=tapped:{self.wav}?to={folder / 'tap'}&live={int(case.live)}"
        command = [*self.command("run"), "--source", source, "--sessions", str(folder / "sessions")]
        command += ["--duration", str(case.seconds), "--model", self.model if case.live else "small", "--no-status"]
        command += [] if case.live else ["--pace", "fast"]
        paths = [self.folder, HERE, *([HERE / "without"] if self.without else []), os.environ.get("PYTHONPATH", "")]
        environment = self.environment() | {"LD_PRELOAD": str(self.shim), "FAULTS": ";".join(case.rules)}
        environment |= {"PYTHONPATH": os.pathsep.join(map(str, paths)), "WITHOUT": self.without}
        environment |= {name: value.format(folder=folder) for name, value in case.settings.items()}
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            if case.strike is not None:
                threading.Thread(target=strike, args=(psutil.Process(process.pid), folder, case), daemon=True).start()
            try:
                out, errors = process.communicate(timeout=case.seconds + 150)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return subprocess.CompletedProcess(command, process.returncode, out, errors)

    def command(self, name: str) -> list[str]:
        return [*TRANSCRIBER, name, "--language", "en", "--format", "jsonl", "--log-level", "error"]

    def environment(self) -> dict[str, str]:
        settings = {"TRANSCRIBER_STORAGE__EMERGENCY_SIZE": "20000000", "TRANSCRIBER_STORAGE__LEAST_FREE": "0"}
        settings["TRANSCRIBER_TRANSCRIPTION__POLICY"] = self.policy
        return os.environ | settings | {"HF_HUB_OFFLINE": "1"}

    def finish(self, session: Path, case: Case) -> str:
        """Resume a session that is not complete; return what it is then."""
        how = "complete"
        if not (session / "clean").exists():
            if not case.live:
                return recovered(session)
            resume = [*self.command("resume"), str(session), "--model", self.model]
            resumed = subprocess.run(
                resume, env=self.environment(), capture_output=True, text=True, check=False, timeout=300
            )
            if resumed.returncode:
                return f"NOT RESUMED: {resumed.stderr.strip().splitlines()[-1:]}"
            how = "resumed"
        report = verify(SessionFolder.view(session))
        return f"{how}, verified" if report.ok else f"{how}, NOT SOUND: {report.findings[0]}"

    def compare(self, folder: Path, session: Path, events: list[dict], tapped: Tapped) -> dict[str, object]:
        """Compare the transcript with what was told, and with that of an undisturbed run over the same samples."""
        with closing(sqlite3.connect(session / "transcript.db")) as database:
            stored = dict(database.execute("SELECT seq, json FROM events"))
        told = [event for event in events if event["event"] in STORED]
        _, words = transcript(session)
        reference = folder / "reference.wav"
        with wave.open(str(reference), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes(b"".join(block.pcm for block in tapped.blocks))
        run = [*self.command("run"), "--source", f"{TRACK}=file:{reference}", "--sessions", str(folder / "undisturbed")]
        run += ["--pace", "fast", "--model", self.model, "--no-status"]
        subprocess.run(run, env=self.environment(), capture_output=True, check=True)
        _, expected = transcript(next((folder / "undisturbed").iterdir()))
        texts = {} if expected == words else {"texts": [" ".join(expected), " ".join(words)]}
        return texts | {
            "told_and_gone": sum(json.loads(stored.get(event["seq"], "{}")) != event for event in told),
            "told_lasting": len(told),
            "unlike": unlike(expected, words),
            "words": len(expected),
        }

    def wrong(self, case: Case, row: dict[str, object]) -> list[str]:
        """Return in what a case came out other than it must."""
        faults = []
        if row["exit"] not in case.exits:
            faults.append(f"exit {row['exit']}")
        if case.states and tuple(row["states"]) not in case.states:
            faults.append(f"states {row['states']}")
        if "NOT" in str(row["after"]):
            faults.append(str(row["after"]))
        exact = ["wrong"]
        if not case.loses:
            exact += ["lost", "told_and_gone", "unlike"]
        if not case.loses or row["exit"] == 0:  # a gap has no name where nothing can be written to the end
            exact.append("nowhere")
        return faults + [f"{name} {row[name]}" for name in exact if row.get(name)]


def strike(process: psutil.Process, folder: Path, case: Case) -> None:
    """Wait until the session runs, and then as long as the case says."""
    sessions = folder / "sessions"
    while not (found := [path for path in sessions.glob("*") if (path / "journal" / TRACK).exists()]):
        time.sleep(0.05)
        if not process.is_running():
            return
    time.sleep(case.at)
    if case.strike is not None:
        case.strike(Running(process, found[0], folder))


def kill(running: Running) -> None:
    """Kill the whole program."""
    with suppress(psutil.NoSuchProcess):
        children = running.process.children(recursive=True)
        for victim in (running.process, *children):
            with suppress(psutil.NoSuchProcess):
                victim.kill()


def recovered(session: Path) -> str:
    """Recover a session of which only the recording counts; return what it is then."""
    folder = SessionFolder.open(session)
    try:
        recover(folder)
    finally:
        folder.close()
    findings = verify(SessionFolder.view(session)).findings
    left = [line for line in findings if not any(part in line for part in TO_DO)]
    return f"recovered, NOT SOUND: {left[0]}" if left else "recovered, verified"


def table(rows: list[dict[str, object]]) -> str:
    """Return the results, a line for each group."""
    groups: dict[str, list[dict[str, object]]] = defaultdict(list)
    for row in rows:
        groups[str(row["group"])].append(row)
    titles = ("what fails", "runs", "exit", "states of the disk", "samples lost, by name", "wrong, or nowhere")
    titles += ("told, and gone", "words unlike", "afterwards", "not as it must be")
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for group, members in groups.items():

        def all_of(name: str, members: list[dict[str, object]] = members) -> str:
            found = sorted(
                {" → ".join(row[name]) if isinstance(row[name], list) else str(row[name]) for row in members}
            )
            return "; ".join(found)

        def total(name: str, members: list[dict[str, object]] = members) -> int:
            return sum(int(str(row.get(name, 0))) for row in members)

        words = f"{total('unlike')} of {total('words')}"
        bad = sum(bool(row["bad"]) for row in members)
        cells = (
            group,
            len(members),
            all_of("exit"),
            all_of("states"),
            total("lost"),
            total("wrong") + total("nowhere"),
        )
        cells += (f"{total('told_and_gone')} of {total('told_lasting')}", words, all_of("after"), bad)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def run_all(bench: TappedBench, selected: Sequence[Case], *, jobs: int, results: Path | None) -> bool:
    """Run cases, print their results, and return whether all came out as they must."""
    rows: dict[int, dict[str, object]] = {}
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(bench.judge, number, case): number for number, case in enumerate(selected)}
        for future in as_completed(futures):
            rows[futures[future]] = row = future.result()
            if row["bad"]:
                print(json.dumps(row), file=sys.stderr, flush=True)
            if results:
                with results.open("a") as file:
                    file.write(json.dumps(row) + "\n")
    print(table([rows[number] for number in sorted(rows)]))
    return not any(row["bad"] for row in rows.values())
