"""What `transcriber doctor` makes of the facts: a finding for each thing that a recording depends on.

Facts are values that probes found out; a finding says whether they are good enough, and if not, what to do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from transcriber.core.lines import MEGABYTE
from transcriber.core.space import HOUR, REMEDY, size_in_words
from transcriber.types import RATE, SAMPLE_BYTES, Device, SourceKind

WINDOWS_BUILD = 19_045
"""Windows 10 22H2."""

MEMORY = 1_000 * MEGABYTE
"""Bytes of memory that should be free: the core, the engine, and a small model while it decodes."""

LEAST_MEMORY = 400 * MEGABYTE
"""Bytes below which not even the smallest model fits."""

SLOW_SYNC = 0.25
"""Seconds of a write that is slow: a disk that takes so long for a block has trouble with several tracks."""

SHORT = 8 * HOUR
"""Seconds that the free space should last."""

VB_CABLE = "CABLE Output"
"""The part of its device's name that VB-Cable's versions share."""


class Verdict(StrEnum):
    """How well something is, from good to bad."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a diagnosis. `remedy` says what to do; it is empty if all is well."""

    check: str
    verdict: Verdict
    told: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The computer. `build` is that of Windows; sizes are bytes; None is what could not be found out."""

    system: str
    build: int | None
    python: str
    bits: int
    architecture: str
    avx2: bool | None
    cores: int
    memory: int
    memory_free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """Where the sessions go. `sync` is the slowest of some blocks, in seconds, from the write to the disk's word.

    `error` says why nothing can be written there. `shared`: others on the computer may look into it.
    """

    path: str
    free: int | None
    needed: int
    sync: float | None
    error: str = ""
    shared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """The sound system. `error` says why there is none. `cable`: the platform's VB-Cable can be asked for."""

    system: str
    devices: tuple[Device, ...] = ()
    error: str = ""
    cable: bool = False


@dataclass(frozen=True, slots=True)
class SourceTrial:
    """What a track's source said when it was opened: what it is and delivers, or why it cannot be opened."""

    track: str
    told: str
    works: bool


@dataclass(frozen=True, slots=True)
class AbsentModel:
    """The model would have to be fetched first."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class BrokenModel:
    """The model cannot be meant, found or loaded; `why` is a line that says what to do."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model that a child process loaded and decoded with. `fallback` says why that is not on the device wanted."""

    name: str
    origin: str
    device: str
    compute_type: str
    threads: int
    seconds: float
    fallback: str = ""


