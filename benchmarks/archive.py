"""What archiving saves and costs: a session of an hour of speech, and of its original, becomes FLAC.

    python benchmarks/archive.py --audio SPEECH [--hours 1] [--original]

SPEECH is repeated until the time is full. The session is written as a recording does, with `--original` in source
quality as well, then archived and verified; it is removed afterwards. CPU seconds are those of this process, and less
noisy than the time on the wall.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import anyio
import psutil
import soundfile

from measuring import table
from transcriber.adapters.archive import archive_session
from transcriber.adapters.disk import InlineDisk
from transcriber.adapters.original_writer import write
from transcriber.adapters.recording import TrackRecording
from transcriber.adapters.recovery_verify import verify
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_manifest import TrackEntry
from transcriber.adapters.soxr_resampler import SoxrResampler
from transcriber.core.original import Layout
from transcriber.types import RATE, AudioFormat, Block, DeviceBlock, Position, TrackName

TRACK = TrackName("speech")


def seconds_of(audio: Path, seconds: int) -> Iterator[tuple[AudioFormat, bytes]]:
    """Yield the sound of a file, over and over, a second at a time."""
    left = seconds
    while left:
        with soundfile.SoundFile(str(audio)) as file:
            form = AudioFormat(file.samplerate, file.channels)
            while (
                left and len(pcm := bytes(file.buffer_read(form.rate, dtype="int16"))) == form.rate * form.frame_bytes
            ):
                yield form, pcm
                left -= 1


async def record(audio: Path, hours: float, parent: Path, *, original: bool) -> Path:
    """Return the folder of a session that was closed in order."""
    entry = TrackEntry(name=TRACK, source=f"file:{audio}")
    session = SessionFolder.create(parent, [entry], model="none", app="0", created=datetime.now(UTC))
    track = await TrackRecording.open(session.audio(TRACK), session.journal(TRACK), InlineDisk())
    layout, resampler = Layout(), None
    for second, (form, pcm) in enumerate(seconds_of(audio, round(hours * 3600))):
        resampler = resampler or SoxrResampler(form)
        await track.append([Block(track.durable, resampler.feed(pcm))])
        if original:
            write(session.original(TRACK), layout.take(DeviceBlock(Position(second * RATE), pcm, form)))
    if resampler is not None:
        await track.append([Block(track.durable, resampler.flush())])
    await track.close()
    session.mark_clean()
    session.close()
    return session.path


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def took[T](call: Callable[[], T]) -> tuple[T, str]:
    wall, cpu = time.monotonic(), time.process_time()
    result = call()
    return result, f"{time.monotonic() - wall:.1f} s, {time.process_time() - cpu:.1f} s of CPU"


def megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--original", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as parent:
        path = anyio.run(lambda: record(given.audio, given.hours, Path(parent), original=given.original))
        memory = psutil.Process().memory_info().rss
        before = {name: size(path / name) for name in ("audio", "original")}
        _, first = took(lambda: verify(SessionFolder.view(path)))
        done, archiving = took(lambda: archive_session(path))
        report, second = took(lambda: verify(SessionFolder.view(path)))
        after = {name: size(path / name) for name in before}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        rows: list[tuple[str, object]] = [("hours of sound", given.hours), ("files", done.files)]
        for name, count in before.items():
            if count:
                share = f"{after[name] / count:.0%}"
                rows.append((f"`{name}/`", f"{megabytes(count)} → {megabytes(after[name])} ({share})"))
        faults = [finding for finding in report.findings if finding.startswith(("audio", "original", "journal"))]
        rows += [
            ("archived in", archiving),
            ("verified before, as WAV, in", first),
            ("verified after, as FLAC, in", second),
            ("memory of the process before, and at most", f"{megabytes(memory)}, {megabytes(peak)}"),
            ("faults that `verify` finds in what is archived", len(faults)),
        ]
        print(table(rows))


if __name__ == "__main__":
    main()
