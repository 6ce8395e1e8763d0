import json
import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from transcriber.adapters import session_folder_index as index
from transcriber.adapters.disk import InlineDisk
from transcriber.adapters.original_writer import write
from transcriber.adapters.recording import TrackRecording
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_manifest import TrackEntry
from transcriber.adapters.transcript_db import TranscriptDatabase
from transcriber.cli import main
from transcriber.core.original import Part
from transcriber.core.transcript_entry import Entry
from transcriber.core.wire import encode
from transcriber.errors import StorageError
from transcriber.events import Envelope, Event, GapFound, SegmentClosed, StateChanged
from transcriber.types import (
    RATE,
    AudioFormat,
    Block,
    Coverage,
    Gap,
    GapReason,
    Position,
    SampleFormat,
    Segment,
    SegmentId,
    TrackName,
    Word,
)

pytestmark = pytest.mark.usefixtures("sessions")

THEM, ME = TrackName("them"), TrackName("me")
STANDUP, LECTURE = "2026-11-23T09-15-02Z-standup", "2026-11-24T10-00-00Z-lecture"


def segment(track: TrackName, start: float, text: str) -> SegmentClosed:
    at = round(start * RATE)
    words = tuple(
        Word(f" {word}", Position(at + i * 4000), Position(at + (i + 1) * 4000), 0.9)
        for i, word in enumerate(text.split())
    )
    return SegmentClosed(Segment(SegmentId(f"{track}-{at}"), track, Position(at), words[-1].end, words, "en"))


class Made:
    """A session as a run leaves it: ten seconds a track, of which the first second of `me` is missing."""

    def __init__(self, parent: Path, name: str, created: datetime, tracks: dict[TrackName, list[Event]]) -> None:
        entries = [TrackEntry(name=track, source="loopback") for track in tracks]
        self.folder = SessionFolder.create(parent, entries, model="tiny.en", app="0", name=name, created=created)
        self.database = self.folder.open_transcript()
        self.database.reserve()
        for track, events in tracks.items():
            for event in events:
                self.publish(event)
            missing = RATE if track == ME else 0
            coverage = Coverage(Position(10 * RATE), 4 * RATE, 6 * RATE - missing, missing)
            self.publish(StateChanged("capture", "running", "failed", "the headset is gone", track), coverage, track)
            anyio.run(self._record, track, missing)

    def publish(self, event: Event, coverage: Coverage | None = None, track: TrackName | None = None) -> None:
        number = self.database.counts().events + 1
        envelope = Envelope(number, 10.0, event)
        self.database.store(Entry(envelope, encode(envelope), coverage, track))

    async def _record(self, track: TrackName, missing: int) -> None:
        recording = await TrackRecording.open(self.folder.audio(track), self.folder.journal(track), InlineDisk())
        gaps = [Gap(Position(0), Position(missing), GapReason.DEVICE)] if missing else []
        block = Block(Position(missing), b"\1\0" * (10 * RATE - missing))
        await recording.append([*gaps, block])
        await recording.close()

    def finish(self) -> None:
        self.database.close()
        self.folder.mark_clean()
        self.folder.close()


@pytest.fixture
def sessions(tmp_path, monkeypatch):
    """A folder with two sessions, which the environment names."""
    parent = tmp_path / "recordings"
    monkeypatch.setenv("TRANSCRIBER_SESSION__FOLDER", str(parent))
    Made(
        parent,
        "standup",
        datetime(2026, 11, 23, 9, 15, 2, tzinfo=UTC),
        {
            THEM: [segment(THEM, 0, "Good morning."), segment(THEM, 4, "We ship the parser today.")],
            ME: [
                GapFound(ME, Gap(Position(0), Position(RATE), GapReason.DEVICE)),
                segment(ME, 2, "Morning. The build is green."),
            ],
        },
    ).finish()
    Made(
        parent,
        "lecture",
        datetime(2026, 11, 24, 10, 0, 0, tzinfo=UTC),
        {THEM: [segment(THEM, 1, "The parser reads from left to right.")]},
    ).finish()
    return parent


@pytest.fixture
def transcriber(capsys):
    """Run the command line: exit code, stdout, stderr."""

    def run(*args):
        code = main(args)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.mark.skipif(sys.platform == "win32", reason="HOME is not asked there")