type Model = AbsentModel | BrokenModel | LoadedModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that was found out."""

    machine: Machine
    folder: Folder
    sound: Sound
    trials: tuple[SourceTrial, ...]
    model: Model
    tracks: int
    """Tracks that a run would record."""


def diagnose(facts: Facts) -> tuple[Finding, ...]:
    """Return the findings, in the order in which a recording needs what they are about."""
    return (
        *_machine(facts.machine),
        *_folder(facts.folder, facts.tracks),
        *_sound(facts.sound),
        *map(_trial, facts.trials),
        *_model(facts.model),
    )


def worst(findings: Sequence[Finding]) -> Verdict:
    """Return the worst verdict; good, if there is none."""
    return max((finding.verdict for finding in findings), key=list(Verdict).index, default=Verdict.OK)


def _ok(check: str, told: str) -> Finding:
    return Finding(check, Verdict.OK, told)


def _judge(check: str, told: str, remedy: str, *, warn: bool, fail: bool = False) -> Finding:
    if not (warn or fail):
        return _ok(check, told)
    return Finding(check, Verdict.FAIL if fail else Verdict.WARN, told, remedy)


def _machine(machine: Machine) -> Iterator[Finding]:
    old = machine.build is not None and machine.build < WINDOWS_BUILD
    yield _judge("system", machine.system, f"update to Windows 10 22H2 (build {WINDOWS_BUILD}) or later", warn=old)
    yield _judge(
        "python",
        f"{machine.python}, {machine.bits} bit",
        "install a 64-bit Python: the engine's libraries have no other",
        warn=False,
        fail=machine.bits < 64,  # noqa: PLR2004 - as the remedy says
    )
    about = {True: ", AVX2", False: ", no AVX2", None: ""}[machine.avx2]
    yield _judge(
        "processor",
        f"{machine.architecture}, {_count(machine.cores, 'core')}{about}",
        "decodes will be slow: take a small model, as in --model tiny",
        warn=machine.avx2 is False or machine.cores < 2,  # noqa: PLR2004 - one to record, one to transcribe
    )
    yield _judge(
        "memory",
        f"{size_in_words(machine.memory_free)} of {size_in_words(machine.memory)} are free",
        "close other programs, or take a small model, as in --model tiny",
        warn=machine.memory_free < MEMORY,
        fail=machine.memory_free < LEAST_MEMORY,
    )


def _folder(folder: Folder, tracks: int) -> Iterator[Finding]:
    if folder.error:
        yield Finding("sessions", Verdict.FAIL, folder.path, folder.error)
        return
    yield _judge(
        "sessions",
        f"{folder.path} can be written" + (", and others may look into it" if folder.shared else ""),
        f"chmod 700 {folder.path}: a session's own folder is private, its name is not",
        warn=folder.shared,
    )
    if folder.free is None:
        yield Finding("space", Verdict.WARN, "the disk does not tell what is free", REMEDY)
    else:
        duration = folder.free / (max(1, tracks) * RATE * SAMPLE_BYTES)
        yield _judge(
            "space",
            f"{size_in_words(folder.free)} are free, enough for {duration / HOUR:.0f} h of {_count(tracks, 'track')}",
            REMEDY,
            warn=duration < SHORT,
            fail=folder.free < folder.needed,
        )
    if folder.sync is not None:
        yield _judge(
            "disk",
            f"the slowest block was on disk after {folder.sync * 1000:.1f} ms",
            "choose a --sessions folder on a local disk; see whether something else keeps this one busy",
            warn=folder.sync > SLOW_SYNC,
        )


def _sound(sound: Sound) -> Iterator[Finding]:
    if sound.error:
        remedy = "start PulseAudio, PipeWire or the Windows Audio service, or record what needs none: file:PATH, pcm:-"
        yield Finding("sound", Verdict.WARN, sound.error, remedy)
        return
    yield _ok("sound", sound.system)
    for kind, remedy in (
        (SourceKind.LOOPBACK, "check that an output is plugged in and not disabled"),
        (SourceKind.MICROPHONE, "plug one in, and allow programs to use it in the system's privacy settings"),
    ):
        able = [device for device in sound.devices if device.kind is kind]
        default = next((device for device in able if device.default), None)
        told = f"{default.name} ({default.format})" if default else f"{len(able)} found, none of them the default"
        yield _judge(str(kind), told, remedy, warn=default is None)
    if sound.cable:
        cable = next((device.name for device in sound.devices if VB_CABLE in device.name), None)
        yield _ok("vb-cable", cable or "not installed; it is needed only to record one program apart from the others")


def _trial(trial: SourceTrial) -> Finding:
    remedy = "see what there is: transcriber devices; and name it with --source"
    return _judge(f"track {trial.track}", trial.told, remedy, warn=False, fail=not trial.works)


def _model(model: Model) -> Iterator[Finding]:
    match model:
        case AbsentModel(name, size):
            told = f"{name} is not on this machine: it would be fetched first, {size_in_words(size)}"
            yield Finding("model", Verdict.WARN, told, f"transcriber models fetch {name}")
        case BrokenModel(why):
            yield Finding("model", Verdict.FAIL, "there is no model to transcribe with", why)
        case LoadedModel():
            yield _ok("model", f"{model.name} from {model.origin}, loaded and tried in {model.seconds:.1f} s")
            where = "CUDA" if model.device == "cuda" else f"the processor, {_count(model.threads, 'thread')}"
            yield _judge(
                "gpu",
                f"a decode works on {where}, {model.compute_type}" + (f"; {model.fallback}" if model.fallback else ""),
                'install cuBLAS and cuDNN 9 for CUDA 12 (docs/models.md), or set engine.device = "cpu"',
                warn=bool(model.fallback),
            )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
