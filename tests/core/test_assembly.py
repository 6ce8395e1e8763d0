from hypothesis import given
from hypothesis import strategies as st

from transcriber.core.assembly import Assembly
from transcriber.core.pool import Chunk, Pool
from transcriber.types import Block, Gap, GapReason, Position

SIZE = 16


def pcm(start: int, end: int) -> bytes:
    return b"".join(position.to_bytes(2, "little") for position in range(start, end))


@st.composite
def streams(draw):
    """Blocks and gaps, one after the other."""
    pieces, position = [], 0
    for is_gap, length in draw(st.lists(st.tuples(st.booleans(), st.integers(1, 40)), max_size=12)):
        end = position + length
        if is_gap:
            pieces.append(Gap(Position(position), Position(end), GapReason.DEVICE))
        else:
            pieces.append(Block(Position(position), pcm(position, end)))
        position = end
    return pieces


class Sink:
    """Takes what is in the outbox, as storage does, and gives the chunks back."""

    def __init__(self, assembly: Assembly):
        self.assembly = assembly
        self.taken: list[Block | Gap] = []

    def drain(self) -> None:
        while self.assembly.outbox:
            piece = self.assembly.outbox.popleft()
            if isinstance(piece, Chunk):
                assert 0 < piece.length <= SIZE
                self.taken.append(piece.block())
                self.assembly.pool.release(piece)
            else:
                self.taken.append(piece)

    def take(self, piece: Block | Gap) -> None:
        self.assembly.add(piece)
        self.drain()
        while self.assembly.pour():
            self.drain()


def flat(pieces) -> list[Gap | tuple[int, int]]:
    """Every sample with its position, and every gap, in order."""
    found: list[Gap | tuple[int, int]] = []
    for piece in pieces:
        if isinstance(piece, Gap):
            found.append(piece)
        else:
            values = [int.from_bytes(piece.pcm[at : at + 2], "little") for at in range(0, len(piece.pcm), 2)]
            found += enumerate(values, piece.start)
    return found


@given(pieces=streams(), again=st.sets(st.integers(0, 11)))
def test_what_goes_in_comes_out_in_order_and_a_piece_that_comes_again_changes_nothing(pieces, again):
    sink = Sink(Assembly(Pool(4, SIZE)))
    for index, piece in enumerate(pieces):
        sink.take(piece)
        if index in again:
            for old in pieces[: index + 1]:
                sink.take(old)
    sink.assembly.cut()
    sink.drain()
    assert flat(sink.taken) == flat(pieces)
    assert sink.assembly.pool.fill == 0


@given(pieces=streams(), stop=st.integers(0, 60))
def test_a_piece_that_was_given_in_part_goes_on_where_it_was(pieces, stop):
    sink = Sink(Assembly(Pool(4, SIZE)))
    for piece in pieces:
        sink.assembly.add(piece)  # the actor crashes before it has poured it all ...
        sink.drain()
        for _ in range(stop):
            if not sink.assembly.pour():
                break
            sink.drain()
        sink.take(piece)  # ... and gets it again
    sink.assembly.cut()
    sink.drain()
    assert flat(sink.taken) == flat(pieces)


@given(pieces=streams())
def test_chunks_are_full_but_for_those_before_a_gap(pieces):
    sink = Sink(Assembly(Pool(4, SIZE)))
    for piece in pieces:
        sink.take(piece)
        assert sink.assembly.partial is None or not sink.assembly.partial.full
    sink.assembly.cut()
    sink.drain()
    for taken, following in zip(sink.taken, sink.taken[1:], strict=False):
        if isinstance(taken, Block) and isinstance(following, Block):
            assert len(taken.pcm) == SIZE


def test_a_full_chunk_waits_in_the_outbox_at_once():
    assembly = Assembly(Pool(4, SIZE))
    assembly.add(Block(Position(0), pcm(0, 12)))
    assert len(assembly.outbox) == 1
    assert assembly.pour()
    assert assembly.partial.end == 12
    assembly.add(Block(Position(12), pcm(12, 16)))
    assert len(assembly.outbox) == 2
    assert assembly.partial is None
    assert not assembly.pour()


def test_a_hole_without_a_name_begins_a_new_chunk():
    assembly = Assembly(Pool(4, SIZE))
    assembly.add(Block(Position(0), pcm(0, 3)))
    assembly.add(Block(Position(5), pcm(5, 6)))
    assert [chunk.block() for chunk in assembly.outbox] == [Block(Position(0), pcm(0, 3))]
    assert assembly.partial.start == 5