def test_the_folder_may_be_in_the_users_own(transcriber, sessions, monkeypatch):
    monkeypatch.setenv("HOME", str(sessions.parent))
    assert transcriber("sessions", "list", "--sessions", "~/recordings")[1] == transcriber("sessions", "list")[1]


def test_list_names_every_session_oldest_first(transcriber):
    code, out, _ = transcriber("sessions", "list")
    assert code == 0
    heading, standup, lecture = out.splitlines()
    assert heading.split() == ["SESSION", "STATE", "LENGTH", "SIZE", "TRACKS"]
    assert standup.startswith(f"{STANDUP}  clean  00:00:10  ")
    assert standup.endswith("them, me")
    assert lecture.startswith(LECTURE)


def test_list_as_json_is_for_programs(sessions, transcriber):
    code, out, _ = transcriber("sessions", "list", "--json")
    assert code == 0
    standup, _ = json.loads(out)
    assert (standup["id"], standup["state"], standup["model"]) == (STANDUP, "clean", "tiny.en")
    assert standup["folder"] == str(sessions / STANDUP)
    assert [track["captured"] for track in standup["tracks"]] == [10.0, 10.0]


def test_list_says_where_it_looked_when_there_is_nothing(tmp_path, transcriber):
    nowhere = str(tmp_path / "nowhere")
    assert transcriber("sessions", "list", "--sessions", nowhere) == (0, "", f"no sessions in {nowhere}\n")
    assert transcriber("sessions", "list", "--json", "--sessions", nowhere) == (0, "[]\n", "")


def test_show_tells_what_became_of_the_audio_and_what_was_said(transcriber):
    code, out, _ = transcriber("sessions", "show", "standup")
    assert code == 0
    assert (
        "10.000 s captured = 4.000 transcribed + 5.000 silence + 1.000 missing: device 1.000 (100.00% covered)" in out
    )
    assert out.splitlines()[-4:] == [
        "[00:00:00] me: [gap 00:00:00–00:00:01: device]",  # noqa: RUF001 - a range
        "[00:00:00] them: Good morning.",
        "[00:00:02] me: Morning. The build is green.",
        "[00:00:04] them: We ship the parser today.",
    ]


def test_show_as_json_adds_up_to_the_sample(transcriber):
    code, out, _ = transcriber("sessions", "show", STANDUP, "--json")
    assert code == 0
    shown = json.loads(out)
    assert shown["session"]["id"] == STANDUP
    assert (shown["segments"], shown["words"], shown["gaps"]) == (3, 12, 1)
    for track in shown["samples"]:
        assert track["transcribed"] + track["silence"] + track["missing"] == track["covered"] == track["captured"]
        assert track["coverage"] == 1.0
        assert sum(track["missing_by"].values()) == track["missing"]
    assert [track["missing_by"] for track in shown["samples"]] == [{}, {"device": RATE}]


@pytest.fixture
def talk(sessions):
    """A session with a troubled course, that is still being written."""
    created = datetime(2026, 11, 25, 8, 0, 0, tzinfo=UTC)
    made = Made(sessions, "talk", created, {ME: [segment(ME, 1, "Hello.")]})
    for event in (
        StateChanged("engine", "starting", "loading", "tiny.en"),
        StateChanged("lag", "normal", "alert", "40 s behind", ME),
        StateChanged("capture", "failed", "restarting", "restart 1 of 3", ME),
        StateChanged("capture", "restarting", "running", "a new life is ready", ME),
        StateChanged("lag", "alert", "normal", "caught up", ME),
        StateChanged("session", "recording", "finishing", "asked to stop"),
    ):
        made.publish(event)
    yield made
    made.database.close()
    made.folder.close()


def at_ten():
    """Return when all was told, as the local clock has it."""
    return f"{datetime(2026, 11, 25, 8, 0, 10, tzinfo=UTC).astimezone():%Y-%m-%d %H:%M:%S}"


@pytest.fixture
def original(sessions):
    """Two seconds of the standup in source quality."""
    form = AudioFormat(48_000, 2, SampleFormat.S24)
    second = bytes(48_000 * form.frame_bytes)
    folder = sessions / STANDUP / "original" / THEM
    write(folder, [Part(Position(0), 0, form, second), Part(Position(4 * RATE), 0, form, second)])
    return folder


