import io
import json
import os
import re
import sys
from contextlib import closing
from datetime import UTC, datetime

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console, ConsoleDimensions
from rich.text import Text

from transcriber.cli.view import OutputClosed, TrackStatus, ViewStatus, open_view, wording
from transcriber.cli.view.jsonl import JsonlView
from transcriber.cli.view.layout import Layout
from transcriber.cli.view.live import open_live
from transcriber.cli.view.output import Output
from transcriber.cli.view.plain import PlainView
from transcriber.cli.view.screen import Screen
from transcriber.cli.view.tails import Tail, Tails
from transcriber.cli.view.writer import WriterThread
from transcriber.core.wire import decode
from transcriber.events import (
    Committed,
    Envelope,
    Event,
    GapFound,
    Partial,
    SegmentClosed,
    SessionStarted,
    StateChanged,
    Summary,
    TrackStarted,
    TrackSummary,
)
from transcriber.types import RATE, Coverage, Gap, GapReason, Position, Segment, SegmentId, TrackName, Word

pytestmark = pytest.mark.anyio

THEM, ME = TrackName("them"), TrackName("me")


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def writer():
    with closing(WriterThread()) as thread:
        yield thread


def words(text: str, start: float) -> tuple[Word, ...]:
    at = round(start * RATE)
    return tuple(
        Word(f" {word}", Position(at + i * 4000), Position(at + i * 4000 + 3900), 0.9)
        for i, word in enumerate(text.split())
    )


def segment(track: TrackName, start: float, text: str) -> SegmentClosed:
    run = words(text, start)
    return SegmentClosed(Segment(SegmentId(f"{track}-{run[0].start}"), track, run[0].start, run[-1].end, run, "en"))


STARTED = SessionStarted(
    "2026-11-23T09-15-02Z-standup",
    "recordings/2026-11-23T09-15-02Z-standup",
    datetime(2026, 11, 23, 9, 15, 2, tzinfo=UTC),
    (TrackStarted(THEM, "loopback"), TrackStarted(ME, "microphone")),
    "auto",
)
GAP = GapFound(ME, Gap(Position(62 * RATE), Position(65 * RATE), GapReason.DEVICE))
LOST = StateChanged("capture", "running", "fallback", "the headset is gone", ME)
COVERAGE = Coverage(Position(60 * RATE), 40 * RATE, 17 * RATE, 3 * RATE)
SUMMARY = Summary(
    (TrackSummary(THEM, 60 * RATE, COVERAGE, 1, 2, 30, None, {GapReason.DEVICE: 3 * RATE}),),
    complete=True,
    elapsed=61.2,
    real_time_factor=0.21,
    restarts=0,
    peak_memory={"core": 61_000_000},
)
STORY: list[Event] = [
    STARTED,
    Partial(THEM, Position(12 * RATE), " ask not what"),
    Committed(THEM, words("ask not", 12)),
    Partial(THEM, Position(13 * RATE), " what your"),
    Committed(THEM, words("what your country", 12.5)),
    segment(THEM, 12, "ask not what your country"),
    GAP,
    LOST,
    segment(ME, 70, "hello"),
    SUMMARY,
]


async def tell(view, events=STORY):
    for seq, event in enumerate(events, 1):
        await view.show(Envelope(seq, 66.0, event))


# ---- lines


async def test_jsonl_is_one_event_a_line_and_nothing_else(writer):
    stream = io.BytesIO()
    await tell(JsonlView(Output(stream, writer)))
    lines = stream.getvalue().decode().splitlines()
    assert [decode(line).seq for line in lines] == list(range(1, len(STORY) + 1))
    assert json.loads(lines[0])["event"] == "session"
    assert json.loads(lines[-1])["event"] == "summary"


async def test_plain_puts_the_transcript_on_stdout_and_the_rest_beside_it(writer):
    stream, aside = io.BytesIO(), io.BytesIO()
    await tell(PlainView(Output(stream, writer), Output(aside, writer)))
    assert stream.getvalue().decode().splitlines() == [
        "[00:00:12] them: ask not what your country",
        "[00:01:02] me: [gap 00:01:02–00:01:05: device]",  # noqa: RUF001 - a range
        "[00:01:10] me: hello",
    ]
    session, state, summary = aside.getvalue().decode().splitlines()
    assert "2026-11-23T09-15-02Z-standup" in session
    assert state == "[00:01:06] [capture (me): running → fallback: the headset is gone]"
    assert "30 words in 2 segments" in summary
    assert "1 gap (3.0 s missing: device 3.0)" in summary


