import pytest

from transcriber.core.stamps import clock, gap_note, milliseconds, timecode
from transcriber.types import RATE, Gap, GapReason, Position


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "00:00:00"),
        (59.999, "00:00:59"),
        (60, "00:01:00"),
        (3_661, "01:01:01"),
        (360_000, "100:00:00"),
        (-1, "00:00:00"),
    ],
)
def test_a_clock_shows_whole_seconds_that_have_passed(seconds, shown):
    assert clock(round(seconds * RATE)) == shown


@pytest.mark.parametrize(("samples", "ms"), [(0, 0), (7, 0), (8, 1), (16, 1), (23, 1), (24, 2), (RATE, 1000)])
def test_a_position_in_milliseconds_is_the_nearest(samples, ms):
    assert milliseconds(samples) == ms


@pytest.mark.parametrize(
    ("ms", "point", "shown"),
    [
        (0, ",", "00:00:00,000"),
        (61_009, ".", "00:01:01.009"),
        (3_600_000, ",", "01:00:00,000"),
        (86_399_999, ".", "23:59:59.999"),
    ],
)
def test_a_time_code_is_what_players_read(ms, point, shown):
    assert timecode(ms, point=point) == shown


def test_a_gap_in_words_says_from_when_to_when_and_why():
    gap = Gap(Position(59 * RATE), Position(3_661 * RATE), GapReason.DISK)
    assert gap_note(gap) == "[gap 00:00:59–01:01:01: disk]"  # noqa: RUF001 - a range