@pytest.mark.usefixtures("original")
def test_show_tells_what_is_kept_in_source_quality(transcriber):
    _, out, _ = transcriber("sessions", "show", STANDUP)
    assert "  original them: 2.000 s in 2 files of 48000 Hz, 2 ch, s24le (0.6 MB)" in out.splitlines()
    shown = json.loads(transcriber("sessions", "show", STANDUP, "--json")[1])
    kept = {"track": "them", "formats": ["48000 Hz, 2 ch, s24le"], "length": 2.0, "files": 2, "size": 576_136}
    assert shown["originals"] == [kept]
    assert json.loads(transcriber("sessions", "show", LECTURE, "--json")[1])["originals"] == []


def test_what_is_kept_in_source_quality_is_verified_counted_and_removed(sessions, transcriber, original):
    assert transcriber("sessions", "verify", STANDUP)[0] == 0
    size = json.loads(transcriber("sessions", "show", STANDUP, "--json")[1])["session"]["size"]
    assert size > 2 * 288_068
    with (original / "000000064000.wav").open("r+b") as file:
        file.truncate(1000)
    code, out, _ = transcriber("sessions", "verify", STANDUP)
    assert code == 1
    assert "  ! original/them/000000064000.wav: the header does not describe the file" in out.splitlines()
    assert transcriber("sessions", "remove", STANDUP, "--yes")[0] == 0
    assert not (sessions / STANDUP).exists()


def test_archive_halves_what_is_complete_and_says_by_how_much(sessions, transcriber, original):
    code, out, err = transcriber("sessions", "archive", STANDUP, LECTURE)
    assert (code, out) == (0, "")
    assert err.splitlines()[0] == f"{STANDUP}: 4 files archived, 1.2 MB → 0.0 MB"
    assert {path.suffix for folder in (sessions / STANDUP / "audio" / THEM, original) for path in folder.iterdir()} == {
        ".flac"
    }
    assert transcriber("sessions", "verify", STANDUP, LECTURE)[0] == 0
    assert "2.000 s in 2 files of 48000 Hz, 2 ch, s24le" in transcriber("sessions", "show", STANDUP)[1]
    assert transcriber("sessions", "archive", STANDUP) == (0, "", f"{STANDUP}: nothing to archive\n")


def test_archive_leaves_what_is_unfinished_or_damaged_and_does_the_rest(sessions, transcriber):
    (sessions / LECTURE / "clean").unlink()
    file = sessions / STANDUP / "audio" / THEM / "000001.wav"
    file.write_bytes(file.read_bytes()[:-2] + b"xx")
    code, _, err = transcriber("sessions", "archive", LECTURE, STANDUP)
    assert code == 5
    assert f"error: {LECTURE} is not complete; finish it first: transcriber resume {LECTURE}" in err.splitlines()
    assert f"{STANDUP}: audio/them/000001.wav stays as it is: it is not what was recorded" in err.splitlines()
    assert err.splitlines()[-1] == "error: 2 of 2 sessions not archived: see above"
    assert (sessions / STANDUP / "audio" / ME / "000001.flac").exists()


@pytest.mark.usefixtures("talk")
def test_show_tells_the_state_of_each_component_since_when_and_why(transcriber):
    _, out, _ = transcriber("sessions", "show", "talk")
    lines = out.splitlines()
    begin = lines.index("  states") + 1
    when = at_ten()
    assert lines[begin:-1] == [
        f"    session       finishing  {when}  asked to stop",
        f"    capture (me)  running    {when}  a new life is ready; 1 restart",
        f"    engine        loading    {when}  tiny.en",
    ]


@pytest.mark.usefixtures("talk")
def test_show_tells_what_led_there_if_it_is_asked(transcriber):
    _, out, _ = transcriber("sessions", "show", "talk", "--history")
    lines = out.splitlines()
    changes = lines[lines.index("  history") + 1 : -1]
    assert len(changes) == 7
    assert changes[0] == f"    {at_ten()}  [capture (me): running → failed: the headset is gone]"
    assert changes[-1] == f"    {at_ten()}  [session: recording → finishing: asked to stop]"


