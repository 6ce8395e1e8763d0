"""A live run from a file: accuracy, latency, accounting and memory, beside offline faster-whisper on the same file.

    python benchmarks/live.py --audio speech.flac [--reference text.txt] [--model PATH] [--pace realtime|fast] [--json]

Commit latency of a word is the event's `emitted` less the word's `end`, both on the track's clock. The latency of a
partial is from the end of a word to the first event, partial or commit, that shows it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from itertools import pairwise
from pathlib import Path

from measuring import TRANSCRIBER, Watched, offline_model, percentile, reference_of, table, word_error_rate
from offline import BASELINE


def run(given: argparse.Namespace, sessions: str) -> Watched:
    command = [*TRANSCRIBER, "run", "--source", f"track=file:{given.audio}", "--model", given.model]
    command += ["--language", given.language or "auto", "--pace", given.pace, "--format", "jsonl"]
    return Watched([*command, "--sessions", sessions, "--log-level", "error"]).run()


def latencies(events: list[dict]) -> list[float]:
    commits = (event for event in events if event["event"] == "commit")
    return [commit["emitted"] - word["end"] for commit in commits for word in commit["words"]]


def first_seen(events: list[dict]) -> list[float]:
    """Return for each committed word how long after its end it was first shown, as a partial or as a commit."""
    shown: list[tuple[float, str]] = []
    delays = []
    for event in events:
        if event["event"] == "partial":
            shown.append((event["emitted"], event["text"].casefold()))
        elif event["event"] == "commit":
            for word in event["words"]:
                spelled = word["word"].strip(" .,?!").casefold()
                seen = [at for at, text in shown if spelled in text and at >= word["end"] - 0.5]
                delays.append(min([*seen, event["emitted"]]) - word["end"])
            shown = [entry for entry in shown if entry[0] > event["emitted"] - 5]
    return delays


def revisions(events: list[dict]) -> float:
    """Return the share of partials that changed a word which the partial before them showed."""
    partials = [event["text"].split() for event in events if event["event"] == "partial"]
    changed = sum(1 for before, after in pairwise(partials) if before[: len(after)] != after[: len(before)])
    return changed / max(1, len(partials) - 1)


def faithful(events: list[dict]) -> bool:
    """Tell whether each segment's text is exactly its commits."""
    pending = ""
    for event in events:
        if event["event"] == "commit":
            pending += "".join(word["word"] for word in event["words"])
        elif event["event"] == "segment":
            text = "".join(word["word"] for word in event["words"])
            if not pending.startswith(text):
                return False
            pending = pending[len(text) :]
    return not pending


def repeated(text: str, reference: str, size: int = 4) -> int:
    """Count the n-grams that the text has more often than the reference."""

    def grams(words: list[str]) -> Counter:
        return Counter(tuple(words[i : i + size]) for i in range(len(words) - size + 1))

    extra = grams(text.casefold().split()) - grams(reference.casefold().split())
    return sum(count for gram, count in extra.items() if grams(text.casefold().split())[gram] > 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--model", help="folder of a model; default: that of the `offline` extra")
    parser.add_argument("--language", default="en")
    parser.add_argument("--pace", choices=["realtime", "fast"], default="realtime")
    parser.add_argument("--no-baseline", action="store_true", help="leave offline faster-whisper out")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    given.model = given.model or offline_model()
    with tempfile.TemporaryDirectory() as sessions:
        watched = run(given, sessions)
    if watched.code:
        sys.exit(f"the run ended with {watched.code}: {watched.stderr}")
    events = watched.events()
    summary = events[-1]
    text = " ".join(event["text"] for event in events if event["event"] == "segment")
    minutes = summary["captured"] / 60
    result = {
        "audio": given.audio.name,
        "model": Path(given.model).name,
        "pace": given.pace,
        "samples": summary["samples"],
        "coverage": summary["coverage"],
        "segment_text_is_its_commits": faithful(events),
        "gaps": summary["gaps"],
        "words": summary["words"],
        "real_time_factor": summary["real_time_factor"],
        "wall_s": round(watched.wall, 1),
        "core_rss_peak_mb": round(max(watched.core) / 1e6, 1),
        "core_rss_first_last_mb": [round(watched.core[i] / 1e6, 1) for i in (len(watched.core) // 4, -2)],
        "core_cpu_percent": round(100 * watched.cpu / watched.wall, 1),
        "children_rss_peak_mb": round(max(watched.children) / 1e6, 1),
        "event_kb_a_minute": round(sum(len(line) for _, line in watched.lines) / 1e3 / minutes, 1),
        "revised_partials": round(revisions(events), 3),
    }
    if given.pace == "realtime":
        for name, values in (("commit_latency_s", latencies(events)), ("first_seen_s", first_seen(events))):
            result[name] = {f"p{share}": round(percentile(values, share / 100) or 0, 2) for share in (50, 95, 99)}
    if reference := reference_of(given.audio, given.reference):
        result["wer_percent"] = round(word_error_rate(reference, text, given.language), 2)
        result["repeated_4grams"] = repeated(text, reference)
        if not given.no_baseline:
            command = [sys.executable, "-c", BASELINE, given.model, str(given.audio), given.language, "2"]
            offline = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            result["wer_percent_offline"] = round(word_error_rate(reference, offline, given.language), 2)
    print(json.dumps(result) if given.json else table(result.items()))


if __name__ == "__main__":
    main()
