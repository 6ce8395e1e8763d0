"""Each call on each file of a session fails once, for a minute, or for good, with each error of a disk: what is lost.

    cd benchmarks && python -m faults.errors --audio SPEECH [--only PART] [--jobs 4] [--results FILE] [--without STEP]

Live runs at real pace under `shim.c`, in the middle of which a fault strikes: the cases and what must come of each are
in `error_cases.py`, what is compared in `tapped.py`. The exit code is 1 if a case came out differently. `--without`
takes a protective step away, in the cases that it protects: then it should be. Linux, with a C compiler and ffmpeg; the
model is that of the `offline` extra.
"""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from faults.error_cases import cases
from faults.tapped import Case, TappedBench, run_all
from measuring import offline_model

WITHOUT = {
    "another-descriptor": ("a sync of the recording fails once",),
    "sync-before-acknowledging": ("a sync of the recording fails once",),
    "continued-writes": ("writes are short: recording", "writes are short: journal"),
    "emergency-file": ("the recording fails for good", "a sync of the transcript fails for good"),
    "deadline": ("a sync takes 60 s: recording",),
    "memory": ("the recording and its emergency file fail once",),
}
"""Protective steps, and the cases that must fail without each."""


def chosen(only: str, without: str) -> list[Case]:
    """Return the cases to run."""
    if not without:
        return [case for case in cases() if only in str(case)]
    found = [case for case in cases() if str(case).startswith(WITHOUT[without]) and only in str(case)]
    nothing_reserved = {"TRANSCRIBER_STORAGE__EMERGENCY_SIZE": "0"} if without == "emergency-file" else {}
    return [replace(case, settings={**case.settings, **nothing_reserved}) for case in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=4, help="runs at once")
    parser.add_argument("--only", default="", help="the cases that have this in their name")
    parser.add_argument("--without", choices=tuple(WITHOUT), default="")
    parser.add_argument("--results", type=Path, help="append one line of JSON for each case to this file")
    parser.add_argument("--list", action="store_true", help="only name the cases")
    parser.add_argument("--model")
    given = parser.parse_args()
    selected = chosen(given.only, given.without)
    if given.list:
        sys.exit("\n".join(map(str, selected)))
    with tempfile.TemporaryDirectory() as folder:
        bench = TappedBench(Path(folder), given.audio, given.model or offline_model(), without=given.without)
        sys.exit(not run_all(bench, selected, jobs=given.jobs, results=given.results))


if __name__ == "__main__":
    main()