@pytest.mark.usefixtures("talk")
def test_states_and_history_are_there_for_programs(transcriber):
    shown = json.loads(transcriber("sessions", "show", "talk", "--json")[1])
    session, capture, engine, lag = shown["states"]
    assert (session["component"], session["state"], session["since"]) == (
        "session",
        "finishing",
        "2026-11-25T08:00:10Z",
    )
    assert (capture["track"], capture["state"], capture["restarts"]) == ("me", "running", 1)
    assert (engine["track"], engine["reason"], lag["state"]) == (None, "tiny.en", "normal")
    assert [change["to"] for change in shown["history"] if change["component"] == "capture"] == [
        *("failed", "restarting", "running"),
    ]
    last = shown["history"][-1]
    assert (last["seq"], last["at"], last["track"]) == (8, "2026-11-25T08:00:10Z", None)
    assert (last["from"], last["to"], last["reason"]) == ("recording", "finishing", "asked to stop")


@pytest.mark.parametrize(
    ("last", "end", "agreed"),
    [
        (None, lambda _made: None, ("running", "finishing")),
        (None, lambda made: made.folder.close(), ("unfinished", "interrupted")),
        ("incomplete", lambda made: made.folder.close(), ("unfinished", "incomplete")),
        ("complete", Made.finish, ("clean", "complete")),
        (None, Made.finish, ("clean", "complete")),
    ],
)
def test_the_state_in_the_list_agrees_with_the_one_that_is_shown(talk, transcriber, last, end, agreed):
    if last:
        talk.publish(StateChanged("session", "finishing", last, ""))
    end(talk)
    in_list, state = agreed
    listed = json.loads(transcriber("sessions", "list", "--json")[1])
    assert [one["state"] for one in listed if one["name"] == "talk"] == [in_list]
    shown = json.loads(transcriber("sessions", "show", "talk", "--json")[1])
    assert (shown["session"]["state"], shown["states"][0]["state"]) == (in_list, state)
    assert transcriber("sessions", "show", "talk")[1].splitlines()[0].split("(")[1].startswith(f"{in_list}, ")


@pytest.mark.parametrize("style", ["txt", "srt", "vtt", "json", "jsonl"])
def test_an_export_is_the_same_in_a_file_as_on_stdout(style, transcriber, tmp_path):
    code, out, _ = transcriber("sessions", "export", "standup", "--format", style)
    assert code == 0
    assert "parser" in out
    code, nothing, told = transcriber(
        "sessions", "export", "standup", "--format", style, "--output", str(tmp_path / "out")
    )
    path = tmp_path / "out" / f"{STANDUP}.{style}"
    assert (code, nothing, told) == (0, "", f"{path}\n")
    assert path.read_text(encoding="utf-8") == out
    if sys.platform != "win32":
        assert path.stat().st_mode & 0o777 == 0o600


def test_jsonl_has_the_lines_that_were_published(sessions, transcriber):
    with_folder = str(sessions / STANDUP)
    _, out, _ = transcriber("sessions", "export", with_folder, "--format", "jsonl")
    database = TranscriptDatabase.view(sessions / STANDUP / "transcript.db")
    published = {line for _, line in database.events() if '"event":"state"' not in line}
    database.close()
    assert set(out.splitlines()) == published


def test_an_export_of_one_track_has_only_that_and_does_not_replace_that_of_all(transcriber, tmp_path):
    code, out, _ = transcriber("sessions", "export", "standup", "--track", "me")
    assert (code, out.splitlines()) == (
        0,
        ["[gap 00:00:00–00:00:01: device]", "", "Morning. The build is green."],  # noqa: RUF001 - a range
    )
    transcriber("sessions", "export", "standup", "--track", "me", "--output", str(tmp_path / "out"))
    assert [file.name for file in (tmp_path / "out").iterdir()] == [f"{STANDUP}.me.txt"]


def test_a_track_that_is_not_there_is_wrong_usage(transcriber):
    code, out, told = transcriber("sessions", "export", "standup", "--track", "us")
    assert (code, out, told) == (2, "", f"error: no track 'us' in {STANDUP}; it has them, me\n")


