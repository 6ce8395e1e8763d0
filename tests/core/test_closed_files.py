"""Which files nothing is written to any more, by what the journal says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.core import wav
from transcriber.core.closed_files import ClosedFile, closed_files
from transcriber.core.journal import Audio, Clock, Damage, End
from transcriber.types import Gap, GapReason, Position

FULL = wav.FILE_SAMPLES


def audio(start: int, end: int) -> Audio:
    return Audio(Position(start), Position(end), crc=start)


def gap(start: int, end: int) -> Gap:
    return Gap(Position(start), Position(end), GapReason.DEVICE)


CLOCK = Clock(Position(0), 1, 2)
FIRST = (audio(0, 10), audio(10, FULL))
CASES = {
    "nothing": ([], []),
    "a file that is written": ([CLOCK, *FIRST], []),
    "something after it": ([CLOCK, *FIRST, audio(FULL, FULL + 1)], [ClosedFile(0, FIRST, 3)]),
    "a gap after its last place": ([*FIRST, gap(FULL, FULL + 5)], [ClosedFile(0, FIRST, 2)]),
    "a gap over its end": ([audio(0, 10), gap(10, FULL + 5)], [ClosedFile(0, (audio(0, 10),), 1)]),
    "a gap up to its end": ([audio(0, 10), gap(10, FULL)], []),
    "a gap in it": (
        [audio(0, 10), gap(10, 20), audio(20, FULL), audio(FULL, FULL + 9)],
        [ClosedFile(0, (audio(0, 10), audio(20, FULL)), 3)],
    ),
    "the end of the track": (
        [*FIRST, audio(FULL, FULL + 9), End(Position(FULL + 9))],
        [ClosedFile(0, FIRST, 2), ClosedFile(1, (audio(FULL, FULL + 9),), 4)],
    ),
    "an end that was none": ([*FIRST, End(Position(FULL)), CLOCK], []),
    "files of gaps alone": (
        [gap(0, 3 * FULL), audio(3 * FULL, 3 * FULL + 9), End(Position(3 * FULL + 9))],
        [ClosedFile(3, (audio(3 * FULL, 3 * FULL + 9),), 3)],
    ),
    "damage before": ([Damage(0, "zeros"), *FIRST, End(Position(FULL))], []),
    "damage after": ([*FIRST, audio(FULL, FULL + 1), Damage(3, "torn"), End(Position(9))], [ClosedFile(0, FIRST, 2)]),
}


@pytest.mark.parametrize(("records", "closed"), CASES.values(), ids=CASES)
def test_a_file_is_closed_once_something_comes_after_it(records, closed):
    assert list(closed_files(records)) == closed


@given(st.lists(st.tuples(st.booleans(), st.integers(1, FULL)), max_size=30), st.data())
def test_who_looks_again_from_where_he_was_is_told_of_each_file_once(steps, data):
    records, position = [], 0
    for is_audio, length in steps:
        make = audio if is_audio else gap
        records += [make(span.start, span.end) for span in wav.spans(Position(position), Position(position + length))]
        position += length
    records.append(End(Position(position)))
    expected = list(closed_files(records))
    assert [record for closed in expected for record in closed.records] == [r for r in records if isinstance(r, Audio)]
    slot, there, found = 0, 0, []
    while there < len(records):
        there = data.draw(st.integers(there + 1, len(records)))
        for closed in closed_files(records[slot:there], slot):
            found.append(closed)
            slot = closed.next_slot
    assert found == expected
