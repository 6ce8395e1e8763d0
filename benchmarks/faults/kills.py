"""kill -9 at a random instant of a live run, then `resume`, itself killed in every third case: what is lost or doubled.

    cd benchmarks && python -m faults.kills --audio A.flac --audio B.wav [--times 200] [--jobs 4] [--seed 1]
                                            [--policy utterance|agreement] [--without header|cursor|journal]

Each case records an excerpt of one of the recordings at real pace, and kills the whole program, or its core alone, at
some moment of the first 14 s, start-up included. After `resume` it is compared: the samples with those of the source,
what was told with what is stored, and the words with those of a run over the same samples that nothing interrupts.
With the policy `agreement` what is decoded depends on when, so each case has a second such run, as a measure.
`--without` takes a protective step away, to show that the bench can fail. Linux, with ffmpeg and sox.
"""

import argparse
import json
import os
import random
import shutil
import sqlite3
import subprocess
import tempfile
import time
import wave
from array import array
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import jiwer
import psutil

from faults.recorded import Recorded
from measuring import TRANSCRIBER, offline_model, table
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.soxr_resampler import SoxrResampler
from transcriber.core import journal
from transcriber.types import RATE, AudioFormat, Gap, TrackName, seconds

HERE = Path(__file__).parent
TRACK = TrackName("track")
EXCERPT = 18.0
"""Seconds of audio in a case: more than is heard before the kill."""

LATEST = 14.0
"""Seconds after its first line within which a run is killed."""

STARTING = 3.0
"""Seconds after the command within which every tenth run, and every third `resume`, is killed."""

PAUSE = 0.2
"""Seconds between two steps that belong together, where a protective step is taken away."""

STORED = ("commit", "segment", "gap", "state")
"""Events that are in the database before anybody is told."""


@dataclass
class Killed:
    """A command that was killed: what it had printed, and when it was killed."""

    lines: list[str]
    at: float
    left: int
    """Processes of it that are still there a while later."""


