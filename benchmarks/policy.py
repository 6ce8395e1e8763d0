"""What the rules of composition cost and give: accuracy against latency, without waiting for real time.

    python benchmarks/policy.py --audio speech.flac [--reference text.txt] [--model PATH] [--seconds 420]

Runs the program's own composition over a recording, with real decodes, in simulated time: a partial pass of 20 s takes
`--decode` seconds, a shorter one less in proportion to what is encoded, and a final one 1.6 times as long. Passes over
the same audio are decoded once, for all rows.
"""

import argparse
import functools
from pathlib import Path

import numpy as np
from faster_whisper.audio import decode_audio
from faster_whisper.vad import get_vad_model

from measuring import offline_model, percentile, reference_of, word_error_rate
from transcriber.adapters.engine.whisper import CONTEXT_EXTRA, LeanModel, Whisper
from transcriber.core.composition import Composition, CompositionRules, Entry, Pass
from transcriber.core.endpointing import WINDOW
from transcriber.events import Committed, SegmentClosed
from transcriber.types import RATE, SAMPLE_BYTES, DecodeRequest, Hypothesis, Position, TrackName

NEVER = 10**9
ROWS = {
    "finals of the utterance alone": CompositionRules(partials=False, context=0),
    "finals with up to 12 s before": CompositionRules(partials=False, context=12 * RATE),
    "finals with up to 20 s before": CompositionRules(partials=False),
    "agreed: committed at once": CompositionRules(reach=20 * RATE, holdback=0, doubtful=0),
    "agreed, and 0.2 s before the end": CompositionRules(reach=20 * RATE, doubtful=0),
    "… and a probability of 0.3": CompositionRules(reach=20 * RATE, patience=NEVER),
    "… or two seconds old": CompositionRules(reach=20 * RATE),
    "… by passes that reach back 10 s": CompositionRules(reach=10 * RATE),
    "… 8 s (the default)": CompositionRules(),
    "… 6 s": CompositionRules(reach=6 * RATE),
}


class Simulation:
    """One recording, heard again for each set of rules."""

    def __init__(self, audio: Path, model: str, *, length: float, decode: float) -> None:
        sound = decode_audio(str(audio))[: int(length * RATE)]
        whole = len(sound) // WINDOW * WINDOW
        self.end = Position(len(sound))
        self.probabilities = np.asarray(get_vad_model()(sound[:whole])).reshape(-1).tolist()
        self.decode_time = decode
        self._pcm = (np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes()
        self._whisper = Whisper(LeanModel(model, device="cpu", compute_type="int8", cpu_threads=2))
        self.heard = functools.cache(self._decode)

    def _decode(self, start: int, end: int, final: bool) -> Hypothesis:  # noqa: FBT001 - a key of the cache
        pcm = self._pcm[start * SAMPLE_BYTES : end * SAMPLE_BYTES]
        return self._whisper.decode(DecodeRequest(pcm, final, "en"))

    def takes(self, task: Pass) -> float:
        """Return the seconds that a pass takes."""
        encoded = (task.end - task.start) / RATE + CONTEXT_EXTRA
        return self.decode_time * encoded / (20 + CONTEXT_EXTRA) * (1.6 if task.final else 1.0)

    def run(self, rules: CompositionRules) -> tuple[str, list[float]]:
        """Return the text, and the commit latency of each word in seconds."""
        composition, texts, latencies = Composition(TrackName("track"), rules), list[str](), list[float]()

        def enter(entries: list[Entry], now: float) -> None:
            for entry in entries:
                match entry.event:
                    case Committed(words=words):
                        latencies.extend(now - word.end / RATE for word in words)
                    case SegmentClosed(segment):
                        texts.append(segment.text)
                    case _:
                        pass

        def answer(task: Pass, now: float) -> None:
            enter(composition.decoded(task, self.heard(task.start, task.end, task.final)), now)

        def begin(now: float) -> tuple[float, Pass] | None:
            enter(composition.settle(), now)
            nonlocal last
            task = composition.next_pass(int(last * RATE))
            if task is None:
                return None
            took = self.takes(task)
            last = last if task.final else took
            return now + took, task

        running: tuple[float, Pass] | None = None
        last = 0.0  # seconds that the last partial pass took: the next does not begin sooner, as in the program
        for index, probability in enumerate(self.probabilities, start=1):
            now = index * WINDOW / RATE
            composition.feed([probability])
            if running and running[0] <= now:
                answer(running[1], running[0])
                running = None
            running = running or begin(now)
        now = self.end / RATE
        if running:
            answer(running[1], max(now, running[0]))
        composition.end(self.end)
        while running := begin(now):
            now = running[0]
            answer(running[1], now)
        enter(composition.finish(self.end), now)
        return " ".join(texts), latencies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--seconds", type=float, default=1e6, help="take no more of the recording")
    parser.add_argument("--decode", type=float, default=0.7, help="seconds that a partial pass of 20 s takes")
    given = parser.parse_args()
    reference = reference_of(given.audio, given.reference)
    simulation = Simulation(given.audio, given.model or offline_model(), length=given.seconds, decode=given.decode)
    print("| words are committed | WER | commit latency p50 / p95 / p99 |", "|---|---|---|", sep="\n")
    for name, rules in ROWS.items():
        text, latencies = simulation.run(rules)
        wer = f"{word_error_rate(reference, text):.2f} %" if reference else "-"
        times = " / ".join(f"{percentile(latencies, share) or 0:.2f}" for share in (0.5, 0.95, 0.99))
        print(f"| {name} | {wer} | {times} s |", flush=True)


if __name__ == "__main__":
    main()
