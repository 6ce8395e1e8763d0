"""What can fail below a session, and what must come of it: the cases of `errors`."""

import errno
from collections.abc import Iterator
from itertools import product

from faults.tapped import ANY, RECOVERS, STAYS, UNNOTICED, Case, kill

FULL, EVERY = ("ENOSPC", "EIO", "EROFS", "EDQUOT"), ("ENOSPC", "EIO", "EROFS", "EDQUOT", "EACCES", "EMFILE")
"""What writes and syncs may fail with, and what opening a file may."""

PARTS = {"recording": ".wav", "journal": "/journal/", "transcript": "transcript.db", "emergency file": "/emergency/"}
FOR_GOOD = 1_000_000
RUNNING = "after=4000"
"""Milliseconds after the first call on a part, when the session runs and sound is captured."""

TIMES = {"once": "1 1", "for 60 s": f"1 {FOR_GOOD} for=60000", "for good": f"1 {FOR_GOOD}"}
SECONDS = {"once": 12.0, "for 60 s": 85.0, "for good": 12.0}
"""Seconds that a run takes: enough for the disk to be tried again after the trouble."""


def effect(name: str) -> str:
    return f"errno={getattr(errno, name)}"


def call_of(part: str, call: str) -> str:
    """Return the call by which a part is written: SQLite has another than Python."""
    return "pwrite" if (part, call) == ("transcript", "write") else call


def cases() -> Iterator[Case]:
    """Yield all cases."""
    yield Case("nothing fails", "", states=UNNOTICED, seconds=85.0)
    yield from writing()
    yield from killed()
    yield from opening()
    yield from naming()
    yield from slowly()
    yield from both()
    yield from whole_disk()


def writing() -> Iterator[Case]:
    """Yield those in which a call on a part fails once it is in use."""
    for part, call, times, error in product(
        ("recording", "journal", "transcript"), ("write", "fdatasync"), TIMES, FULL
    ):
        rule = f"{call_of(part, call)} {PARTS[part]} {TIMES[times]} {RUNNING} {effect(error)} forget"
        good = times == "for good"
        yield Case(
            group=f"a {call.replace('fdatasync', 'sync')} of the {part} fails {times}",
            what=error,
            rules=(rule,),
            exits=(5,) if good else (0,),
            states=STAYS if good else RECOVERS,
            seconds=SECONDS[times],
        )
    for part, error in product(("/audio/track", "/journal"), FULL):
        yield Case("the first sync of a folder fails", f"{part} {error}", (f"fsync {part} 1 1 {effect(error)}",))
    # What fails first is the sync; then nothing can be opened any more.
    for part, error in product(("recording", "journal", "transcript"), EVERY):
        rules = (
            f"fdatasync {PARTS[part]} 1 1 {RUNNING} errno=5",
            f"open {PARTS[part]} 1 {FOR_GOOD} {RUNNING} {effect(error)}" if part != "transcript" else "",
            f"open {PARTS[part]} 2 {FOR_GOOD} {effect(error)}" if part != "transcript" else "",
        )
        if part == "transcript":
            rules = (rules[0], f"open {PARTS[part]} 4 {FOR_GOOD} {effect(error)}")
        yield Case(
            "after an error nothing can be opened again", f"{part} {error}", tuple(filter(None, rules)), (5,), STAYS
        )


def killed() -> Iterator[Case]:
    """Yield such, of which the whole program is killed."""
    for part, call, error in product(("recording", "journal", "transcript"), ("write", "fdatasync"), ("ENOSPC", "EIO")):
        rule = f"{call_of(part, call)} {PARTS[part]} 1 {FOR_GOOD} {RUNNING} {effect(error)} forget"
        yield Case(f"the {part} fails, and the program is killed", f"{call} {error}", (rule,), (-9,), STAYS, kill)


def opening() -> Iterator[Case]:
    """Yield those in which a file cannot be opened, or begun."""
    for part, error in product(("journal", "transcript"), EVERY):
        rule = f"open {PARTS[part]} 1 1 {effect(error)}"
        yield Case("a file cannot be opened at the start", f"{part} {error}", (rule,), (5,), UNNOTICED, begins=False)
    for part, error in product(("journal", "transcript"), FULL):
        rule = f"{call_of(part, 'write')} {PARTS[part]} 1 1 {effect(error)}"
        yield Case("a file cannot be written at the start", f"{part} {error}", (rule,), (5,), UNNOTICED, begins=False)
    for error in EVERY:
        rule = f"open .wav 1 1 {effect(error)}"
        yield Case("the first file of the audio cannot be opened", error, (rule,))
    for error, times in product(EVERY, ("once", "for good")):
        # The second of two files of five minutes, at full speed; without a model it is the recording alone that counts.
        yield Case(
            "the next file of the audio cannot be opened",
            f"{error} {times}",
            (f"open 000002.wav {TIMES[times]} {effect(error)}",),
            exits=(5,) if times == "for good" else (4,),
            states=STAYS if times == "for good" else RECOVERS,
            seconds=310.0,
            live=False,
        )


