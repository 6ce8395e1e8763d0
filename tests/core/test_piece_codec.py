import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.core import piece_codec
from transcriber.types import Block, Gap, GapReason, Position

positions = st.integers(0, 2**62).map(Position)
blocks = st.builds(Block, positions, st.binary(max_size=64))
gaps = st.builds(Gap, positions, positions, st.sampled_from(GapReason))


@given(blocks | gaps)
def test_a_piece_is_read_as_it_was_written(piece):
    assert piece_codec.decode(piece_codec.encode(piece)) == piece


@given(blocks)
def test_no_piece_is_empty_as_bytes(piece):
    assert piece_codec.encode(piece)


@pytest.mark.parametrize("content", [b"", b"A", b"A1234567", b"G123", b"X" * 40])
def test_anything_else_is_refused(content):
    with pytest.raises(ValueError, match="no piece"):
        piece_codec.decode(content)
