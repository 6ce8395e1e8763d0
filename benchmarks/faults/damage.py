"""Cut each file of a session short, and turn single bits over: what is noticed, what is kept, what is whole again.

    cd benchmarks && python -m faults.damage [--flips 1000] [--step 1024] [--seed 1] [--without PROTECTION]

A finished session, and one killed while its disk failed, so that its emergency files hold a part of it. Each is
damaged in a fresh copy: each file cut at each multiple of `--step` bytes, and `--flips` single bits anywhere. Then
`verify`, recovery, recovery again, and `verify`. `--without` takes a protection away, to show that the bench can fail:
the checksums of `journal`, `audio`, `emergency`, `manifest`, `events` or `marks` (the table meta), or the comparison of
the `tables` with the events. It exits with 1 if anything is wrong.
Linux, with a C compiler; the sessions are made by two short runs with the model of the `offline` extra.
"""

import argparse
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
from array import array
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from measuring import TRANSCRIBER, offline_model
from transcriber.adapters import recovery_track, session_folder_manifest, transcript_db_schema
from transcriber.adapters.recording import read_extent, read_pieces
from transcriber.adapters.recovery import recover
from transcriber.adapters.recovery_verify import verify
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_manifest import read_manifest
from transcriber.adapters.transcript_db_replay import Replay
from transcriber.core import journal, piece_codec, record_log, transcript_entry, wav
from transcriber.errors import StorageError
from transcriber.types import Block, Position, TrackName

HERE = Path(__file__).parent
SPEECH = HERE.parents[1] / "examples" / "speech.flac"
TRACK = TrackName("track")
TABLES = ("segments", "words", "gaps", "events", "cursor")
FAILS = "fdatasync .wav 5 1000000 errno=5; pwrite transcript.db 60 1000000 errno=5"
EMERGENCY_SIZE = 400_000
KILLED_AFTER = 8.0
EXPECTED = ("the session is unfinished", "are accounted for", "are committed and in no segment", "and not named")
"""What `verify` may say of a recovered session: what `resume` still has to do, and gaps that the journal names."""


