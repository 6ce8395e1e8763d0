"""What a running session writes to is removed, moved, unmounted or made read-only under its hands: what is lost.

    cd benchmarks && sudo python -m faults.removed --audio SPEECH [--only PART] [--jobs 4] [--without presence]

Live runs at real pace, each on a file system of its own (ext4 in a file), in the middle of which it happens; then as in
`faults.errors`. What was removed is gone, of course: only what came later counts as lost here. `--without presence`
takes the look whether a file is still there away, to show that the bench can fail. Linux, as root, with a C compiler.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from faults.recorded import Tapped
from faults.tapped import ANY, STAYS, UNNOTICED, Case, Running, TappedBench, run_all
from measuring import offline_model
from transcriber.types import RATE

ELSEWHERE = {"TRANSCRIBER_STORAGE__EMERGENCY_FOLDER": "{folder}/elsewhere"}
SIZE = "64M"


def remove(*parts: str):  # noqa: ANN201 - a strike
    """Return what removes parts of a session."""

    def strike(running: Running) -> None:
        note(running)
        for part in parts:
            for path in running.session.glob(part) if part else [running.session]:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    return strike


def note(running: Running) -> None:
    """Note how far the recording was when it happened."""
    (running.folder / "struck").write_text(str(Tapped.of(running.folder / "tap").acknowledged))


def move(running: Running) -> None:
    """Move the session elsewhere on its disk."""
    note(running)
    running.session.rename(running.session.with_name("moved"))


def unmount(running: Running) -> None:
    """Take the file system away; what is open stays usable."""
    note(running)
    subprocess.run(["umount", "-l", running.session.parent], check=True)


def abort(running: Running) -> None:
    """Let the file system do what it does after an error of its own: it becomes read-only, for whoever writes too."""
    note(running)
    subprocess.run(["mount", "-o", "remount,abort", running.session.parent], check=True)


def cases() -> Iterator[Case]:
    """Yield all cases."""
    gone = replace(Case("", ""), seconds=20.0, loses=True)
    unfinished = replace(gone, exits=(5,), states=STAYS)
    yield replace(gone, group="the folder of the audio is removed", strike=remove("audio/track"))
    yield replace(gone, group="the file of the audio is removed", strike=remove("audio/track/*.wav"))
    yield replace(gone, group="the journal is removed", strike=remove("journal"), loses=False)
    yield replace(
        gone, group="the emergency files are removed", strike=remove("emergency"), states=UNNOTICED, loses=False
    )
    yield replace(unfinished, group="the transcript is removed", strike=remove("transcript.db*"))
    removed = replace(unfinished, group="the whole session is removed", strike=remove(""), states=ANY)
    yield removed
    yield replace(removed, group=f"{removed.group}, the emergency files are elsewhere", settings=ELSEWHERE)
    unfinished = replace(unfinished, loses=False)
    yield replace(unfinished, group="the session is moved", strike=move)
    yield replace(unfinished, group="the file system is unmounted", strike=unmount, states=ANY)
    aborted = replace(unfinished, group="the file system becomes read-only", strike=abort)
    yield replace(aborted, states=ANY, loses=True)
    yield replace(aborted, group=f"{aborted.group}, the emergency files are elsewhere", settings=ELSEWHERE)


class RemovedBench(TappedBench):
    """Gives each case a file system, and mounts it again for the time after the run."""

    def judge(self, number: int, case: Case) -> dict[str, object]:
        folder = self.folder / f"disk-{number}"
        folder.mkdir()
        image, place = folder / "image", self.folder / str(number) / "sessions"
        subprocess.run(["truncate", "-s", SIZE, image], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
        place.mkdir(parents=True)
        mount(image, place)
        (place / "lost+found").rmdir()
        try:
            return super().judge(number, case)
        finally:
            subprocess.run(["umount", "-l", place], check=False)
            image.unlink()

    def run(self, folder: Path, case: Case) -> subprocess.CompletedProcess[str]:
        ended = super().run(folder, case)
        place = folder / "sessions"
        if place.is_mount():
            subprocess.run(["umount", place], check=True)
        mount(self.folder / f"disk-{folder.name}" / "image", place)
        return ended

    def since(self, folder: Path, case: Case) -> int:
        return int((folder / "struck").read_text()) + RATE if case.loses else 0


def mount(image: Path, place: Path) -> None:
    subprocess.run(["mount", "-o", "loop", image, place], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=4, help="runs at once")
    parser.add_argument("--only", default="", help="the cases that have this in their name")
    parser.add_argument("--without", choices=("presence",), default="")
    parser.add_argument("--results", type=Path, help="append one line of JSON for each case to this file")
    parser.add_argument("--model")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = RemovedBench(Path(folder), given.audio, given.model or offline_model(), without=given.without)
        selected = [case for case in cases() if given.only in str(case)]
        sys.exit(not run_all(bench, selected, jobs=given.jobs, results=given.results))


if __name__ == "__main__":
    main()
