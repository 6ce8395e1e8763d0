import pytest

from transcriber.core.pool import Pool
from transcriber.types import Block, Position


def test_a_chunk_takes_what_fits():
    chunk = Pool(1, 6).acquire(Position(100))
    assert chunk.fill(memoryview(b"abcd")) == 4
    assert (chunk.start, chunk.end, chunk.full) == (100, 102, False)
    assert chunk.fill(memoryview(b"efgh")) == 2
    assert (chunk.end, chunk.full) == (103, True)
    assert chunk.fill(memoryview(b"gh")) == 0
    assert chunk.block() == Block(Position(100), b"abcdef")


def test_a_block_outlives_the_chunk_that_it_came_from():
    pool = Pool(1, 4)
    chunk = pool.acquire(Position(0))
    chunk.fill(memoryview(b"abcd"))
    block = chunk.block()
    pool.release(chunk)
    pool.acquire(Position(2)).fill(memoryview(b"wxyz"))
    assert block.pcm == b"abcd"


def test_the_memory_of_a_chunk_is_used_again_and_begins_empty():
    pool = Pool(1, 4)
    chunk = pool.acquire(Position(0))
    chunk.fill(memoryview(b"abcd"))
    pool.release(chunk)
    again = pool.acquire(Position(7))
    assert again is chunk
    assert (again.start, again.end, again.block().pcm) == (7, 7, b"")


def test_the_pool_knows_how_full_it_is_and_never_grows():
    pool = Pool(4, 2)
    assert (pool.size, pool.fill) == (4, 0)
    chunks = [pool.acquire(Position(0)) for _ in range(4)]
    assert pool.fill == 1
    with pytest.raises(IndexError):
        pool.acquire(Position(0))
    pool.release(chunks.pop())
    assert pool.fill == 0.75
