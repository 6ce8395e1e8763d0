from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from transcriber.core.ring import Ring
from transcriber.types import Block, Position


def pcm(start: int, end: int) -> bytes:
    """Samples that tell their position."""
    return b"".join((position % 65536).to_bytes(2, "little") for position in range(start, end))


def block(start: int, end: int) -> Block:
    return Block(Position(start), pcm(start, end))


@given(lengths=st.lists(st.integers(1, 40), min_size=1), capacity=st.integers(1, 50), start=st.integers(0, 200))
def test_it_holds_the_last_samples_and_a_bounded_number_of_them(lengths, capacity, start):
    ring = Ring(capacity)
    ends = list(accumulate(lengths, initial=start))
    for begin, end in pairwise(ends):
        ring.append(block(begin, end))
        first = max(start, end - capacity)
        assert ring.end == end
        assert ring.start <= first
        assert ring.end - ring.start <= 2 * capacity
        assert ring.slice(Position(first), Position(end)) == pcm(first, end)
        assert ring.slice(ring.start, ring.end) == pcm(ring.start, ring.end)
        assert ring.slice(Position(ring.start - 1), ring.end) is None
        assert ring.slice(ring.start, Position(end + 1)) is None


def test_it_is_empty_at_the_start_of_the_track():
    ring = Ring(100)
    assert ring.slice(Position(0), ring.end) == b""
    assert ring.slice(Position(0), Position(1)) is None


def test_a_hole_empties_it():
    ring = Ring(100)
    ring.append(block(0, 10))
    ring.append(block(20, 25))
    assert ring.slice(Position(5), Position(22)) is None
    assert ring.slice(Position(0), Position(10)) is None
    assert ring.slice(Position(20), Position(25)) == pcm(20, 25)


def test_a_slice_may_be_empty_and_not_inside_out():
    ring = Ring(100)
    ring.append(block(0, 10))
    assert ring.slice(Position(4), Position(4)) == b""
    assert ring.slice(Position(5), Position(4)) is None
