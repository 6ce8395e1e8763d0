"""Log lines are what `docs/logs.md` says, hold nothing of what was said, and stop nobody."""

import ast
import json
import os
import re
import subprocess
import sys
import threading
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

import pytest

import transcriber
from transcriber.adapters.logs import open_logger
from transcriber.adapters.logs.fields import PRIVATE
from transcriber.adapters.logs.writer import DescriptorTarget, FileTarget, LogWriter
from transcriber.errors import ConfigError, StorageError
from transcriber.types import Position, Segment, SegmentId, TrackName, Word

SOURCES = Path(transcriber.__file__).parent
DOCUMENT = SOURCES.parents[1] / "docs/logs.md"
CANARY = "canary in the coal mine"


@pytest.fixture
def logged(tmp_path):
    """Log through a function, and return the lines as objects."""

    def logged(function, level="debug"):
        file = tmp_path / "lines.jsonl"
        with open_logger(level=level, file=str(file)) as log:
            function(log)
        return [json.loads(line) for line in file.read_bytes().splitlines()]

    return logged


def caused(error, by):
    error.__cause__ = by
    return error


def failing(log, error, level="error"):
    try:
        raise error
    except type(error):
        getattr(log, level)("failed", exc_info=True)


def test_a_line_begins_with_the_keys_that_every_reader_looks_for(logged):
    before = datetime.now(UTC)
    [line] = logged(lambda log: log.bind(track="me", session="s").info("started", rate=48_000, component="capture"))
    assert list(line) == ["v", "ts", "level", "event", "component", "session", "track", "rate"]
    assert (line["v"], line["level"], line["event"], line["rate"]) == (1, "info", "started", 48_000)
    assert line["ts"].endswith("Z")
    assert before <= datetime.fromisoformat(line["ts"]) <= datetime.now(UTC)


def test_lines_below_the_level_are_not_written(logged):
    def some(log):
        log.debug("a")
        log.info("b")
        log.warning("c")

    assert [line["event"] for line in logged(some, level="warning")] == ["c"]


def test_values_are_flat_and_plain(logged):
    colour = Enum("colour", {"RED": "red"}).RED
    [line] = logged(
        lambda log: log.info(
            "e",
            a={"b": {"c": 1}, "d": None},
            path=Path("x") / "y",
            kind=colour,
            many=(1, colour),
            other=object(),
            pcm=b"1",
        )
    )
    rest = {key: value for key, value in line.items() if key not in {"v", "ts", "level", "event"}}
    expected = {"a_b_c": 1, "a_d": None, "path": str(Path("x/y")), "kind": "red", "many": [1, "red"], "other": "object"}
    assert rest == expected


@pytest.mark.parametrize("value", ["half a character \udce9", 1 << 200, [1 << 200], float("nan")])
def test_a_value_that_json_has_no_form_for_is_still_a_line(logged, value):
    assert len(logged(lambda log: log.info("e", value=value))) == 1


def test_what_was_said_is_in_no_line_above_debug(logged):
    word = Word(f" {CANARY}", Position(0), Position(1), 1.0)
    segment = Segment(SegmentId("me-0"), TrackName("me"), Position(0), Position(1), (word,), "en")

    def everything(log):
        for method in (log.info, log.warning, log.error, log.critical):
            method("e", **dict.fromkeys(PRIVATE, CANARY), nested={"inner": {"text": CANARY}}, audio=CANARY.encode())
            method("e", segment=segment, segments=[segment], mapping={"last": word})
        failing(log, KeyError(CANARY))
        failing(log, ExceptionGroup("tasks", [ValueError(f"cannot align {CANARY!r}")]))
        failing(log, caused(RuntimeError(CANARY), by=ValueError(CANARY)))

    assert CANARY not in json.dumps(logged(everything))


def test_what_was_said_may_be_in_a_line_at_debug(logged):
    [line] = logged(lambda log: log.debug("heard", text=CANARY))
    assert line["text"] == CANARY


