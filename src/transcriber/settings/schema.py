"""Every setting: its name, type, bounds, default and meaning, each in one place.

Times are seconds, sizes are bytes and shares are fractions of 1 unless a description says otherwise. The defaults are
the tuning guide's where they can work; `docs/settings.md` says where they cannot, and what is done instead.
"""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from transcriber.core.names import MAX_LENGTH, is_safe, safe_name
from transcriber.types import Pace

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

EngineDevice = Literal["auto", "cpu", "cuda"]
ComputeType = Literal["auto", "int8", "int8_float16", "int8_float32", "int16", "float16", "bfloat16", "float32"]
CommitPolicy = Literal["agreement", "utterance"]
LogFormat = Literal["auto", "console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]
OutputFormat = Literal["text", "jsonl"]
Archive = Literal["off", "flac"]
BacklogPolicy = Literal["finish", "repair", "leave"]


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the settings file."""


def _check_name(name: str) -> None:
    if not is_safe(name):
        raise ValueError(f"name: {name!r} cannot name a folder on every platform; {safe_name(name)!r} can")


class Session(Section, frozen=True, kw_only=True):
    """Where a recording goes."""

    folder: Annotated[
        str, Meta(min_length=1, description="Folder that holds the sessions; a session is a folder in it.")
    ] = "recordings"
    name: Annotated[
        str,
        Meta(
            max_length=MAX_LENGTH,
            description="End of the name of the session's folder; empty for none.",
            extra={"accepted": f"at most {MAX_LENGTH} letters, digits, '.', '_', '-'"},
        ),
    ] = ""
    keep_days: Annotated[
        float,
        Meta(
            ge=0.0,
            le=36_500.0,
            description="Days after which a complete session is removed, at the start of a run or by `sessions prune`; "
            "0 keeps it.",
        ),
    ] = 0.0
    keep_bytes: Annotated[
        int,
        Meta(
            ge=0,
            le=1024 * 1024 * GIB,
            description="Bytes of complete sessions beyond which the oldest are removed in the same way; 0 for no "
            "limit.",
        ),
    ] = 0

    backlog: Annotated[
        BacklogPolicy,
        Meta(
            description="What `run` does beside its recording about sessions that a crash left in the folder: `finish` "
            "repairs and transcribes them, `repair` only repairs, `leave` does nothing."
        ),
    ] = "finish"

    def __post_init__(self) -> None:
        """Refuse what cannot be part of a folder's name on every platform."""
        if self.name:
            _check_name(self.name)

    @property
    def place(self) -> Path:
        """The folder that holds the sessions; `~` is the user's own."""
        return Path(self.folder).expanduser()


class Track(Section, frozen=True, kw_only=True):
    """One source, recorded and transcribed by itself."""

    name: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=MAX_LENGTH,
            description="Name of the track and of its folder.",
            extra={"accepted": f"at most {MAX_LENGTH} letters, digits, '.', '_', '-'"},
        ),
    ]
    source: Annotated[
        str, Meta(min_length=1, description="What to record: `loopback[:NAME]`, `microphone[:NAME]`, `file:PATH`, …")
    ]
    fallbacks: Annotated[
        tuple[str, ...],
        Meta(max_length=8, description="Sources to go on with, in this order, while the first one is gone."),
    ] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be the name of a folder on every platform."""
        _check_name(self.name)


class Capture(Section, frozen=True, kw_only=True):
    """How audio is taken from a source."""

    pace: Annotated[
        Pace,
        Meta(description="How fast a file is read: as it sounds, or as fast as it is taken. Devices have their own."),
    ] = "realtime"
    block: Annotated[float, Meta(ge=0.03, le=0.128, description="Seconds of audio read from a device at a time.")] = (
        0.04
    )
    device_buffer: Annotated[
        float,
        Meta(
            ge=0.1,
            le=10.0,
            description="Seconds of audio that WASAPI holds for a late reader; PulseAudio holds 2 s or more.",
        ),
    ] = 0.5


class Buffering(Section, frozen=True, kw_only=True):
    """The shock absorber of each track between capture and disk."""

    pool_size: Annotated[
        int, Meta(ge=64 * KIB, le=2 * GIB, description="Bytes of audio held in memory at most, allocated in advance.")
    ] = MIB
    chunk_size: Annotated[
        int, Meta(ge=4 * KIB, le=MIB, multiple_of=2, description="Bytes handed to the disk at a time; an even number.")
    ] = 32 * KIB
    watermark: Annotated[
        float,
        Meta(
            ge=0.1,
            le=1.0,
            description="Share of the pool in use at which transcription is skipped and reads back later.",
        ),
    ] = 0.8

    def __post_init__(self) -> None:
        """Refuse a pool that cannot fill one chunk while another is being written."""
        if self.pool_size < 2 * self.chunk_size:
            raise ValueError(f"pool_size: must hold two chunks, {2 * self.chunk_size} bytes, not {self.pool_size}")

    @property
    def chunks(self) -> int:
        """Chunks of the pool: four at least, for one to be filled, one written, one between, and one on the way."""
        return max(self.pool_size // self.chunk_size, 4)


class Storage(Section, frozen=True, kw_only=True):
    """How audio reaches the disk."""

    flush_interval: Annotated[
        float, Meta(ge=0.1, le=1.0, description="Seconds of audio that a power cut can cost at most.")
    ] = 1.0
    emergency_size: Annotated[
        int,
        Meta(
            ge=0,
            le=2 * GIB,
            description="Bytes reserved at the start for what the disk cannot take later, in all; 0 for none.",
        ),
    ] = 100 * MIB
    emergency_folder: Annotated[
        str, Meta(description="Folder for that, best on another disk; empty for one in the session's own.")
    ] = ""
    least_free: Annotated[
        int,
        Meta(
            ge=0,
            le=1024 * GIB,
            description="Bytes that must be free on the disk of the sessions for a recording to begin; 0 for none.",
        ),
    ] = 200_000_000
    source_quality: Annotated[
        bool,
        Meta(description="Keep what each source delivers as well, in its own rate, channels and sample format."),
    ] = False
    archive: Annotated[
        Archive,
        Meta(
            description="`flac` makes FLAC of the audio of complete sessions at the start of a run, and of its own, "
            "once a file is full and transcribed.",
        ),
    ] = "off"

    @property
    def emergency_place(self) -> Path | None:
        """The folder for it, if it is not the session's own."""
        return Path(self.emergency_folder).expanduser().absolute() if self.emergency_folder else None


