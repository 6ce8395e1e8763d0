import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.core import record_log
from transcriber.core.record_log import SLOT

contents = st.lists(st.binary(min_size=1, max_size=200), max_size=8)


def fill(first, records, size=None):
    """Return a file of so many bytes with these records, or one with no space but theirs."""
    taken = SLOT + sum(map(record_log.room, records))
    written = (record_log.encode(content, number) for number, content in enumerate(records, first))
    return record_log.opening(first, size or taken) + b"".join(written) + bytes(max(0, (size or taken) - taken))


def scanned(data):
    return list(record_log.scan(lambda offset, size: data[offset : offset + size]))


def read(data):
    return [content for _, content in scanned(data)]


@given(st.integers(0, 2**60), contents, st.binary(max_size=300))
def test_what_was_written_is_read_whatever_space_follows(first, records, space):
    assert read(fill(first, records) + bytes(len(space))) == records


@given(contents)
def test_a_record_is_where_its_room_says(records):
    data = fill(1, records)
    offset = SLOT
    for at, content in scanned(data):
        assert at == offset
        assert data[at + SLOT : at + SLOT + len(content)] == content
        offset += record_log.room(content)
    assert offset == len(data)


@given(contents, st.data())
def test_a_torn_file_gives_the_records_before_the_tear(records, data):
    whole = fill(7, records)
    torn = whole[: data.draw(st.integers(0, len(whole)))]
    ends = [
        sum(map(record_log.room, records[:number])) + 2 * SLOT + len(content) for number, content in enumerate(records)
    ]
    assert read(torn) == records[: sum(end <= len(torn) for end in ends)]


@given(contents.filter(bool), st.data())
def test_a_flipped_bit_never_gives_a_record_that_was_not_written(records, data):
    whole = bytearray(fill(3, records))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    found = read(bytes(whole))
    assert found == records[: len(found)]


def test_a_record_whose_content_changed_is_none():
    whole = bytearray(fill(3, [b"first", b"second", b"third"]))
    whole[whole.index(b"second")] ^= 1
    assert read(bytes(whole)) == [b"first"]


@given(contents, contents)
def test_what_an_earlier_filling_left_behind_is_no_record(earlier, later):
    old = fill(1, earlier)
    new = fill(1 + len(earlier), later)
    assert read(new + old[len(new) :]) == later


@pytest.mark.parametrize("data", [b"", bytes(SLOT), bytes(4096), b"x" * 4096, fill(1, [b"a"])[SLOT:]])
def test_what_is_no_such_file_holds_nothing(data):
    assert read(data) == []
    assert record_log.first_number(lambda offset, size: data[offset : offset + size]) is None


def test_an_empty_record_is_refused():
    with pytest.raises(ValueError, match="has content"):
        record_log.encode(b"", 1)


def test_what_is_whole_after_damage_is_salvaged_and_the_damage_is_named():
    whole = bytearray(fill(1, [b"first", b"second", b"third"]) + bytes(4096))
    whole[whole.index(b"second")] ^= 1
    found = list(record_log.salvage(lambda offset, size: bytes(whole[offset : offset + size])))
    assert found == [b"first", record_log.Damage(3 * SLOT, 5 * SLOT), b"third"]


def salvaged(data):
    return list(record_log.salvage(lambda offset, size: bytes(data[offset : offset + size])))


@given(st.integers(0, 2**60), contents, st.binary(max_size=300))
def test_of_a_file_without_damage_everything_is_salvaged(first, records, space):
    assert salvaged(fill(first, records) + bytes(len(space))) == records


@given(contents.filter(bool), st.data())
def test_a_flipped_bit_costs_one_record_at_most_and_one_that_is_missing_between_others_is_named(records, data):
    whole = bytearray(fill(3, records))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    found = salvaged(whole)
    kept = [content for content in found if isinstance(content, bytes)]
    without_one = [records[:number] + records[number + 1 :] for number in range(len(records))]
    assert kept in [records, *without_one]
    if kept != records and kept and records[: len(kept)] != kept:
        assert any(isinstance(content, record_log.Damage) for content in found)


def test_a_damaged_header_is_named_and_what_follows_is_found_however_far_away_and_whatever_lies_between():
    records = [b"first", b"..........TrE1".ljust(SLOT, b".") * 4_000, b"third"]
    whole = bytearray(fill(1, records))
    second = SLOT + record_log.room(b"first")
    whole[second + 8] ^= 1
    third = second + record_log.room(records[1])
    expected = [b"first", record_log.Damage(second, third), b"third"]
    assert salvaged(whole) == expected
    whole[second] ^= 1  # not even its beginning is one now
    assert salvaged(whole) == expected


def test_a_header_whose_magic_alone_is_damaged_is_told_by_its_checksum():
    whole = bytearray(fill(1, [b"first", b"last"]))
    for header in (0, SLOT, 3 * SLOT):
        whole[header] ^= 0x10
    assert salvaged(whole) == [b"first", b"last"]


def test_damage_at_the_end_goes_on_to_it_or_to_what_an_earlier_filling_left():
    whole = bytearray(fill(4, [b"first", b"second"]))
    whole[-SLOT] ^= 1
    assert salvaged(whole + bytes(640)) == [b"first", record_log.Damage(3 * SLOT, None)]
    old = fill(1, [b"1", b"2", b"3"])
    assert salvaged(whole + old[5 * SLOT :]) == [b"first", record_log.Damage(3 * SLOT, 5 * SLOT)]


@given(contents, st.integers(0, 4_000), st.data())
def test_a_file_that_was_cut_short_anywhere_is_damaged(records, space, data):
    whole = fill(3, records, SLOT + sum(map(record_log.room, records)) + space)
    assert salvaged(whole) == records
    found = salvaged(whole[: data.draw(st.integers(0, len(whole) - 1))])
    kept = [content for content in found if isinstance(content, bytes)]
    assert isinstance(found[-1], record_log.Damage)
    assert kept == records[: len(kept)]


def test_records_that_are_missing_are_damage_even_if_what_follows_is_whole():
    whole = fill(1, [b"1", b"2", b"3"])
    without = whole[: 3 * SLOT] + whole[5 * SLOT :] + bytes(2 * SLOT)
    assert salvaged(without) == [b"1", record_log.Damage(3 * SLOT, 3 * SLOT), b"3"]


def test_without_its_beginning_a_file_is_damaged_and_its_records_are_there():
    whole = bytearray(fill(5, [b"one", b"two"]))
    whole[SLOT - 1] ^= 1
    assert salvaged(whole) == [record_log.Damage(0, SLOT), b"one", b"two"]
    assert salvaged(bytes(640)) == [record_log.Damage(0, None)]


def test_what_an_earlier_filling_left_behind_is_not_salvaged():
    old, new = fill(1, [b"a", b"b", b"c"]), fill(4, [b"d"])
    data = new + old[len(new) :]
    assert list(record_log.salvage(lambda offset, size: data[offset : offset + size])) == [b"d"]