def naming() -> Iterator[Case]:
    """Yield those in which a rename fails."""
    for error in FULL:
        rule = f"rename session.json 1 1 {effect(error)}"
        yield Case("the rename of `session.json` fails", error, (rule,), (5,), UNNOTICED, begins=False)
    for error, times in product(FULL, ("once", "for good")):
        yield Case(
            "the rename of `clean` fails",
            f"{error} {times}",
            (f"rename /clean {TIMES[times]} {effect(error)}",),
            exits=(5,),
            states=UNNOTICED,
        )


def slowly() -> Iterator[Case]:
    """Yield those in which writes are short, or take their time."""
    for part, size in product(("recording", "journal", "transcript"), ("short=1", "short=1000")):
        # Of a short write SQLite makes an error of its own, a full disk; Python's are continued.
        states = ((), *RECOVERS) if part == "transcript" else UNNOTICED
        count = 3 if size == "short=1" else FOR_GOOD
        rule = f"{call_of(part, 'write')} {PARTS[part]} 1 {count} {RUNNING} {size}"
        stays = part == "transcript" and count == FOR_GOOD
        yield Case("writes are short", f"{part} {size}", (rule,), (5,) if stays else (0,), STAYS if stays else states)
    fails = f"fdatasync .wav 1 {FOR_GOOD} {RUNNING} errno=5"
    for size in ("short=1", "short=1000"):
        short = f"write /emergency/ 1 {3 if size == 'short=1' else FOR_GOOD} {RUNNING} {size}"
        yield Case("writes are short", f"emergency file {size}", (fails, short), (5,), STAYS)
    for part in ("recording", "journal", "transcript"):
        stall = f"fdatasync {PARTS[part]} 1 1 {RUNNING} delay="
        yield Case("a sync takes 5 s", part, (f"{stall}5000",), (0,), UNNOTICED, seconds=16)
        yield Case("a sync takes 60 s", part, (f"{stall}60000",), (0,), RECOVERS, seconds=85)
    yield Case(
        "every sync takes 5 s", "for 20 s", (f"fdatasync * 1 {FOR_GOOD} {RUNNING} for=20000 delay=5000",), (0,), ()
    )


def both() -> Iterator[Case]:
    """Yield those in which the emergency file fails as well."""
    for part, call, error in product(("recording", "transcript"), ("write", "fdatasync"), ("ENOSPC", "EIO")):
        for times, when in TIMES.items():
            good = times == "for good"
            rules = (
                f"{call_of(part, call)} {PARTS[part]} {when} {RUNNING} {effect(error)} forget",
                f"{call} /emergency/ {when} {RUNNING} {effect(error)} forget",
            )
            yield Case(
                f"the {part} and its emergency file fail {times}",
                f"{call} {error}",
                rules,
                exits=(5,) if good and part == "transcript" else (0, 5) if good else (0,),
                states=ANY,
                seconds=24.0 if good else SECONDS[times],
                loses=times != "once",
            )
    stall = f"fdatasync .wav 1 1 {RUNNING} delay=60000;fdatasync /emergency/ 1 1 {RUNNING} delay=60000"
    yield Case("both disks take 60 s", "recording", (stall,), (0,), ANY, seconds=85.0, loses=True)
    stall = f"fdatasync transcript.db 1 1 {RUNNING} delay=60000;fdatasync /emergency/ 1 1 {RUNNING} delay=60000"
    yield Case("both disks take 60 s", "transcript", (stall,), (0,), ANY, seconds=85.0)


def whole_disk() -> Iterator[Case]:
    """Yield those in which every call on every file of the session fails; the emergency files are on another disk."""
    for error, times in product(FULL, ("for 60 s", "for good")):
        good = times == "for good"
        yield Case(
            f"the whole disk fails {times}, with the emergency files on another",
            error,
            (f"any /sessions/ {TIMES[times]} {RUNNING} {effect(error)} forget",),
            exits=(5,) if good else (0,),
            states=STAYS if good else RECOVERS,
            seconds=SECONDS[times],
            settings={"TRANSCRIBER_STORAGE__EMERGENCY_FOLDER": "{folder}/elsewhere"},
        )