class Engine(Section, frozen=True, kw_only=True):
    """The process that holds the models."""

    model: Annotated[
        str, Meta(min_length=1, description="`auto`, the name of a Whisper model, or the folder of one.")
    ] = "auto"
    language: Annotated[
        str,
        Meta(
            pattern=r"^(auto|[a-z]{2,3})$",
            description="Language that is spoken, or `auto` to detect it.",
            extra={"accepted": "auto, or an ISO 639 code such as en"},
        ),
    ] = "auto"
    device: Annotated[EngineDevice, Meta(description="Where the model runs.")] = "auto"
    compute_type: Annotated[
        ComputeType, Meta(description="CTranslate2's type of the weights; `auto` is int8 on a CPU, float16 on CUDA.")
    ] = "auto"
    threads: Annotated[int, Meta(ge=0, le=256, description="Threads of a decode; 0 chooses by the cores.")] = 0
    ping_interval: Annotated[
        float, Meta(ge=0.1, le=60.0, description="Seconds between two signs of life asked of the engine.")
    ] = 1.0
    ping_deadline: Annotated[
        float, Meta(ge=0.5, le=120.0, description="Seconds without a sign of life after which the engine is replaced.")
    ] = 10.0
    decode_deadline: Annotated[
        float,
        Meta(ge=1.0, le=600.0, description="Seconds a decode may take, beside five times its audio, before the same."),
    ] = 30.0

    def __post_init__(self) -> None:
        """Refuse a deadline that passes before the next sign of life is even asked for."""
        if self.ping_deadline <= self.ping_interval:
            raise ValueError(f"ping_deadline: must exceed ping_interval, {self.ping_interval:g}")


