"""`transcriber transcribe` against faster-whisper itself: the same file, model and threads, each in a fresh process.

    python benchmarks/offline.py --audio speech.flac [--reference text.txt] [--model PATH] [--repeat 3]

Both are timed from the start of the process to its end. Runs alternate, and the medians are compared.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from measuring import TRANSCRIBER, offline_model, reference_of, table, word_error_rate

BASELINE = """
import sys
from faster_whisper import WhisperModel
model = WhisperModel(sys.argv[1], device="cpu", compute_type="int8", cpu_threads=int(sys.argv[4]))
segments, _ = model.transcribe(sys.argv[2], beam_size=5, language=sys.argv[3] or None)
print(" ".join(segment.text.strip() for segment in segments))
"""


def timed(command: list[str]) -> tuple[float, str]:
    began = time.monotonic()
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return time.monotonic() - began, text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--model", help="folder of a model; default: that of the `offline` extra")
    parser.add_argument("--language", default="en")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    model, audio = given.model or offline_model(), str(given.audio)
    ours = [*TRANSCRIBER, "transcribe", audio, "--model", model, "--language", given.language or "auto"]
    theirs = [sys.executable, "-c", BASELINE, model, audio, given.language, str(given.threads)]
    walls: dict[str, list[float]] = {"transcriber": [], "faster-whisper": []}
    texts: dict[str, str] = {}
    for _ in range(given.repeat):
        for name, command in (("transcriber", ours), ("faster-whisper", theirs)):
            wall, texts[name] = timed(command)
            walls[name].append(wall)
    medians = {name: statistics.median(times) for name, times in walls.items()}
    reference = reference_of(given.audio, given.reference)
    rates = (
        {name: word_error_rate(reference, text, given.language) for name, text in texts.items()} if reference else {}
    )
    result = {
        "wall_s": medians,
        "wall_ratio": medians["transcriber"] / medians["faster-whisper"],
        "wer_percent": rates,
        "runs": walls,
    }
    if given.json:
        print(json.dumps(result))
        return
    rows = [(f"wall time, {name}", f"{wall:.1f} s") for name, wall in medians.items()]
    rows += [("ratio", f"{result['wall_ratio']:.2f}")]
    rows += [(f"WER, {name}", f"{rate:.2f} %") for name, rate in rates.items()]
    print(table(rows))


if __name__ == "__main__":
    main()