def test_verify_is_content_only_with_a_sound_session(transcriber):
    code, out, _ = transcriber("sessions", "verify", "standup", "lecture")
    assert code == 0
    assert [line for line in out.splitlines() if not line.startswith(" ")] == [f"{STANDUP}: ok", f"{LECTURE}: ok"]
    assert out.count("s captured = ") == 3


def test_verify_names_a_sample_that_is_not_what_was_recorded(sessions, transcriber):
    audio = sessions / STANDUP / "audio" / "them" / "000001.wav"
    content = bytearray(audio.read_bytes())
    content[-100] ^= 1
    audio.write_bytes(content)
    code, out, _ = transcriber("sessions", "verify", "lecture", "standup")
    assert code == 1
    assert f"{LECTURE}: ok" in out
    assert f"{STANDUP}: 1 finding\n" in out
    assert "  ! audio/them/000001.wav" in out


def test_verify_tells_what_is_missing_when_and_why(transcriber):
    _, out, _ = transcriber("sessions", "verify", "standup")
    assert out.splitlines()[-2:] == [
        "  me: 10.000 s captured = 4.000 transcribed + 5.000 silence + 1.000 missing: device 1.000 (100.00% covered)",
        "    missing 0.000-1.000 s: device",
    ]


def test_verify_as_json_adds_up_to_the_sample(sessions, transcriber):
    code, out, _ = transcriber("sessions", "verify", "standup", "lecture", "--json")
    assert code == 0
    standup, lecture = json.loads(out)
    assert (standup["id"], standup["folder"], standup["ok"]) == (STANDUP, str(sessions / STANDUP), True)
    assert (lecture["repairs"], lecture["findings"]) == ([], [])
    me = standup["tracks"][1]
    assert me["transcribed"] + me["silence"] + me["missing"] == me["covered"] == me["captured"]
    assert me["gaps"] == [{"start": 0, "end": RATE, "reason": "device"}]


def damage_words(sessions, *, events: bool = False) -> None:
    with sqlite3.connect(sessions / STANDUP / "transcript.db") as connection:
        connection.execute("UPDATE words SET text = ' Evening.' WHERE seq = 2")
        if events:
            connection.execute("UPDATE events SET json = 'x' WHERE seq = 1")
    connection.close()


def test_repair_makes_a_damaged_session_whole_says_what_it_changed_and_leaves_it_complete(sessions, transcriber):
    damage_words(sessions)
    (sessions / STANDUP / "session.json").write_text("edited by hand")
    assert transcriber("sessions", "verify", "standup")[0] == 1
    code, out, _ = transcriber("sessions", "verify", "standup", "--repair")
    first, second, verdict, *_ = out.splitlines()
    assert code == 0
    assert first.startswith(f"{STANDUP}: repaired: {sessions / STANDUP / 'session.json'}: damaged")
    assert second.startswith(
        f"{STANDUP}: repaired: {sessions / STANDUP / 'transcript.db'}: damaged; made anew from its"
    )
    assert verdict == f"{STANDUP}: ok"
    assert (sessions / STANDUP / "clean").exists()
    assert "Good morning." in transcriber("sessions", "show", "standup")[1]


def test_repair_that_costs_a_part_of_the_transcript_leaves_it_to_resume(sessions, transcriber):
    damage_words(sessions, events=True)
    code, out, _ = transcriber("sessions", "verify", "standup", "--repair", "--json")
    [verdict] = json.loads(out)
    assert (code, verdict["ok"]) == (1, False)
    assert "0 events are kept, and what followed is made again from the audio" in verdict["repairs"][0]
    assert verdict["findings"][0] == "the session is unfinished: resume it"
    assert not (sessions / STANDUP / "clean").exists()


def test_repair_does_not_touch_what_is_whole_or_being_written(sessions, transcriber, talk):
    before = {path: path.stat().st_mtime_ns for path in sessions.rglob("*") if path.is_file()}
    code, out, _ = transcriber("sessions", "verify", "--repair", "lecture", "talk")
    assert code == 1
    assert f"{LECTURE}: ok" in out
    assert "  ! the session is running: wait" in out
    assert "repaired" not in out
    assert {path: path.stat().st_mtime_ns for path in sessions.rglob("*") if path.is_file()} == before
    assert talk.database.counts().segments == 1