class Transcription(Section, frozen=True, kw_only=True):
    """How speech is found, and when its words are fixed."""

    vad_threshold: Annotated[
        float, Meta(ge=0.05, le=0.95, description="Speech begins at this probability of speech.")
    ] = 0.5
    vad_hysteresis: Annotated[float, Meta(ge=0.0, le=0.5, description="Speech ends this far below the threshold.")] = (
        0.15
    )
    min_silence: Annotated[
        float, Meta(ge=0.1, le=5.0, description="Seconds of silence that end an utterance (hangover).")
    ] = 0.6
    pre_roll: Annotated[
        float, Meta(ge=0.0, le=1.0, description="Seconds of audio kept in front of the first speech of an utterance.")
    ] = 0.3
    max_utterance: Annotated[
        float, Meta(ge=5.0, le=30.0, description="Seconds after which an utterance is cut; Whisper hears 30 at most.")
    ] = 28.0
    partial_interval: Annotated[
        float, Meta(ge=0.1, le=10.0, description="Seconds of new speech between two decodes of an open utterance.")
    ] = 0.5
    prompt: Annotated[
        str, Meta(max_length=2000, description="Text that the model takes as said before: names, spelling, style.")
    ] = ""
    hotwords: Annotated[str, Meta(max_length=1000, description="Words to expect, separated by spaces.")] = ""
    policy: Annotated[
        CommitPolicy,
        Meta(description="Commit words once two decodes agree on them, or only when the utterance has ended."),
    ] = "agreement"

    def __post_init__(self) -> None:
        """Refuse a hysteresis under which speech would never end."""
        if self.vad_hysteresis >= self.vad_threshold:
            raise ValueError(f"vad_hysteresis: must be below vad_threshold, {self.vad_threshold:g}")


class Supervision(Section, frozen=True, kw_only=True):
    """What is done about a part that fails."""

    max_restarts: Annotated[
        int, Meta(ge=0, le=100, description="Restarts of a part within the window, before its fallback or its parent.")
    ] = 3
    window: Annotated[float, Meta(ge=1.0, le=86_400.0, description="Seconds within which restarts are counted.")] = 60.0
    delay: Annotated[float, Meta(ge=0.0, le=60.0, description="Seconds of stabilisation before a restart.")] = 0.5
    start_timeout: Annotated[float, Meta(ge=0.1, le=60.0, description="Seconds that a part may take to get ready.")] = (
        5.0
    )
    stop_timeout: Annotated[
        float, Meta(ge=0.1, le=60.0, description="Seconds that a part may take to stop before it is left behind.")
    ] = 5.0
    hang_timeout: Annotated[
        float,
        Meta(
            ge=1.0, le=600.0, description="Seconds that a part with work to do may make no progress before a restart."
        ),
    ] = 12.0
    probe_interval: Annotated[
        float,
        Meta(ge=0.5, le=3600.0, description="Seconds between two looks for a source that a fallback stands in for."),
    ] = 5.0

    def __post_init__(self) -> None:
        """Refuse a window in which a part that fails by time-out could be restarted for ever."""
        shortest = self.max_restarts * (self.delay + self.start_timeout + self.hang_timeout)
        if self.window <= shortest:
            raise ValueError(
                f"window: must exceed max_restarts x (delay + start_timeout + hang_timeout) = {shortest:g}, not "
                f"{self.window:g}: a part that fails by time-out would be restarted for ever"
            )