def make_sessions(folder: Path) -> dict[str, Path]:
    """Record the two sessions."""
    shim = folder / "shim.so"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", shim, HERE / "shim.c", "-ldl"], check=True)
    run = [*TRANSCRIBER, "run", "--source", f"{TRACK}=file:{SPEECH}", "--model", offline_model(), "--language", "en"]
    run += ["--no-status", "--log-level", "error", "--format", "jsonl", "--sessions"]
    environment = os.environ | {"TRANSCRIBER_STORAGE__EMERGENCY_SIZE": str(EMERGENCY_SIZE)}
    subprocess.run([*run, folder / "finished", "--pace", "fast"], env=environment, check=True, capture_output=True)
    faulty = environment | {"LD_PRELOAD": str(shim), "FAULTS": FAILS}
    with subprocess.Popen([*run, folder / "killed"], env=faulty, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        time.sleep(KILLED_AFTER)
        process.kill()
        process.stdout.read()
    return {name: next((folder / name).iterdir()) for name in ("finished", "killed")}


@dataclass(frozen=True)
class Damage:
    """What is done to a copy: `file` ends at byte `at`, or has the bit `bit` of that byte turned over."""

    file: Path
    at: int
    bit: int | None = None

    def strike(self, session: Path) -> None:
        with (session / self.file).open("r+b") as file:
            if self.bit is None:
                file.truncate(self.at)
                return
            file.seek(self.at)
            byte = file.read(1)[0]
            file.seek(self.at)
            file.write(bytes([byte ^ 1 << self.bit]))

    @property
    def kind(self) -> str:
        name = self.file.parts[0] if len(self.file.parts) > 1 else self.file.name
        name = self.file.as_posix() if name == "emergency" else name
        return f"{name}, {'cut' if self.bit is None else 'flip'}"

    def touches(self, start: int, end: int) -> bool:
        """Whether bytes `[start, end)` of the file are not what they were."""
        return self.at < end and (self.bit is None or self.at >= start)


@dataclass(frozen=True)
class Content:
    """What a session holds: the samples by position (None where they are missing), and the rows of the transcript."""

    samples: list[int | None]
    rows: dict[str, list]

    @classmethod
    def of(cls, path: Path) -> "Content":
        session = SessionFolder.view(path)
        samples: list[int | None] = []
        for track in session.tracks:
            extent = read_extent(session.journal(track))
            for piece in read_pieces(session.audio(track), extent.gaps, Position(0), extent.durable):
                gone = [None] * (piece.end - piece.start)
                samples += array("h", piece.pcm) if isinstance(piece, Block) else gone
        with closing(sqlite3.connect(session.database)) as database:
            rows = {table: database.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}  # noqa: S608 - constants
        return cls(samples, rows)

    def text(self) -> set[tuple]:
        """Return the rows of the transcript without their numbers; a word may be in no segment yet."""
        words = {row[1:-1] for row in self.rows["words"]}
        return words | {row[1:] for table in ("segments", "gaps") for row in self.rows[table]}


@dataclass
class Original:
    """A session before it is damaged, and what recovery makes of it then."""

    path: Path
    content: Content = field(init=False)
    findings: set[str] = field(init=False)
    vouched: list[tuple[int, int]] = field(init=False)
    held: list[tuple[int, int, int, int]] = field(init=False)

    def __post_init__(self) -> None:
        session = SessionFolder.view(self.path)
        self.findings = set(verify(session).findings)
        found = journal.scan(session.journal(TRACK).read_bytes())
        self.vouched = [(record.start, record.end) for record in found if isinstance(record, journal.Audio)]
        self.held = []
        with suppress(FileNotFoundError):
            data = session.emergency(TRACK).read_bytes()
            for offset, content in record_log.scan(lambda start, size: data[start : start + size]):
                piece = piece_codec.decode(content)
                end = offset + record_log.SLOT + len(content)
                self.held.append((offset, end, piece.start, piece.end))

    def files(self) -> list[Path]:
        return sorted(path.relative_to(self.path) for path in self.path.rglob("*") if path.is_file())

    def may_be_lost(self, damage: Damage) -> int:
        """Return how many samples were nowhere but in the bytes that were changed, or share their checksum."""
        durable = self.vouched[-1][1]
        if damage.file.suffix == ".wav":
            if damage.bit is None:
                return max(0, durable - wav.whole_samples(damage.at))
            spans = [(wav.byte_offset(start), wav.byte_offset(end - 1) + 2, end - start) for start, end in self.vouched]
            return sum(length for first, last, length in spans if damage.touches(first, last))
        if damage.file == Path("emergency") / TRACK:
            return sum(
                end - max(start, durable) for first, last, start, end in self.held if damage.touches(first, last)
            )
        return 0


def damages(original: Original, step: int, flips: int, chance: random.Random) -> Iterator[Damage]:
    """Yield every cut, then as many flips, each byte of the session as likely as any other."""
    files = original.files()
    sizes = [(original.path / file).stat().st_size for file in files]
    for file, size in zip(files, sizes, strict=True):
        yield from (Damage(file, at) for at in range(0, size, step))
    for file in chance.choices(files, sizes, k=flips // 2):
        size = sizes[files.index(file)]
        yield Damage(file, chance.randrange(size), chance.randrange(8))
    small = [(file, size) for file, size in zip(files, sizes, strict=True) if size]
    for file, size in (chance.choice(small) for _ in range(flips - flips // 2)):
        yield Damage(file, chance.randrange(size), chance.randrange(8))


def tree(path: Path) -> dict[str, bytes]:
    """Return the files whose bytes recovery must not change twice; SQLite counts its openings in its own."""
    skipped = ("transcript.db", "lock")
    return {str(file): file.read_bytes() for file in path.rglob("*") if file.is_file() and file.name not in skipped}


@dataclass
class Outcome:
    """What became of one damaged copy: `marks` are counted, `notes` are printed where something is wrong."""

    marks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def judge(original: Original, damage: Damage, copy: Path) -> Outcome:
    """Damage a copy, verify it, recover it twice, and verify it again."""
    outcome = Outcome()
    damage.strike(copy)
    try:
        noticed = set(verify(SessionFolder.view(copy)).findings) != original.findings
    except StorageError:
        noticed = True
    outcome.marks.append("noticed" if noticed else "unnoticed")
    try:
        session = SessionFolder.open(copy)
    except StorageError as error:
        outcome.marks.append("refused")
        outcome.notes.append(f"refused: {error}")
        return outcome
    try:
        report = recover(session)
        before = tree(copy)
        again = recover(session)
        if again.actions or tree(copy) != before:
            outcome.marks.append("changed twice")
            outcome.notes.append(f"the second recovery: {again.actions}")
    finally:
        session.close()
    if report.transcript_cut:
        outcome.marks.append("transcript cut")
    left = [line for line in verify(SessionFolder.view(copy)).findings if not any(part in line for part in EXPECTED)]
    if left:
        outcome.marks.append("not sound")
        outcome.notes += left
    compare(original, damage, copy, outcome, noticed=noticed)
    return outcome


def compare(original: Original, damage: Damage, copy: Path, outcome: Outcome, *, noticed: bool) -> None:
    """Compare what is there with what was, and with what could be kept."""
    content = Content.of(copy)
    pairs = list(zip(original.content.samples, content.samples, strict=False))
    lost = sum(was is not None and now is None for was, now in pairs)
    lost += sum(was is not None for was in original.content.samples[len(pairs) :])
    wrong = sum(now is not None and was != now for was, now in pairs)
    allowed = original.may_be_lost(damage)
    if lost:
        outcome.marks.append("sound lost")
    if lost > allowed:
        outcome.marks.append("lost too much")
        outcome.notes.append(f"{lost} samples lost, {allowed} were in what was damaged")
    if wrong:
        outcome.marks.append("wrong samples")
        outcome.notes.append(f"{wrong} samples are not what was recorded")
    for track, position, *_ in content.rows["cursor"]:
        kept = {row[1] for row in content.rows["segments"]}
        gone = [row[1] for row in original.content.rows["segments"] if row[2] == track and row[4] <= position]
        if unsaid := [name for name in gone if name not in kept]:
            outcome.marks.append("text lost")
            outcome.notes.append(f"the cursor is behind segments that are not there: {unsaid}")
    texts = {table: {row[1:] for row in content.rows[table]} for table in ("segments", "words", "gaps")}
    if invented := [
        row for table, rows in texts.items() for row in rows - {r[1:] for r in original.content.rows[table]}
    ]:
        outcome.marks.append("wrong text")
        outcome.notes.append(f"{len(invented)} rows of the transcript are not what was said")
    same = content == original.content and read_manifest(copy) == read_manifest(original.path)
    if not noticed and not same:
        tables = [table for table in TABLES if content.rows[table] != original.content.rows[table]]
        outcome.marks.append("unnoticed, and it matters")
        outcome.notes.append(f"unnoticed change: {', '.join(tables) or 'samples or session.json'}")


def campaign(name: str, original: Original, given: argparse.Namespace, folder: Path) -> dict[str, Counter]:
    """Return, for each kind of damage, how often what happened."""
    copy = folder / "copy"
    shutil.copytree(original.path, copy)
    session = SessionFolder.open(copy)
    recover(session)
    session.close()
    original.content = Content.of(copy)
    shutil.rmtree(copy)
    counts: dict[str, Counter] = {}
    told = Counter()
    for damage in damages(original, given.step, given.flips, random.Random(given.seed)):  # noqa: S311 - no secret
        shutil.copytree(original.path, copy)
        try:
            outcome = judge(original, damage, copy)
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            frame = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(frame.filename).name}:{frame.lineno}"
            outcome = Outcome(["crashed"], [f"crashed: {type(error).__name__}: {error} ({where})"])
        shutil.rmtree(copy)
        row = counts.setdefault(f"{name}: {damage.kind}", Counter())
        row.update(["copies", *outcome.marks])
        for note in outcome.notes:
            told[damage.kind] += 1
            if told[damage.kind] <= given.notes:
                where = "cut" if damage.bit is None else f"bit {damage.bit}"
                print(f"{name}: {damage.file} at {damage.at}, {where}: {note}", file=sys.stderr)
    return counts


COLUMNS = (
    *(
        "copies",
        "noticed",
        "unnoticed",
        "unnoticed, and it matters",
        "sound lost",
        "lost too much",
        "wrong samples",
        "text lost",
        "wrong text",
    ),
    *("transcript cut", "changed twice", "not sound", "refused", "crashed"),
)
WRONG = (
    *("unnoticed, and it matters", "lost too much", "wrong samples", "text lost", "wrong text"),
    *("changed twice", "not sound", "refused", "crashed"),
)


class _Equal:
    """Is equal to everything: a checksum that nobody looks at."""

    def __eq__(self, _other: object) -> bool:
        return True

    def __ne__(self, _other: object) -> bool:
        return False

    __hash__ = object.__hash__


class _Number(_Equal, int):
    pass


class _Text(_Equal, str):
    __slots__ = ()


class _NoChecksums:
    """Stands for the module zlib."""

    @staticmethod
    def crc32(*_: object) -> int:
        return _Number()


WITHOUT = {
    "journal": (journal, "zlib", _NoChecksums),
    "audio": (recovery_track, "zlib", _NoChecksums),
    "emergency": (record_log, "zlib", _NoChecksums),
    "manifest": (session_folder_manifest, "_check", lambda _: _Text()),
    "events": (transcript_entry, "zlib", _NoChecksums),
    "marks": (transcript_db_schema, "zlib", _NoChecksums),
    "tables": (Replay, "_differences", lambda *_: ()),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", type=int, default=1_000, help="for each of the two sessions")
    parser.add_argument("--step", type=int, default=1_024)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--notes", type=int, default=3, help="details of each kind of damage")
    parser.add_argument("--without", choices=tuple(WITHOUT), help="a protection that is taken away")
    given = parser.parse_args()
    fast = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - only to be fast
    with tempfile.TemporaryDirectory(dir=fast) as folder:
        originals = {name: Original(path) for name, path in make_sessions(Path(folder)).items()}
        if given.without:
            setattr(*WITHOUT[given.without])
        counts: dict[str, Counter] = {}
        for name, original in originals.items():
            counts |= campaign(name, original, given, Path(folder))
    print("| damage |", " | ".join(COLUMNS), "|")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for kind, row in counts.items():
        print(f"| {kind} |", " | ".join(str(row[column]) for column in COLUMNS), "|")
    sys.exit(any(row[column] for row in counts.values() for column in WRONG))


if __name__ == "__main__":
    main()
