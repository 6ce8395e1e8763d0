import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.core import journal, wav
from transcriber.core.journal import Audio, Clock, Damage, End
from transcriber.core.journal_repair import repaired
from transcriber.types import Gap, GapReason, Position

numbers = st.integers(0, 2**62)
records = st.one_of(
    st.builds(Audio, numbers, numbers, st.integers(0, 2**32 - 1)),
    st.builds(Gap, numbers, numbers, st.sampled_from(GapReason)),
    st.builds(Clock, numbers, numbers, numbers),
    st.builds(End, numbers),
)
rows = st.lists(records, max_size=6)


@given(rows)
def test_records_come_back(row):
    content = journal.encode_all(row)
    assert len(content) == 64 * len(row)
    assert list(journal.scan(content)) == row


@given(st.lists(records, min_size=1, max_size=4))
def test_a_cut_at_every_byte_leaves_the_whole_records_and_one_torn(row):
    content = journal.encode_all(row)
    for cut in range(len(content)):
        found = list(journal.scan(content[:cut]))
        assert found[: cut // 64] == row[: cut // 64]
        assert len(found) == cut // 64 + (cut % 64 > 0)
        assert all(isinstance(slot, Damage) for slot in found[cut // 64 :])


@given(st.lists(records, min_size=1, max_size=4), st.data())
def test_bit_flips_never_yield_a_record_that_was_not_written(row, data):
    content = bytearray(journal.encode_all(row))
    flips = data.draw(st.lists(st.integers(0, 8 * len(content) - 1), min_size=1, max_size=8, unique=True))
    for bit in flips:
        content[bit // 8] ^= 1 << bit % 8
    for slot, found in enumerate(journal.scan(bytes(content))):
        hit = any(bit // 8 // 64 == slot for bit in flips)
        assert isinstance(found, Damage) if hit else found == row[slot]


@given(st.binary(max_size=300))
def test_any_bytes_can_be_scanned(content):
    assert all(isinstance(slot, Damage) for slot in journal.scan(content))


def test_zeros_are_no_record_and_later_records_are_still_found():
    row = [Audio(Position(0), Position(9), 7), Gap(Position(9), Position(12), GapReason.CRASH), End(Position(12))]
    content = bytearray(journal.encode_all(row))
    content[64:128] = bytes(64)
    assert list(journal.scan(bytes(content))) == [row[0], Damage(1, "zeros"), row[2]]


def test_a_record_in_the_place_of_another_is_damage():
    content = journal.encode(End(Position(0)), 1)
    assert list(journal.scan(content)) == [Damage(0, "record 1 in the place of 0")]


@pytest.mark.parametrize(
    ("place", "value", "why"),
    [(4, 3, "version 3"), (5, 9, "type 9, reason 4"), (6, 6, "type 2, reason 6"), (6, 200, "type 2, reason 200")],
)
def test_what_a_later_version_may_write_is_no_record_of_this_one(place, value, why):
    slot = bytearray(journal.encode(Gap(Position(0), Position(9), GapReason.ENGINE), 0))
    slot[place] = value
    slot[60:] = zlib.crc32(slot[:60]).to_bytes(4, "little")
    assert journal.decode(bytes(slot), 0) == Damage(0, why)


AT, TO, ZERO = "803e000000000000", "007d000000000000", "0000000000000000"
SETTLED = {
    Audio(Position(16_000), Position(32_000), 0xDEADBEEF): ("01", AT, TO, ZERO, ZERO, "efbeadde", ZERO, "74bff4ed"),
    Gap(Position(16_000), Position(32_000), GapReason.DEVICE): ("02", AT, TO, ZERO, ZERO, "00000000", ZERO, "92b86f3c"),
    Clock(Position(16_000), 1, 2): ("03", AT, AT, "01" + ZERO[2:], "02" + ZERO[2:], "00000000", ZERO, "83a293dd"),
    End(Position(16_000)): ("04", AT, AT, ZERO, ZERO, "00000000", ZERO, "6230e2f8"),
}


@pytest.mark.parametrize("record", SETTLED)
def test_the_format_is_settled(record):
    kind, *rest = SETTLED[record]
    written = ["54724a31", "01", kind, "0000", "0300000000000000", *rest]
    assert journal.encode(record, 3).hex() == "".join(written)


def test_what_is_wrong_with_a_slot_is_said():
    slot = journal.encode(End(Position(0)), 0)
    assert journal.decode(slot[:10], 0) == Damage(0, "torn: 10 of 64 bytes")
    assert journal.decode(b"x" + bytes(63), 0) == Damage(0, "no record")
    assert journal.decode(slot[:-1] + b"x", 0) == Damage(0, "checksum")


@pytest.mark.parametrize(
    "record",
    [
        Audio(Position(9), Position(12), 0),
        Audio(Position(11), Position(12), 0),
        Gap(Position(10), Position(10), GapReason.DISK),
        End(Position(9)),
    ],
)
def test_an_extent_refuses_what_does_not_follow(record):
    extent = journal.Extent()
    extent.add(Audio(Position(0), Position(10), 0))
    with pytest.raises(ValueError, match="10"):
        extent.add(record)


def test_an_extent_adds_up():
    extent = journal.Extent()
    assert not extent.ended
    gap = Gap(Position(10), Position(12), GapReason.DEVICE)
    clock = Clock(Position(11), 1, 2)
    for record in (Audio(Position(0), Position(10), 0), gap, clock, End(Position(12))):
        extent.add(record)
    assert extent == journal.Extent(Position(12), [gap], 4, clock, ended=True)


def crc_of(span: wav.FileSpan) -> int:
    """Stand for the checksum of whatever is in a file."""
    return (span.start * 31 + span.end) % 2**32


def audio(start: int, end: int) -> Audio:
    return Audio(Position(start), Position(end), crc_of(wav.FileSpan(0, Position(start), Position(end))))


def damage(start: int, end: int) -> Gap:
    return Gap(Position(start), Position(end), GapReason.DAMAGE)


ORIGIN = Position(0)
CLOCK = Clock(Position(9), 1, 2)
F = wav.FILE_SAMPLES


def overload(start: int, end: int) -> Gap:
    return Gap(Position(start), Position(end), GapReason.OVERLOAD)


REPAIRS = {
    "nothing": ([], {}, []),
    "audio without a journal": ([], {0: 10}, [audio(0, 10)]),
    "audio beyond the journal": ([audio(0, 10)], {0: 25}, [audio(0, 10), audio(10, 25)]),
    "a file is short": ([audio(0, 10), audio(10, 30)], {0: 25}, [audio(0, 10), audio(10, 25), damage(25, 30)]),
    "a bad record": (
        [audio(0, 10), Damage(1, ""), audio(20, 30)],
        {0: 30},
        [audio(0, 10), audio(10, 20), audio(20, 30)],
    ),
    "bad samples": (
        [audio(0, 10), Audio(Position(10), Position(20), 1)],
        {0: 20},
        [audio(0, 10), damage(10, 20)],
    ),
    "a file is lost": ([audio(0, F), audio(F, F + 5)], {1: 5}, [damage(0, F), audio(F, F + 5)]),
    "a gap over files": ([audio(0, 5), overload(5, 3 * F)], {0: 5}, [audio(0, 5), overload(5, 3 * F)]),
    "clocks and an early end": (
        [audio(0, 10), CLOCK, End(Position(10)), End(Position(7)), audio(10, 20)],
        {0: 20},
        [audio(0, 10), CLOCK, End(Position(10)), audio(10, 20)],
    ),
    "bad samples of an earlier file, which was complete": (
        [Audio(Position(0), Position(F), 1), audio(F, F + 5)],
        {0: F, 1: 5},
        [Audio(Position(0), Position(F), 1), audio(F, F + 5)],
    ),
    "bad samples of the last file": (
        [audio(0, F), Audio(Position(F), Position(F + 5), 1)],
        {0: F, 1: 5},
        [audio(0, F), damage(F, F + 5)],
    ),
    "a record over two files": (
        [audio(0, F - 5), audio(F - 5, F + 1)],
        {0: F, 1: 1},
        [audio(0, F - 5), audio(F - 5, F), audio(F, F + 1)],
    ),
    "a hole before a gap": (
        [audio(0, 10), overload(20, 30)],
        {0: 15},
        [audio(0, 10), audio(10, 15), damage(15, 20), overload(20, 30)],
    ),
    "a record of nothing": ([audio(0, 10), audio(10, 10)], {0: 10}, [audio(0, 10)]),
    "all files are lost": ([audio(0, 1)], {}, [damage(0, 1)]),
    "a record twice": ([audio(0, 10), audio(0, 10)], {0: 10}, [audio(0, 10)]),
}


@pytest.mark.parametrize(("found", "files", "expected"), REPAIRS.values(), ids=REPAIRS)
def test_repair(found, files, expected):
    ends = [End(expected[-1].end)] if expected else []
    assert repaired(found, files, crc_of, at_least=ORIGIN) == expected + ends


def test_samples_that_are_there_and_cannot_be_read_are_damage():
    found = [audio(0, 10), Damage(1, ""), audio(20, 30)]
    unreadable = repaired(found, {0: 40}, lambda span: None if span.start == 10 else crc_of(span), at_least=ORIGIN)
    assert unreadable == [audio(0, 10), damage(10, 20), audio(20, 30), audio(30, 40), End(Position(40))]


near = st.integers(0, 4 * F).map(Position)
left_over = st.one_of(
    st.builds(audio, near, near),
    st.builds(overload, near, near),
    st.builds(End, near),
    st.builds(Damage, st.integers(0, 9), st.just("checksum")),
)


@given(
    st.lists(left_over, max_size=8),
    st.dictionaries(st.integers(0, 3), st.integers(0, F), max_size=3),
    st.integers(0, 4 * F),
)
def test_repair_always_adds_up_and_changes_nothing_the_second_time(found, files, at_least):
    once = repaired(found, files, crc_of, at_least=Position(at_least))
    extent = journal.Extent()
    for record in once:
        extent.add(record)
    assert extent.durable >= at_least
    assert repaired(once, files, crc_of, at_least=Position(at_least)) == once