def test_an_exception_is_flat_keys(logged):
    [line] = logged(lambda log: failing(log, caused(StorageError("the disk is full"), by=KeyError("inner"))))
    assert (line["level"], line["error"], line["error_message"]) == ("error", "StorageError", "the disk is full")
    assert re.match(r"adapters/test_logs\.py:\d+ failing$", line["error_stack"])
    assert line["error_cause"] == "KeyError"
    assert "exc_info" not in line


def test_of_a_group_of_exceptions_the_first_is_told(logged):
    [line] = logged(lambda log: failing(log, ExceptionGroup("tasks", [ExceptionGroup("inner", [OSError(5, "disk")])])))
    assert (line["error"], line["error_message"]) == ("OSError", "[Errno 5] disk")


def test_a_message_that_may_quote_is_written_at_debug(logged):
    [error, debug] = logged(lambda log: [failing(log, ValueError("quoted"), level) for level in ("error", "debug")])
    assert "error_message" not in error
    assert debug["error_message"] == "quoted"


def test_no_exception_no_keys(logged):
    [line] = logged(lambda log: log.info("fine", exc_info=True))  # noqa: LOG014 - this is what is tested
    assert not [key for key in line if key.startswith("err") or key == "exc_info"]


def test_a_pipe_gets_json_and_a_style_can_be_asked_for():
    read, write = os.pipe()
    for style in ("auto", "json", "console"):
        with open_logger(style=style, descriptor=write) as log:
            log.info("said", text=CANARY, track="me")
    os.close(write)
    with os.fdopen(read, "rb") as lines:
        auto, asked, console = lines.read().splitlines()
    assert json.loads(auto)["event"] == json.loads(asked)["event"] == "said"
    assert re.fullmatch(rb"\d\d:\d\d:\d\d \[info\] said +track=me", console)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals on Windows")
def test_a_terminal_gets_text(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    master, slave = os.openpty()
    with open_logger(descriptor=slave) as log:
        log.info("started", track="me")
    assert b"[info] started" in os.read(master, 1000)
    os.close(slave)
    os.close(master)


def test_a_file_that_cannot_be_opened_is_told_at_once(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(ConfigError, match=r"logs\.file: .* cannot be written"),
        open_logger(file=f"{tmp_path}/file/log"),
    ):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes of files")
def test_a_file_is_readable_by_its_owner_alone(tmp_path):
    with open_logger(file=str(tmp_path / "logs/a.jsonl")) as log:
        log.info("e")
    assert (tmp_path / "logs").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "logs/a.jsonl").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="HOME is not asked there")
def test_a_file_may_be_in_the_users_own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with open_logger(file="~/a.jsonl") as log:
        log.info("hello")
    assert (tmp_path / "a.jsonl").stat().st_size > 0


def test_a_file_that_has_grown_is_renamed_and_the_oldest_goes(tmp_path):
    target = FileTarget(tmp_path / "a.jsonl", rotate_bytes=10)
    for number in range(14):
        target.write(b"line%2d\n" % number)
    target.close()
    kept = {path.name: path.read_text().split("\n")[0] for path in tmp_path.iterdir()}
    assert kept == {f"a.jsonl{end}": f"line{n:2}" for end, n in [("", 12), (".1", 10), (".2", 8), (".3", 6), (".4", 4)]}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not rename an open file")
@pytest.mark.parametrize("move", [lambda path: path.rename(path.with_suffix(".old")), Path.unlink])
def test_a_file_that_was_moved_is_made_anew(tmp_path, move):
    path = tmp_path / "a.jsonl"
    target = FileTarget(path)
    target.write(b"1\n")
    move(path)
    target.write(b"2\n")
    target.close()
    assert path.read_bytes() == b"2\n"


