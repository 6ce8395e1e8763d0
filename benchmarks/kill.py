"""kill -9 in the middle of a live run, then `resume`: what is lost, what is doubled, what plays.

    python benchmarks/kill.py --audio speech.flac [--times 5] [--model PATH] [--json]

For each time: a live run at real pace is killed at a random moment, its WAV is read by ffmpeg and
sox, the session is resumed and verified, and its words are compared with those of an undisturbed run of as much audio.
"""

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jiwer

from measuring import TRANSCRIBER, offline_model, table


def killed_run(given: argparse.Namespace, sessions: Path, seconds: float) -> float:
    """Return how many seconds of audio were heard when the run was killed."""
    command = [*TRANSCRIBER, "run", "--source", f"track=file:{given.audio}", "--sessions", str(sessions)]
    command += ["--model", given.model, "--language", "en", "--format", "jsonl", "--log-level", "error"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - narrows the type
        process.stdout.readline()
        began = time.monotonic()
        time.sleep(seconds)
        heard = time.monotonic() - began
        process.send_signal(signal.SIGKILL)
    return heard


def playable(wav: Path) -> dict[str, float]:
    """Return the seconds that each player finds in a WAV file."""
    found = {}
    if shutil.which("ffmpeg"):
        raw = ["ffmpeg", "-v", "error", "-i", str(wav), "-f", "s16le", "-"]
        found["ffmpeg"] = len(subprocess.run(raw, capture_output=True, check=True).stdout) / 32_000
    if shutil.which("sox"):
        raw = ["sox", str(wav), "-t", "raw", "-"]
        found["sox"] = len(subprocess.run(raw, capture_output=True, check=True).stdout) / 32_000
    return found


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*TRANSCRIBER, *arguments], capture_output=True, text=True, check=False)


def undisturbed(given: argparse.Namespace, folder: Path, seconds: float) -> str:
    """Return the text of a run of the first `seconds` that nothing disturbs."""
    run = ["run", "--source", f"track=file:{given.audio}", "--sessions", str(folder), "--model", given.model]
    run += ["--language", "en", "--duration", str(seconds), "--format", "jsonl", "--log-level", "error"]
    events = [json.loads(line) for line in call(*run).stdout.splitlines()]
    return " ".join(event["text"] for event in events if event["event"] == "segment")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--model")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    given.model = given.model or offline_model()
    chance = random.Random(given.seed)  # noqa: S311 - a schedule, not a secret
    rows = []
    for _ in range(given.times):
        with tempfile.TemporaryDirectory() as folder:
            sessions = Path(folder) / "sessions"
            heard = killed_run(given, sessions, chance.uniform(8, 25))
            [session] = sessions.iterdir()
            plays = playable(session / "audio" / "track" / "000001.wav")
            resumed = call("resume", str(session), "--model", given.model, "--language", "en", "--format", "jsonl")
            events = [json.loads(line) for line in resumed.stdout.splitlines()]
            if not events or resumed.returncode:
                sys.exit(f"resume ended with {resumed.returncode}: {resumed.stderr}")
            captured = events[-1]["captured"]
            text = call("sessions", "export", str(session), "--format", "json").stdout
            segments = json.loads(text)["segments"]
            starts = [segment["start"] for segment in segments]
            words = " ".join(segment["text"] for segment in segments)
            whole = undisturbed(given, Path(folder) / "whole", captured)
            rows.append(
                {
                    "killed_after_s": round(heard, 2),
                    "on_disk_s": captured,
                    "lost_s": round(heard - captured, 2),
                    "plays_s": {name: round(seconds, 2) for name, seconds in plays.items()},
                    "doubled_segments": len(starts) - len(set(starts)),
                    "coverage_after_resume": events[-1]["coverage"],
                    "words_unlike_undisturbed_percent": round(100 * jiwer.wer(whole.lower(), words.lower()), 2),
                    "verify": call("sessions", "verify", str(session)).returncode,
                }
            )
    if given.json:
        print(json.dumps(rows))
        return
    for row in rows:
        print(table(row.items()), end="\n\n")


if __name__ == "__main__":
    main()