@dataclass
class Case:
    """One recording that is killed. Its chances depend on its number alone."""

    number: int
    given: argparse.Namespace
    folder: Path
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.given.seed * 1_000_003 + self.number)  # noqa: S311 - a schedule, not a secret
        self.audio: Path = self.chance.choice(self.given.audio)
        self.starting = self.number % 10 == 0
        self.after = self.chance.uniform(0.0, STARTING if self.starting else LATEST)
        self.everything = self.chance.random() < 0.5
        self.resume_after = self.chance.uniform(0.0, STARTING) if self.number % 3 == 0 else None
        self.wav = self.folder / "excerpt.wav"
        self.sessions = self.folder / "sessions"

    def judge(self) -> dict[str, object]:
        """Run it; return what became of it."""
        self.folder.mkdir()
        try:
            return self._judge()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _judge(self) -> dict[str, object]:
        expected = self._excerpt()
        row: dict[str, object] = {
            "case": self.number,
            "audio": self.audio.name,
            "killed": "all" if self.everything else "core",
            "starting": self.starting,
            "after_s": round(self.after, 3),
            "resume_killed_after_s": self.resume_after and round(self.resume_after, 3),
        }
        first = self._kill(self._run(self.wav, self.sessions, "realtime"), self.after, "first", starting=self.starting)
        row["left_behind"] = first.left
        session = next(iter(self.sessions.iterdir()), None) if self.sessions.is_dir() else None
        if session is None or not (session / "session.json").is_file():
            return row | {"outcome": "nothing had begun"}
        folder = SessionFolder.view(session)
        began = folder.manifest.tracks[0].started
        heard = max(0.0, first.at - began.timestamp()) if began else 0.0
        acknowledged = acknowledged_in(folder)
        row["plays"] = {name: samples - acknowledged for name, samples in playable(folder).items()}
        told = first.lines
        if self.resume_after is not None:
            again = self._kill(self._resume(session), self.resume_after, "again", starting=True)
            told += again.lines
        last = subprocess.run(
            self._resume(session), capture_output=True, text=True, check=False, env=self._environment(spoilt=True)
        )
        told += last.stdout.splitlines()
        kept = Recorded.of(session)
        row |= {
            "outcome": "resumed" if last.returncode == 0 else last.stderr.strip().splitlines()[-1:],
            "heard_s": round(heard, 3),
            "captured_s": seconds(kept.durable),
            "lost_s": round(heard - seconds(kept.durable), 3),
            "acknowledged": acknowledged,
            "acknowledged_lost": max(0, acknowledged - kept.durable) + kept.missing,
            "wrong": sum(a != b for a, b in zip(kept.samples, expected, strict=False)),
            "verify": subprocess.run(
                [*TRANSCRIBER, "sessions", "verify", str(session)], capture_output=True, check=False
            ).returncode,
        }
        return row | self._compare(session, told, expected[: kept.durable])

    def _compare(self, session: Path, told: Sequence[str], heard: array) -> dict[str, object]:
        """Compare what is stored with what was told, and with what an uninterrupted run stores."""
        with closing(sqlite3.connect(session / "transcript.db")) as database:
            stored = dict(database.execute("SELECT seq, json FROM events"))
        spoken, words = transcript(session)
        events = [json.loads(line) for line in told if line.endswith("}")]
        lasting = [event["seq"] for event in events if event["event"] in STORED]
        segments = [json.loads(line)["id"] for line in stored.values() if '"event":"segment"' in line]
        whole, reference = self._undisturbed("whole", heard)
        row: dict[str, object] = {
            "told": len(lasting),
            "told_and_gone": sum(
                json.loads(stored.get(event["seq"], "{}")) != event for event in events if event["event"] in STORED
            ),
            "told_twice": len(lasting) - len(set(lasting)),
            "doubled": len(segments) - len(set(segments)) + overlaps(spoken),
            "missing": sum(not any(overlap(one, other) > 0 for other in spoken) for one in whole),
            "segments": len(whole),
            "words": len(reference),
            "unlike": unlike(reference, words),
        }
        if row["unlike"]:
            row["texts"] = [" ".join(reference), " ".join(words)]
        if self.given.policy == "agreement":
            row["unlike_undisturbed"] = unlike(reference, self._undisturbed("again", heard)[1])
        return row

    def _undisturbed(self, name: str, heard: array) -> tuple[list[tuple[float, float]], list[str]]:
        """Return the segments and the words of a run over the same samples that nothing interrupts."""
        if not heard:
            return [], []
        wav = self.folder / f"{name}.wav"
        with wave.open(str(wav), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes(heard.tobytes())
        # What is decoded at the end of an utterance does not depend on when; with partials it does.
        pace = "fast" if self.given.policy == "utterance" else "realtime"
        run = self._run(wav, self.folder / name, pace)
        subprocess.run(run, capture_output=True, check=True, env=self._environment())
        return transcript(next((self.folder / name).iterdir()))

    def _excerpt(self) -> array:
        """Cut the excerpt, and return its samples as the track should have them."""
        probe = ["ffprobe", "-v", "error", "-show_entries", "format=duration:stream=sample_rate,channels"]
        told = json.loads(
            subprocess.run([*probe, "-of", "json", str(self.audio)], capture_output=True, check=True).stdout
        )
        begin = self.chance.uniform(0.0, max(0.0, float(told["format"]["duration"]) - EXCERPT))
        cut = ["ffmpeg", "-v", "error", "-stream_loop", "-1", "-ss", str(begin), "-i", str(self.audio)]
        subprocess.run([*cut, "-t", str(EXCERPT), "-c:a", "pcm_s16le", str(self.wav)], check=True)
        raw = ["ffmpeg", "-v", "error", "-i", str(self.wav), "-f", "s16le", "-"]
        pcm = subprocess.run(raw, capture_output=True, check=True).stdout
        stream = told["streams"][0]
        return array("h", SoxrResampler(AudioFormat(int(stream["sample_rate"]), stream["channels"])).feed(pcm))

    def _run(self, wav: Path, sessions: Path, pace: str) -> list[str]:
        run = [*TRANSCRIBER, "run", "--source", f"{TRACK}=file:{wav}", "--sessions", str(sessions)]
        run += ["--pace", pace, "--model", self.given.model, "--language", "en", "--no-status"]
        return [*run, "--format", "jsonl", "--log-level", "error"]

    def _resume(self, session: Path) -> list[str]:
        return [*TRANSCRIBER, "resume", str(session), "--format", "jsonl", "--log-level", "error"]

    def _environment(self, *, spoilt: bool = False) -> dict[str, str]:
        environment = os.environ | {"TRANSCRIBER_TRANSCRIPTION__POLICY": self.given.policy, "HF_HUB_OFFLINE": "1"}
        environment |= {"TRANSCRIBER_STORAGE__EMERGENCY_SIZE": "1000000"}
        if spoilt and self.given.without:
            path = os.pathsep.join([str(HERE / "without"), os.environ.get("PYTHONPATH", "")])
            environment |= {"PYTHONPATH": path, "WITHOUT": self.given.without, "PAUSE": str(PAUSE)}
        return environment

    def _kill(self, command: list[str], after: float, name: str, *, starting: bool) -> Killed:
        """Start a command, and kill it so many seconds later, or after its first line: all processes, or the core."""
        output = self.folder / f"{name}.jsonl"
        with output.open("wb") as stdout:
            process = psutil.Popen(
                command, stdout=stdout, stderr=subprocess.DEVNULL, env=self._environment(spoilt=True)
            )
            while not starting and process.poll() is None and not output.stat().st_size:
                time.sleep(0.01)
            with suppress(psutil.TimeoutExpired):
                process.wait(after)
            children = []
            with suppress(psutil.NoSuchProcess):
                children = process.children(recursive=True)
            at = time.time()
            for victim in (process, *children) if self.everything else (process,):
                with suppress(psutil.NoSuchProcess):
                    victim.kill()
            process.wait()
        _, left = psutil.wait_procs(children, timeout=30)
        # What was cut off in the middle of a line was told to nobody.
        lines = output.read_text().splitlines(keepends=True)
        return Killed([line.rstrip() for line in lines if line.endswith("\n")], at, len(left))


def acknowledged_in(session: SessionFolder) -> int:
    """Return the position up to which a track was acknowledged, as its journal says before anything is repaired."""
    with suppress(FileNotFoundError):
        records = journal.scan(session.journal(TRACK).read_bytes())
        return max((record.end for record in records if isinstance(record, journal.Audio | Gap)), default=0)
    return 0


def playable(session: SessionFolder) -> dict[str, int]:
    """Return the samples that each player finds in the WAV file, before anything is repaired."""
    wav = session.audio(TRACK) / "000001.wav"
    if not wav.is_file() or not acknowledged_in(session):
        return {}
    commands = {
        "ffmpeg": ["ffmpeg", "-v", "error", "-i", str(wav), "-f", "s16le", "-"],
        "sox": ["sox", str(wav), "-t", "raw", "-"],
    }
    return {
        name: len(subprocess.run(command, capture_output=True, check=False).stdout) // 2
        for name, command in commands.items()
    }


def transcript(session: Path) -> tuple[list[tuple[float, float]], list[str]]:
    """Return where the segments of a session are, in samples, and their words."""
    with closing(sqlite3.connect(session / "transcript.db")) as database:
        rows = database.execute('SELECT start, "end", text FROM segments ORDER BY start').fetchall()
    return [row[:2] for row in rows], " ".join(row[2] for row in rows).split()


def overlap(one: tuple[float, float], other: tuple[float, float]) -> float:
    return min(one[1], other[1]) - max(one[0], other[0])


def overlaps(spans: Sequence[tuple[float, float]]) -> int:
    """Count the segments that begin before the one before them has ended, by more than the width of a sound."""
    return sum(overlap(earlier, later) > RATE // 20 for earlier, later in pairwise(spans))


def unlike(reference: Sequence[str], words: Sequence[str]) -> int:
    """Return how many words would have to be changed, added or removed; letters, case and punctuation count."""
    if not reference:
        return len(words)
    found = jiwer.process_words(" ".join(reference), " ".join(words))
    return found.substitutions + found.deletions + found.insertions


def results(rows: Sequence[dict[str, object]]) -> dict[str, object]:
    """Return the figures of all cases together."""
    judged = [row for row in rows if "verify" in row]

    def total(name: str) -> int:
        return sum(int(str(row.get(name, 0))) for row in judged)

    def percent(name: str) -> str:
        return f"{100 * total(name) / max(1, total('words')):.2f} % ({total(name)} of {total('words')})"

    lost = sorted(float(str(row["lost_s"])) for row in judged)
    shorter = [min(row["plays"].values()) for row in judged if row["plays"]]
    figures = {
        "killed": len(rows),
        "before the session had begun": len(rows) - len(judged),
        "resumed, and verified": sum(row["outcome"] == "resumed" and row["verify"] == 0 for row in judged),
        "not so": sum(row["outcome"] != "resumed" or row["verify"] != 0 for row in judged),
        "`resume` killed as well": sum(row["resume_killed_after_s"] is not None for row in judged),
        "audio lost, median and most, s": f"{lost[len(lost) // 2]}, {lost[-1]}" if lost else "",
        "acknowledged samples lost": total("acknowledged_lost"),
        "wrong samples": total("wrong"),
        "files that a player finds less in than was acknowledged": sum(less < 0 for less in shorter),
        "told, and gone or changed": f"{total('told_and_gone')} of {total('told')}",
        "told twice": total("told_twice"),
        "segments doubled": total("doubled"),
        "segments missing": f"{total('missing')} of {total('segments')}",
        "words unlike those of an uninterrupted run": percent("unlike"),
        "cases with such words": sum(bool(row["unlike"]) for row in judged),
        "processes left behind": total("left_behind"),
    }
    if any("unlike_undisturbed" in row for row in judged):
        figures["words unlike between two uninterrupted runs"] = percent("unlike_undisturbed")
        figures["cases with such words then"] = sum(bool(row["unlike_undisturbed"]) for row in judged)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", type=Path, action="append", required=True)
    parser.add_argument("--model")
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=4, help="cases at once")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--policy", choices=("utterance", "agreement"), default="utterance")
    parser.add_argument("--without", choices=("header", "cursor", "journal"))
    parser.add_argument("--only", type=int, action="append", help="only the case of this number")
    parser.add_argument("--results", type=Path, help="append one line of JSON for each case to this file")
    given = parser.parse_args()
    given.model = given.model or offline_model()
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(given.jobs) as pool:
        cases = [Case(number, given, Path(folder) / str(number)) for number in given.only or range(given.times)]
        for row in pool.map(Case.judge, cases):
            rows.append(row)
            if given.results:
                with given.results.open("a") as file:
                    file.write(json.dumps(row) + "\n")
    print(table(results(rows).items()))


if __name__ == "__main__":
    main()