def test_repair_of_a_session_that_a_crash_left_whole_finds_it_complete(sessions, transcriber):
    (sessions / LECTURE / "clean").unlink()
    assert transcriber("sessions", "verify", "lecture")[0] == 1
    assert (
        transcriber("sessions", "verify", "lecture", "--repair")[:2] == transcriber("sessions", "verify", "lecture")[:2]
    )
    assert (sessions / LECTURE / "clean").exists()


def test_search_finds_words_in_every_session(transcriber):
    code, out, _ = transcriber("sessions", "search", "PARSER")
    assert code == 0
    assert out.splitlines() == [
        f"{STANDUP} [00:00:04] them: We ship the parser today.",
        f"{LECTURE} [00:00:01] them: The parser reads from left to right.",
    ]


def test_search_leaves_out_what_cannot_be_read_and_says_so(sessions, transcriber):
    (sessions / STANDUP / "transcript.db").write_bytes(b"no database at all" * 100)
    code, out, told = transcriber("sessions", "search", "parser")
    assert code == 0
    assert out.startswith(LECTURE)
    assert told.startswith(f"left out {STANDUP}: ")


def test_search_for_nothing_is_wrong_usage(transcriber):
    assert transcriber("sessions", "search", " ")[0] == 2


def test_audio_that_is_not_transcribed_yet_is_accounted_for(sessions, transcriber):
    made = Made(sessions, "late", datetime(2026, 11, 25, tzinfo=UTC), {THEM: []})
    made.folder.close()
    made.database.close()
    with sqlite3.connect(made.folder.database) as connection:
        connection.execute("UPDATE cursor SET position = 64000, silence = 0")
    connection.close()
    _, out, _ = transcriber("sessions", "show", "late")
    assert "(unfinished" in out
    assert "4.000 transcribed + 0.000 silence + 0.000 missing + 6.000 not transcribed yet (40.00% covered)" in out
    assert transcriber("sessions", "verify", "late")[0] == 1


def test_an_event_that_cannot_be_read_is_said_in_one_line(sessions, transcriber):
    with sqlite3.connect(sessions / STANDUP / "transcript.db") as connection:
        connection.execute("UPDATE events SET json = '{}' WHERE seq = 1")
    connection.close()
    code, out, told = transcriber("sessions", "export", "standup")
    assert (code, out) == (5, "")
    assert told.startswith(f"error: {STANDUP}: event 1 cannot be read: ")


def test_search_says_when_there_is_nothing(transcriber):
    code, out, told = transcriber("sessions", "search", "zebra")
    assert (code, out) == (0, "")
    assert "zebra" in told


def test_remove_takes_the_whole_folder_and_no_other(sessions, transcriber):
    assert transcriber("sessions", "remove", "standup", "--yes")[0] == 0
    assert [path.name for path in sessions.iterdir()] == [LECTURE]


@pytest.mark.parametrize(("answer", "left"), [("n\n", True), ("y\n", False)])
def test_remove_asks_first(answer, left, sessions, transcriber, monkeypatch):
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: answer.strip())
    code, _, _ = transcriber("sessions", "remove", "standup")
    assert code == 0
    assert (sessions / STANDUP).exists() == left


def test_remove_refuses_a_session_that_is_being_recorded(sessions, transcriber):
    running = SessionFolder.open(sessions / STANDUP)
    try:
        code, _, told = transcriber("sessions", "remove", "standup", "--yes")
    finally:
        running.close()
    assert code == 5
    assert told == f"error: {STANDUP} is being recorded: stop it before you remove it\n"
    assert (sessions / STANDUP / "transcript.db").exists()


@pytest.fixture
def left(sessions):
    """Return the names of the sessions that are there."""
    return lambda: sorted(path.name for path in sessions.iterdir())


def size_of(folder) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@pytest.fixture
def unfinished(sessions):
    """A session that was killed, older than the others."""
    made = Made(sessions, "killed", datetime(2026, 11, 22, tzinfo=UTC), {THEM: []})
    made.database.close()
    made.folder.close()
    return made.folder.id


