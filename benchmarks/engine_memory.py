"""How the memory of the engine grows with decodes of many lengths, with and without steps in what is encoded.

    python benchmarks/engine_memory.py --audio speech.flac [--model PATH] [--decodes 160]

Each row is a fresh process. `STEP` is the program's own; 2 frames are the finest that the encoder takes.
"""

import argparse
import random
import subprocess
import sys

import numpy as np
import psutil
from faster_whisper.audio import decode_audio

from measuring import offline_model
from transcriber.adapters.engine import whisper
from transcriber.types import RATE, DecodeRequest

FINEST = 2


def grow(audio: str, model: str, step: int, decodes: int) -> list[int]:
    """Return the resident set in megabytes after each eighth of the decodes."""
    whisper.STEP = step
    sound = decode_audio(audio)
    engine = whisper.Whisper(whisper.LeanModel(model, device="cpu", compute_type="int8", cpu_threads=2))
    chance = random.Random(1)  # noqa: S311 - lengths, no secrets
    sizes = []
    for number in range(1, decodes + 1):
        length = chance.uniform(2, 20)
        start = int(chance.uniform(0, len(sound) / RATE - length) * RATE)
        pcm = (np.clip(sound[start : start + int(length * RATE)], -1, 1) * 32767).astype("<i2").tobytes()
        engine.decode(DecodeRequest(pcm, number % 8 == 0, "en"))
        if number % (decodes // 8) == 0:
            sizes.append(psutil.Process().memory_info().rss >> 20)
    return sizes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", required=True)
    parser.add_argument("--model")
    parser.add_argument("--decodes", type=int, default=160)
    parser.add_argument("--step", type=int, help="measure this step alone")
    given = parser.parse_args()
    if given.step:
        print(given.step, grow(given.audio, given.model or offline_model(), given.step, given.decodes))
        return
    for step in (FINEST, whisper.STEP):
        subprocess.run([sys.executable, *sys.argv, "--step", str(step)], check=True)


if __name__ == "__main__":
    main()