async def test_a_line_is_there_before_the_next_event(writer):
    read, write = os.pipe()
    with os.fdopen(read, "rb") as reader, os.fdopen(write, "wb") as sink:
        await JsonlView(Output(sink, writer)).show(Envelope(1, 0.0, GAP))
        assert decode(await anyio.to_thread.run_sync(reader.readline)).event == GAP


async def test_a_reader_that_leaves_ends_the_view_and_not_the_program(writer):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb", buffering=0) as sink:
        view = JsonlView(Output(sink, writer))
        with pytest.raises(OutputClosed):
            await tell(view)


async def test_a_pause_of_the_reader_does_not_pause_the_program(writer):
    read, write = os.pipe()
    with os.fdopen(read, "rb") as reader, os.fdopen(write, "wb") as sink:
        output = Output(sink, writer)
        text = "x" * 1_000_000
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(output.write, text)
            await anyio.wait_all_tasks_blocked()
            assert (await anyio.to_thread.run_sync(reader.readline)).decode() == f"{text}\n"


async def test_what_is_no_terminal_gets_plain_lines(monkeypatch):
    stream, aside = io.TextIOWrapper(io.BytesIO()), io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", aside)
    async with open_view("text", lambda: ViewStatus("listening", 0, "tiny.en")) as view:
        await tell(view, [segment(THEM, 0, "hello")])
    assert stream.buffer.getvalue() == b"[00:00:00] them: hello\n"


async def test_a_reader_that_pauses_for_ever_does_not_keep_the_program_from_ending():
    story = """if True:
        import anyio
        from transcriber.cli.view import open_view
        from transcriber.events import Envelope, Partial

        async def main():
            async with open_view("jsonl", None) as view:
                with anyio.CancelScope() as scope:
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(view.show, Envelope(1, 0.0, Partial("them", 0, "x" * 1_000_000)))
                        await anyio.wait_all_tasks_blocked()
                        scope.cancel()

        anyio.run(main)
    """
    read, write = os.pipe()
    try:
        with anyio.fail_after(60):
            ended = await anyio.run_process([sys.executable, "-c", story], stdout=write, stderr=None, check=False)
    finally:
        os.close(write)
        os.close(read)
    assert ended.returncode == 0


# ---- tails


def test_a_commit_takes_its_words_from_the_partial_and_leaves_the_rest():
    tails = Tails()
    tails.follow(Partial(THEM, Position(0), " ask not what"))
    tails.follow(Committed(THEM, words("ask not", 0)))
    assert tails.open() == [(THEM, Tail(Position(0), " ask not", " what"))]


def test_a_partial_that_a_commit_contradicts_goes():
    tails = Tails()
    tails.follow(Partial(THEM, Position(0), " as knots"))
    tails.follow(Committed(THEM, words("ask not", 0)))
    assert tails.open() == [(THEM, Tail(Position(0), " ask not", ""))]


def test_a_segment_or_an_empty_partial_leaves_no_tail():
    tails = Tails()
    tails.follow(Committed(THEM, words("ask not", 0)))
    tails.follow(Partial(ME, Position(0), " well"))
    tails.follow(segment(THEM, 0, "ask not"))
    tails.follow(Partial(ME, Position(0), ""))
    assert tails.open() == []


# ---- a small terminal


