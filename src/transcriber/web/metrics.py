"""A snapshot in the text format of Prometheus, version 0.0.4."""

import math
from collections.abc import Iterator

from transcriber.core.snapshot import LinkSnapshot, Snapshot, TrackSnapshot
from transcriber.web.board import Board

type Sample = tuple[str, float | None]
"""Labels, as they stand between the braces, and a value; None is left out."""


def exposition(board: Board) -> str:
    """Return the metrics of a run. Names end in their unit, counters in `_total`."""
    lines: list[str] = []
    for name, kind, meaning, samples in _families(board):
        known = [(labels, value) for labels, value in samples if value is not None]
        if known:
            lines += [f"# HELP transcriber_{name} {meaning}", f"# TYPE transcriber_{name} {kind}"]
            lines += [f"transcriber_{name}{labels and f'{{{labels}}}'} {_number(value)}" for labels, value in known]
    return "\n".join(lines) + "\n"


type Family = tuple[str, str, str, list[Sample]]


def _families(board: Board) -> Iterator[Family]:
    info = _labels(session=board.session, model=board.model, engine=board.engine, state=board.state)
    yield "run_info", "gauge", "What runs.", [(info, 1)]
    yield "elapsed_seconds", "counter", "Since the session began to run.", [("", board.elapsed)]
    alerts: list[Sample] = [(_labels(alert=alert.name, track=alert.track or ""), 1) for alert in board.alerts]
    yield "alert", "gauge", "An alert that is on.", alerts
    if (snapshot := board.snapshot) is not None:
        yield from _of_run(snapshot)
        yield from _of_tracks(snapshot.tracks)


def _of_run(snapshot: Snapshot) -> Iterator[Family]:
    cores: list[Sample] = [(_labels(core=str(n)), busy / 100) for n, busy in enumerate(snapshot.cores)]
    yield "machine_cpu_ratio", "gauge", "Share of a core of the machine in use.", cores
    yield "machine_temperature_celsius", "gauge", "Of the processor.", [("", snapshot.temperature)]
    processes = [(_labels(process=process.name), process) for process in snapshot.processes]
    yield "process_cpu_ratio", "gauge", "Cores in use by a process.", [(at, p.cpu / 100) for at, p in processes]
    yield "process_resident_bytes", "gauge", "Memory of a process.", [(at, p.memory) for at, p in processes]
    yield "process_priority", "gauge", "Niceness of a process.", [(at, p.priority) for at, p in processes]
    disk = snapshot.disk
    latency: list[Sample] = [
        ('quantile="0.5"', disk.p50),
        ('quantile="0.99"', disk.p99),
        ('quantile="1"', disk.slowest),
    ]
    yield "disk_write_seconds", "gauge", "Calls of the disk thread: the newest 512, and the slowest of all.", latency
    yield "disk_write_recent_seconds", "gauge", "Slowest call of the last 10 s.", [("", disk.recent)]
    yield "disk_calls_total", "counter", "Calls of the disk thread.", [("", disk.calls)]
    yield "disk_waiting", "gauge", "Calls that wait or run.", [("", disk.waiting)]
    yield "disk_hung_total", "counter", "Disk threads that were abandoned.", [("", disk.hung)]
    yield "disk_free_bytes", "gauge", "Free on the disk of the session.", [("", disk.free)]
    yield "disk_lasts_seconds", "gauge", "How long that is enough at this pace.", [("", disk.lasts)]
    collector = snapshot.collector
    counts: list[Sample] = [(_labels(generation=str(n)), count) for n, count in enumerate(collector.collections)]
    yield "gc_collections_total", "counter", "Collections of the core process.", counts
    yield "gc_pause_seconds_total", "counter", "Time that they took.", [("", collector.paused)]
    yield "gc_longest_pause_seconds", "gauge", "The longest of them.", [("", collector.longest)]
    yield "restarts_total", "counter", "Restarts of failed parts.", [("", snapshot.restarts)]
    yield (
        "loop_lateness_seconds",
        "gauge",
        "Longest delay of the event loop.",
        [("", snapshot.lateness)],
    )


def _of_tracks(tracks: tuple[TrackSnapshot, ...]) -> Iterator[Family]:
    at = [(_labels(track=track.name), track) for track in tracks]
    yield "lag_seconds", "gauge", "Newest audio minus cursor.", [(where, t.lag) for where, t in at]
    yield "catch_up_seconds", "gauge", "Until the lag is gone.", [(where, t.catch_up) for where, t in at]
    yield "captured_seconds_total", "counter", "Audio captured.", [(where, t.captured) for where, t in at]
    became: list[Sample] = [
        (_labels(track=track.name, became=name), value)
        for track in tracks
        for name, value in (("text", track.transcribed), ("silence", track.silence), ("missing", track.missing))
    ]
    yield "covered_seconds_total", "counter", "What became of the audio.", became
    yield "level_dbfs", "gauge", "Peak of the newest block.", [(where, t.level) for where, t in at]
    yield "buffer_ratio", "gauge", "Share of the pool in use.", [(where, t.buffer) for where, t in at]
    yield (
        "real_time_factor",
        "gauge",
        "Decode time over its audio.",
        [(where, t.real_time_factor) for where, t in at],
    )
    latency: list[Sample] = [
        (_labels(track=track.name, quantile=name), value)
        for track in tracks
        for name, value in (("0.5", track.commit_p50), ("0.95", track.commit_p95))
    ]
    yield "commit_latency_seconds", "gauge", "From the end of a word to its commit.", latency
    for name in ("gaps", "segments", "words", "dropped"):
        yield f"{name}_total", "counter", f"{name.capitalize()} so far.", [(where, getattr(t, name)) for where, t in at]
    yield from _of_links([link for track in tracks for link in track.links])


def _of_links(links: list[LinkSnapshot]) -> Iterator[Family]:
    at = [(_labels(link=link.name), link) for link in links]
    yield "link_depth", "gauge", "Messages that wait, or are in hand.", [(where, link.depth) for where, link in at]
    yield "link_age_seconds", "gauge", "Age of the oldest.", [(where, link.age) for where, link in at]
    for name, meaning in (
        ("received", "Messages given to a link."),
        ("redelivered", "Messages delivered again after a crash."),
        ("refused", "Messages that are read back from the recording."),
        ("set_aside", "Messages that three lives crashed on."),
    ):
        yield f"link_{name}_total", "counter", meaning, [(where, getattr(link, name)) for where, link in at]


def _labels(**labels: str) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return "+Inf" if math.isinf(value) else repr(value)