class Monitoring(Section, frozen=True, kw_only=True):
    """What is measured, and when it is worth an alert."""

    interval: Annotated[float, Meta(ge=0.1, le=60.0, description="Seconds between two measurements.")] = 1.0
    cpu_threshold: Annotated[
        float, Meta(ge=1.0, le=100.0, description="Per cent of all cores in use, sustained, that raise an alert.")
    ] = 80.0
    sustain: Annotated[
        float, Meta(ge=0.0, le=600.0, description="Seconds that a load must last before it raises an alert.")
    ] = 10.0
    memory_threshold: Annotated[
        int, Meta(ge=16 * MIB, le=64 * GIB, description="Bytes in memory of the core process that raise an alert.")
    ] = 100 * MIB
    engine_memory_threshold: Annotated[
        int, Meta(ge=64 * MIB, le=1024 * GIB, description="Bytes in memory of the engine that raise an alert.")
    ] = 4 * GIB
    temperature_threshold: Annotated[
        float,
        Meta(
            ge=30.0,
            le=120.0,
            description="Degrees Celsius of the processor that raise an alert, where a sensor exists.",
        ),
    ] = 85.0
    write_threshold: Annotated[
        float,
        Meta(ge=0.01, le=60.0, description="Seconds that a write to the disk may take for no alert to be raised."),
    ] = 0.5
    restart_threshold: Annotated[
        int, Meta(ge=1, le=1000, description="Restarts of failed parts within five minutes that raise an alert.")
    ] = 3
    lost_threshold: Annotated[
        float,
        Meta(ge=0.0, le=300.0, description="Seconds of sound that may be missing of five minutes without an alert."),
    ] = 1.0
    buffer_threshold: Annotated[
        float, Meta(ge=0.1, le=1.0, description="Share of a track's pool in use that raises an alert.")
    ] = 0.8
    lag_threshold: Annotated[
        float,
        Meta(ge=1.0, le=3600.0, description="Seconds that the transcript may be behind before it raises an alert."),
    ] = 30.0
    space_threshold: Annotated[
        float,
        Meta(
            ge=0.1,
            le=1000.0,
            description="Hours that the free space must last, at the pace of the recording, for no alert to be raised.",
        ),
    ] = 2.0

    alert_command: Annotated[
        tuple[str, ...],
        Meta(
            max_length=32,
            description="Program with arguments, run at each alert and its end with JSON on its input.",
        ),
    ] = ()
    alert_webhook: Annotated[
        str,
        Meta(
            pattern=r"^(https?://[^\s]+)?$",
            description="Address that the same JSON is posted to; empty for none.",
            extra={"accepted": "an address that begins with https:// or http://"},
        ),
    ] = ""


class Status(Section, frozen=True, kw_only=True):
    """The status page of `transcriber run`, for a browser on this computer."""

    enabled: Annotated[bool, Meta(description="Whether there is one.")] = True
    port: Annotated[int, Meta(ge=0, le=65_535, description="Port on the loopback; 0 for any that is free.")] = 0
    token_file: Annotated[
        str,
        Meta(
            description="File with the token for programs such as Prometheus, made if it is not there; empty for one "
            "that only the link knows."
        ),
    ] = ""


class Logs(Section, frozen=True, kw_only=True):
    """What the program tells about itself; never what was said."""

    format: Annotated[
        LogFormat,
        Meta(description="Lines for people or for a log shipper; `auto` is console on a terminal, else json."),
    ] = "auto"
    level: Annotated[LogLevel, Meta(description="The least important lines that are written.")] = "info"
    file: Annotated[str, Meta(description="File that the lines are appended to; empty for standard error.")] = ""


class Output(Section, frozen=True, kw_only=True):
    """What `transcriber run` writes to standard output."""

    format: Annotated[OutputFormat, Meta(description="Text for people, or one event a line as JSON.")] = "text"


class Settings(Section, frozen=True, kw_only=True):
    """Everything that can be set. Immutable; build a changed copy with `msgspec.structs.replace`."""

    session: Session = Session()
    tracks: Annotated[
        tuple[Track, ...], Meta(min_length=1, max_length=32, description="The sources, each on a track of its own.")
    ] = (Track(name="system", source="loopback"),)
    capture: Capture = Capture()
    buffering: Buffering = Buffering()
    storage: Storage = Storage()
    engine: Engine = Engine()
    transcription: Transcription = Transcription()
    supervision: Supervision = Supervision()
    monitoring: Monitoring = Monitoring()
    status: Status = Status()
    logs: Logs = Logs()
    output: Output = Output()

    def __post_init__(self) -> None:
        """Refuse two tracks whose folders would be the same one, on a file system that ignores case too."""
        names = [track.name.casefold() for track in self.tracks]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"tracks: the name {name!r} is used twice")