class Terminal(io.StringIO):
    """Understands what `Screen` writes: text, line ends, cursor up, erase row. It folds rows when it narrows."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__()
        self.width, self.height = width, height
        self.rows = [""]
        self.row = self.column = 0
        self.cursor_shown = True

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        for piece in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+", text):
            self._take(piece)
        return len(text)

    def _take(self, piece: str) -> None:
        if piece == "\r":
            self.column = 0
        elif piece == "\n":
            self.row, self.column = self.row + 1, 0
            self.rows.extend([""] * (self.row + 1 - len(self.rows)))
        elif piece.startswith("\x1b["):
            self._control(piece[2:-1], piece[-1])
        else:
            row = self.rows[self.row]
            assert self.column == cell_len(row), "text goes to the end of an erased row"
            self.rows[self.row] = row + piece
            self.column += cell_len(piece)
            assert self.column < self.width, "a full row leaves the cursor where terminals do not agree"

    def _control(self, argument: str, letter: str) -> None:
        if letter == "A":
            self.row -= int(argument)
            assert self.row >= 0
        elif (argument, letter) == ("2", "K"):
            self.rows[self.row] = ""
        elif argument == "?25":
            self.cursor_shown = letter == "h"
        else:
            assert letter == "m", f"unexpected control {argument}{letter}"

    def narrow(self, width: int) -> None:
        folded: list[str] = []
        for index, row in enumerate(self.rows):
            folded += [row[i : i + width] for i in range(0, max(len(row), 1), width)]
            if index == self.row:
                self.row, self.column = len(folded) - 1, len(folded[-1])
        self.rows, self.width = folded, width

    def text(self) -> str:
        return " ".join(" ".join(self.rows).split())


class TerminalConsole(Console):
    def __init__(self, terminal: Terminal) -> None:
        super().__init__(file=terminal, force_terminal=True, highlight=False, legacy_windows=False, color_system=None)
        self.terminal = terminal

    @property
    def size(self):
        return ConsoleDimensions(self.terminal.width, self.terminal.height)


lines = st.lists(st.text("ab c", max_size=60).map(str.strip), max_size=3)


@given(
    st.lists(st.tuples(lines, st.lists(st.text("xyz", min_size=1, max_size=15), min_size=1, max_size=5)), max_size=8)
)
def test_what_scrolled_by_is_never_touched_and_the_rows_are_under_it(frames):
    terminal = Terminal(width=24, height=200)
    screen = Screen(TerminalConsole(terminal))
    said = ""
    for above, rows in frames:
        screen.draw([Text(line) for line in above], [Text(row) for row in rows])
        said = " ".join([said, *above])
        assert terminal.text().split() == [*_unfold(said, 23), *rows]
        assert terminal.rows[-1] == rows[-1]
    screen.close([Text("the end")])
    assert terminal.text().split() == [*_unfold(said, 23), "the", "end"]
    assert terminal.cursor_shown


def _unfold(text: str, width: int) -> list[str]:
    """The words as wrapping leaves them: those that are too long for a row are cut."""
    return [word[i : i + width] for word in text.split() for i in range(0, len(word), width)]


def test_a_terminal_that_narrows_keeps_what_scrolled_by():
    terminal = Terminal(width=80, height=24)
    screen = Screen(TerminalConsole(terminal))
    screen.draw([Text("settled")], [Text("tail " * 14), Text("status " * 10)])
    terminal.narrow(30)
    screen.draw([], [Text("tail"), Text("status")])
    assert terminal.text() == "settled tail status"


def test_the_status_keeps_its_row_when_a_tail_goes():
    terminal = Terminal(width=40, height=24)
    screen = Screen(TerminalConsole(terminal))
    screen.draw([], [Text("one"), Text("two"), Text("status")])
    row = terminal.row
    screen.draw([], [Text("status")])
    assert terminal.row == row
    screen.draw([Text("one two")], [Text("status")])
    assert terminal.row == row


# ---- layout

statuses = st.builds(
    ViewStatus,
    state=st.sampled_from(["listening", "loading the model", "聞いています"]),
    elapsed=st.floats(0, 1e6),
    model=st.sampled_from(["tiny.en", "a-very-long-name-of-a-model-that-fits-nowhere"]),
    tracks=st.lists(
        st.builds(TrackStatus, st.sampled_from([THEM, ME]), st.floats(-90, 6), st.floats(0, 9999)), max_size=3
    ).map(tuple),
    catch_up=st.none() | st.floats(0, 1e6) | st.just(float("inf")),
    healthy=st.booleans(),
)


@given(
    statuses,
    st.text("word 日本語。", max_size=900),
    st.text("tail 語", max_size=300),
    st.integers(3, 130),
    st.integers(2, 40),
)
def test_the_rows_fit_any_terminal(status, committed, partial, width, height):
    layout = Layout(TerminalConsole(Terminal(width, height)), [THEM, ME])
    tails = [(THEM, Tail(Position(0), committed, partial)), (ME, Tail(Position(0), "", partial))]
    rows = layout.rows(tails, status)
    assert 1 <= len(rows) < height
    assert all(row.cell_len < width for row in rows)


def test_a_long_tail_shows_its_end():
    layout = Layout(TerminalConsole(Terminal(60, 12)), [THEM])
    text = " ".join(f"w{i}" for i in range(500))
    rows = layout.rows([(THEM, Tail(Position(0), text, " and the end"))], ViewStatus("listening", 0, "tiny.en"))
    assert rows[0].plain.startswith("… ")
    assert rows[-2].plain.endswith("and the end")


def test_lag_warns_and_says_when_it_will_be_gone():
    layout = Layout(TerminalConsole(Terminal(120, 24)), [THEM])

    def row(lag, catch_up):
        tracks = (TrackStatus(THEM, -20.0, lag),)
        return layout.rows([], ViewStatus("listening", 62.0, "tiny.en", tracks, catch_up))[-1].plain

    assert "caught up" not in row(0.4, 1.0)
    assert "lag 14 s, caught up in 12 s" in row(14.0, 11.2)
    assert "falling behind" in row(14.0, float("inf"))
    assert "00:01:02" in row(0.0, None)


# ---- wording


def test_a_summary_says_what_a_person_asks_for():
    track = TrackSummary(THEM, 60 * RATE, Coverage(Position(30 * RATE), 30 * RATE), 0, 1, 1, (0.812, 1.5, 2.0))
    late = Summary((track,), complete=False, elapsed=61.2, real_time_factor=1.2, restarts=1, peak_memory={})
    assert wording.of_summary(late) == (
        "[00:01:01 elapsed · 1 word in 1 segment · 60.0 s captured, 50.00% covered · commit latency p50 0.81 s, "
        "p95 1.50 s · 1 restart · incomplete: `transcriber resume` finishes it]"
    )


# ---- the live view as a whole


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals that Python can open")
async def test_a_terminal_gets_the_live_view():
    story = """if True:
        import anyio
        from transcriber.cli.view import ViewStatus, open_view
        from transcriber.events import Envelope, GapFound
        from transcriber.types import Gap, GapReason

        async def main():
            async with open_view("text", lambda: ViewStatus("listening", 0, "tiny.en")) as view:
                await view.show(Envelope(1, 0.0, GapFound("them", Gap(0, 16000, GapReason.DEVICE))))

        anyio.run(main)
    """
    ours, theirs = os.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    try:
        with anyio.fail_after(60):
            command = [sys.executable, "-c", story]
            await anyio.run_process(command, stdout=theirs, stderr=None, env=environment)
        shown = os.read(ours, 100_000).decode()
    finally:
        os.close(theirs)
        os.close(ours)
    assert "[gap 00:00:00–00:00:01: device]" in shown  # noqa: RUF001 - a range
    assert shown.rindex("\x1b[?25h") > shown.rfind("\x1b[?25l"), "the cursor is shown again"
    assert "\x1b[2J" not in shown, "the terminal is never cleared"


async def test_a_live_view_leaves_the_whole_transcript_and_no_tail(writer):
    terminal = Terminal(100, 30)
    status = ViewStatus("listening", 1.0, "tiny.en", (TrackStatus(THEM, -90.0, 0.0), TrackStatus(ME, -90.0, 0.0)))
    async with open_live(lambda: status, TerminalConsole(terminal), writer) as view:
        await tell(view, [*STORY[:-1], Committed(ME, words("and then", 75)), Partial(ME, Position(0), " unsure")])
    shown = [row for row in terminal.rows if row]
    assert shown[0].startswith("[session ")
    assert shown[1:] == [
        "00:00:12  them  ask not what your country",
        "00:01:02  me  [gap 00:01:02–00:01:05: device]",  # noqa: RUF001 - a range
        "[capture (me): running → fallback: the headset is gone]",
        "00:01:10  me  hello",
        "00:01:15  me  and then",
    ]
    assert terminal.cursor_shown


async def test_an_error_in_the_body_comes_out_as_itself_and_the_terminal_is_given_back(writer):
    terminal = Terminal(100, 30)

    async def fail():
        async with open_live(lambda: ViewStatus("listening", 0, "tiny.en"), TerminalConsole(terminal), writer) as view:
            await tell(view, [segment(THEM, 0, "hello")])
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    assert [row for row in terminal.rows if row] == ["00:00:00  hello"]
    assert terminal.cursor_shown


async def test_cancelling_loses_nothing_that_was_shown(writer):
    terminal = Terminal(100, 30)
    with anyio.CancelScope() as scope:
        async with open_live(lambda: ViewStatus("listening", 0, "tiny.en"), TerminalConsole(terminal), writer) as view:
            await tell(view, [segment(THEM, 0, "hello")])
            scope.cancel()
            await anyio.sleep_forever()
    assert [row for row in terminal.rows if row] == ["00:00:00  hello"]


async def test_a_terminal_that_is_gone_ends_the_view(writer):
    class Gone(Terminal):
        def write(self, _):
            raise OSError(5, "Input/output error")

    async def talk_on():
        async with open_live(
            lambda: ViewStatus("listening", 0, "tiny.en"), TerminalConsole(Gone(80, 24)), writer
        ) as view:
            while True:
                await view.show(Envelope(1, 0.0, GAP))
                await anyio.lowlevel.checkpoint()

    with pytest.raises(OutputClosed):
        await talk_on()