def test_prune_removes_the_oldest_beyond_a_size(sessions, transcriber, left):
    limit = str(size_of(sessions / LECTURE))
    code, out, told = transcriber("sessions", "prune", "--keep-bytes", limit, "--yes")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["SESSION", STANDUP]
    assert told == f"removed {STANDUP}\n"
    assert left() == [LECTURE]


def test_prune_removes_what_is_too_old_by_the_settings(transcriber, left, monkeypatch):
    monkeypatch.setattr("transcriber.adapters.session_retention.datetime", At(datetime(2026, 12, 1, 9, 20, tzinfo=UTC)))
    monkeypatch.setenv("TRANSCRIBER_SESSION__KEEP_DAYS", "8")
    assert transcriber("sessions", "prune", "--yes")[0] == 0
    assert left() == [LECTURE]


class At:
    """A clock that stands still."""

    def __init__(self, moment):
        self.moment = moment

    def now(self, _zone):
        return self.moment


def test_the_age_of_a_session_begins_at_its_end(transcriber, left, monkeypatch):
    end = datetime(2026, 11, 23, 9, 15, 12, tzinfo=UTC)
    monkeypatch.setattr("transcriber.adapters.session_retention.datetime", At(end.replace(day=24)))
    assert transcriber("sessions", "prune", "--keep-days", "1", "--yes")[2].startswith("nothing to remove")
    monkeypatch.setattr("transcriber.adapters.session_retention.datetime", At(end.replace(day=24, second=13)))
    assert transcriber("sessions", "prune", "--keep-days", "1", "--yes")[2] == f"removed {STANDUP}\n"
    assert left() == [LECTURE]


def test_prune_only_says_what_it_would_remove_in_a_dry_run(transcriber, left):
    before = left()
    code, out, _ = transcriber("sessions", "prune", "--keep-bytes", "1", "--dry-run", "--yes")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["SESSION", STANDUP, LECTURE]
    assert left() == before


@pytest.mark.parametrize(("answer", "kept"), [("n\n", 2), ("y\n", 0)])
def test_prune_asks_first(answer, kept, transcriber, left, monkeypatch):
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: answer.strip())
    assert transcriber("sessions", "prune", "--keep-bytes", "1")[0] == 0
    assert len(left()) == kept


def test_prune_keeps_what_is_unfinished_unless_it_is_asked(unfinished, transcriber, left):
    assert transcriber("sessions", "prune", "--keep-bytes", "1", "--yes")[0] == 0
    assert left() == [unfinished]
    assert transcriber("sessions", "prune", "--keep-bytes", "1", "--unfinished", "--yes")[0] == 0
    assert left() == []


@pytest.mark.usefixtures("talk")
def test_prune_never_removes_what_is_being_recorded(transcriber, left):
    assert transcriber("sessions", "prune", "--keep-bytes", "1", "--unfinished", "--yes")[0] == 0
    assert left() == ["2026-11-25T08-00-00Z-talk"]


def test_prune_goes_on_after_one_that_cannot_be_removed(sessions, transcriber, left, monkeypatch):
    remove = index.remove

    def refuse(path):
        if path == sessions / STANDUP:
            raise StorageError("it does not go")
        remove(path)

    monkeypatch.setattr(index, "remove", refuse)
    code, _, told = transcriber("sessions", "prune", "--keep-bytes", "1", "--yes")
    assert code == 5
    assert told.splitlines() == [
        "error: it does not go",
        f"removed {LECTURE}",
        "error: 1 of 2 sessions could not be removed: see above",
    ]
    assert left() == [STANDUP]


def test_prune_without_a_limit_is_wrong_usage(transcriber, left):
    code, out, told = transcriber("sessions", "prune", "--yes")
    assert (code, out) == (2, "")
    assert "--keep-days" in told
    assert len(left()) == 2


@pytest.mark.parametrize("verb", ["show", "export", "verify", "remove"])
def test_an_unknown_session_is_one_line_that_names_those_there_are(verb, transcriber):
    code, out, told = transcriber("sessions", verb, "retro")
    assert (code, out) == (5, "")
    assert told.count("\n") == 1
    assert "retro" in told
    assert LECTURE in told
    assert "Traceback" not in told
