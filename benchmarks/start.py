"""How long it takes until something happens: the import, the help, and the first sample of a recording.

    python benchmarks/start.py [--repeat 9]

Medians of fresh processes. `captured` is from the start of the process to the session's position 0.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from measuring import TRANSCRIBER, table

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "speech.flac"


def seconds(command: list[str]) -> float:
    began = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    return time.monotonic() - began


def until_captured() -> float:
    """Return the seconds from the start of `transcriber run` to position 0 of its track."""
    with tempfile.TemporaryDirectory() as sessions:
        began = time.time()
        command = [*TRANSCRIBER, "run", "--source", f"file:{EXAMPLE}", "--duration", "0.5", "--sessions", sessions]
        subprocess.run([*command, "--log-level", "error"], check=False, capture_output=True)
        [manifest] = Path(sessions).glob("*/session.json")
        started = json.loads(manifest.read_text())["tracks"][0]["started"]
        return datetime.fromisoformat(started).timestamp() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=9)
    given = parser.parse_args()
    bare = [sys.executable, "-c", "pass"]
    measured = {
        "python itself": lambda: seconds(bare),
        "import transcriber (python itself included)": lambda: seconds([sys.executable, "-c", "import transcriber"]),
        "transcriber --help": lambda: seconds([*TRANSCRIBER, "--help"]),
        "run: until position 0 is captured": until_captured,
    }
    rows = [
        (name, f"{statistics.median(take() for _ in range(given.repeat)):.3f} s") for name, take in measured.items()
    ]
    print(table(rows))


if __name__ == "__main__":
    main()
