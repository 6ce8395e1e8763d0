"""Two tracks from a real sound server: what is played, and what is said, at once.

    python benchmarks/rig.py --played speech.flac --said other.flac [--model PATH] [--json]

Starts a private PulseAudio server with null sinks (the one of the tests), records its loopback and its microphone with
`transcriber run --source them=loopback --source me=microphone`, plays a file into each, and compares the words of both
tracks with their references. `offset` is how far apart the tracks put the same click, which is played into both first.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

import numpy as np

from measuring import TRANSCRIBER, offline_model, reference_of, table, word_error_rate

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from conftest import Rig

RATE = 16_000


def click(path: Path) -> None:
    """Write 5 ms of noise after half a second of silence."""
    noise = np.random.default_rng(1).integers(-20_000, 20_000, 240, dtype=np.int16)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(bytes(48_000) + noise.tobytes() + bytes(48_000))


def onset(track: Path) -> float:
    """Return the second at which a track is first loud."""
    with wave.open(str(track / "000001.wav")) as file:
        samples = np.frombuffer(file.readframes(10 * RATE), "<i2").astype(np.int32)
    return float(np.flatnonzero(np.abs(samples) > 3_000)[0]) / RATE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--played", type=Path, required=True)
    parser.add_argument("--said", type=Path, required=True)
    parser.add_argument("--model")
    parser.add_argument("--events", type=Path, help="write the event stream into this file")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "state").mkdir(mode=0o700)
        os.environ |= {
            "PULSE_RUNTIME_PATH": name,
            "PULSE_STATE_PATH": f"{name}/state",
            "XDG_RUNTIME_DIR": name,
            "PULSE_SERVER": f"unix:{name}/native",
        }
        rig = Rig(folder)
        rig.start()
        try:
            result = measure(given, rig, folder)
        finally:
            rig.stop()
    print(json.dumps(result) if given.json else table(result.items()))


def measure(given: argparse.Namespace, rig: Rig, folder: Path) -> dict:
    click(folder / "click.wav")
    command = [*TRANSCRIBER, "run", "--source", "them=loopback", "--source", "me=microphone", "--language", "en"]
    command += ["--model", given.model or offline_model(), "--sessions", str(folder / "sessions")]
    command += ["--format", "jsonl", "--log-level", "error"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None  # noqa: S101 - narrows the type
        began = time.monotonic()
        lines = [run.stdout.readline()]
        started = time.monotonic() - began
        time.sleep(1)
        clicks = [rig.play(folder / "click.wav", sink) for sink in ("speakers", "micfeed")]
        for player in clicks:
            player.wait()
        players = [rig.play(given.played, "speakers"), rig.play(given.said, "micfeed")]
        for player in players:
            player.wait()
        time.sleep(1.5)
        run.send_signal(signal.SIGINT)
        lines += run.stdout.readlines()
    if given.events:
        given.events.write_text("".join(lines))
    events = [json.loads(line) for line in lines]
    summary = events[-1]
    [session] = (folder / "sessions").iterdir()
    result = {
        "exit_code": run.returncode,
        "first_event_after_s": round(started, 2),
        "offset_of_the_tracks_ms": round(1e3 * (onset(session / "audio/them") - onset(session / "audio/me")), 1),
        "captured_s": {track["name"]: track["captured"] for track in summary["tracks"]},
        "coverage": summary["coverage"],
        "gaps": summary["gaps"],
        "commit_latency_s": {f"p{share}": summary[f"commit_p{share}"] for share in (50, 95, 99)},
        "peak_memory_mb": summary["peak_memory"],
    }
    for track, audio in (("them", given.played), ("me", given.said)):
        text = " ".join(event["text"] for event in events if event["event"] == "segment" and event["track"] == track)
        result[f"text_{track}"] = text
        if reference := reference_of(audio, None):
            result[f"wer_percent_{track}"] = round(word_error_rate(reference, text), 2)
    return result


if __name__ == "__main__":
    main()
