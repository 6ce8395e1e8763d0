import math
import re

from msgspec.structs import replace
from snapshots import QUIET, TRACK, with_disk

from transcriber.web.board import Board, Raised
from transcriber.web.metrics import exposition

BOARD = Board(
    session="2026-11-23T09-15-02Z",
    state="recording",
    engine="ready",
    model='tiny "en"\\x',
    elapsed=12.5,
    alerts=[Raised("lag", "me"), Raised("cpu", None)],
    tree=[],
    snapshot=replace(QUIET, tracks=(TRACK, replace(TRACK, name="me", links=()))),
)
SAMPLE = re.compile(r'(transcriber_[a-z0-9_]+)(\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*\})? (\S+)')


def samples(board):
    """Read the text as its format says: a help and a type for each family, then its samples."""
    found, typed, helped = {}, {}, set()
    for line in exposition(board).splitlines():
        if line.startswith("# HELP "):
            helped.add(line.split()[2])
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name not in typed, "a family is in one piece"
            typed[name] = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert match[1] in typed
            assert match[1] in helped
            assert (match[1], match[2]) not in found
            found[match[1], match[2]] = float(match[3])
    for name, kind in typed.items():
        assert (kind == "counter") == (name.endswith("_total") or name == "transcriber_elapsed_seconds")
    return found


def test_every_line_is_of_the_format():
    found = samples(BOARD)
    assert found["transcriber_lag_seconds", '{track="them"}'] == 1.0
    assert found["transcriber_process_resident_bytes", '{process="core"}'] == 50 * 2**20
    assert found["transcriber_alert", '{alert="lag",track="me"}'] == 1
    assert found["transcriber_covered_seconds_total", '{track="me",became="silence"}'] == 3.0
    assert found["transcriber_link_depth", '{link="them.blocks"}'] == 1
    assert found["transcriber_elapsed_seconds", None] == 12.5
    assert ("transcriber_run_info", None) not in found


def test_text_is_escaped():
    [info] = [line for line in exposition(BOARD).splitlines() if line.startswith("transcriber_run_info")]
    assert r'model="tiny \"en\"\\x"' in info


def test_what_is_not_known_is_left_out_and_what_is_infinite_says_so():
    track = replace(TRACK, real_time_factor=None, commit_p50=None, commit_p95=None, catch_up=math.inf)
    snapshot = replace(with_disk(free=None), temperature=None, tracks=(track,))
    found = samples(replace(BOARD, snapshot=snapshot))
    names = {name for name, _ in found}
    assert not names & {
        *("transcriber_machine_temperature_celsius", "transcriber_disk_free_bytes"),
        *("transcriber_real_time_factor", "transcriber_commit_latency_seconds"),
    }
    assert found["transcriber_catch_up_seconds", '{track="them"}'] == math.inf


def test_before_the_first_snapshot_there_is_what_is_known():
    assert {name for name, _ in samples(replace(BOARD, snapshot=None))} == {
        *("transcriber_run_info", "transcriber_elapsed_seconds", "transcriber_alert")
    }