def test_a_file_that_someone_else_holds_grows_on(tmp_path, monkeypatch):
    def held(*_):
        raise PermissionError(13, "The process cannot access the file because it is being used by another process")

    monkeypatch.setattr(Path, "replace", held)
    target = FileTarget(tmp_path / "a.jsonl", rotate_bytes=2)
    for _ in range(3):
        target.write(b"1\n")
    target.close()
    assert (tmp_path / "a.jsonl").read_bytes() == b"1\n" * 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_file_on_a_full_disk_is_tried_again_at_every_line():
    target = FileTarget(Path("/dev/full"))
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            target.write(b"1\n")
    target.close()


class Flaky:
    """A target that fails as long as it is told to."""

    def __init__(self, failures=0):
        self.failures = failures
        self.lines = []

    def write(self, line):
        if self.failures:
            self.failures -= 1
            raise OSError(28, "No space left on device")
        self.lines.append(line)

    def close(self):
        self.lines.append(b"closed")


def lost(count):
    return b"lost %d" % count


def test_lines_that_could_not_be_written_are_counted_before_the_next():
    target = Flaky(failures=3)
    with LogWriter(target, lost) as writer:
        for line in (b"1", b"2", b"3", b"4", b"5"):
            writer.put(line)
    assert target.lines == [b"lost 3", b"4", b"5", b"closed"]


def test_a_target_that_hangs_holds_nobody_and_the_lines_beyond_are_counted():
    reached, gate = threading.Event(), threading.Event()

    class Hanging(Flaky):
        def write(self, line):
            reached.set()
            gate.wait()
            super().write(line)

    target = Hanging()
    with LogWriter(target, lost, capacity=2) as writer:
        writer.put(b"1")
        reached.wait()
        for line in (b"2", b"3", b"4", b"5"):
            writer.put(line)
        gate.set()
    assert target.lines == [b"1", b"lost 2", b"2", b"3", b"closed"]


def test_a_line_after_the_end_is_nobodys_trouble(tmp_path):
    with open_logger(file=str(tmp_path / "a.jsonl")) as log:
        pass
    log.info("late")
    assert (tmp_path / "a.jsonl").read_bytes() == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_full_disk_does_not_reach_the_program():
    with Path("/dev/full").open("wb") as full, open_logger(descriptor=full.fileno()) as log:
        log.info("e")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of Windows are set up in another way")
def test_a_pipe_that_takes_nothing_more_fails_and_does_not_spin():
    read, write = os.pipe()
    os.set_blocking(write, False)
    target = DescriptorTarget(write)
    with pytest.raises(BlockingIOError):
        target.write(b"x" * 10_000_000)
    os.close(write)
    os.close(read)


def test_nothing_global_is_configured_and_rich_is_not_loaded():
    code = """
import logging, sys
from transcriber.adapters.logs import open_logger
with open_logger(style="console") as log:
    log.info("e", exc_info=ValueError())
import structlog
assert not structlog.is_configured() and not logging.getLogger().handlers
assert not any(name.partition(".")[0] == "rich" for name in sys.modules)
import rich
"""
    environ = {**os.environ, "PYTHONPATH": str(SOURCES.parent)}
    subprocess.run([sys.executable, "-c", code], env=environ, check=True, capture_output=True)


LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def log_calls():
    """Find the calls of a logger in the package: its name is `log`, `_log` or `lost`."""
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(attr=level, value=ast.Name(id=name) | ast.Attribute(attr=name))):
                    if level in LEVELS and name in {"log", "_log", "logger", "_logger", "lost"}:
                        yield f"{path.relative_to(SOURCES)}:{node.lineno}", node


def test_every_event_has_a_name_of_its_own_that_is_documented():
    documented = set(re.findall(r"^\| `([a-z_]+)` \| (?:debug|info|warning|error)", DOCUMENT.read_text(), re.MULTILINE))
    logged = {}
    for place, call in log_calls():
        assert call.args, place
        if isinstance(call.args[0], ast.Name) and call.args[0].id == "event":
            continue  # handed on under the name that it came with
        assert isinstance(call.args[0], ast.Constant), f"{place}: an event is a name, without values in it"
        logged[call.args[0].value] = place
    assert logged.keys() == documented, "the table of events in docs/logs.md and the calls of loggers differ"
