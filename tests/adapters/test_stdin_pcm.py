"""Raw frames on a pipe."""

import os
import threading

import anyio
import pytest

from transcriber.adapters.stdin_pcm import StdinSource
from transcriber.errors import ConfigError, SourceError
from transcriber.types import AudioFormat, SampleFormat

pytestmark = pytest.mark.anyio

FORM = AudioFormat(16_000, 2, SampleFormat.S24)


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def pipe():
    """A reading and a writing end; whoever closes the writing end puts it to None."""
    reader, writer = os.pipe()
    ends = {"reader": reader, "writer": writer}
    yield ends
    for end in ends.values():
        if end is not None:
            os.close(end)


def end(pipe):
    os.close(pipe["writer"])
    pipe["writer"] = None


async def test_frames_are_put_together_whatever_the_writer_cuts(pipe):
    source = StdinSource(FORM, pipe["reader"])
    await source.open()
    sound = bytes(range(6 * 40)) + b"half"
    got = b""
    for cut in range(0, len(sound), 7):
        os.write(pipe["writer"], sound[cut : cut + 7])
        got += (await source.read()).pcm
        assert len(got) % 6 == 0
    end(pipe)
    while reading := await source.read():
        got += reading.pcm
    await source.close()
    assert got == sound[: 6 * 40]


async def test_a_pipe_without_data_holds_nobody_up(pipe):
    source = StdinSource(FORM, pipe["reader"])
    await source.open()
    assert (await source.read()).pcm == b""
    await source.close()


async def test_the_writer_is_held_back_and_nothing_is_lost(pipe):
    """Much more than is held comes through while nobody reads."""
    sound = os.urandom(6 * 200_000)

    def write():
        with os.fdopen(pipe.pop("writer"), "wb") as writer:
            writer.write(sound)

    writing = threading.Thread(target=write)
    writing.start()
    source = StdinSource(FORM, pipe["reader"])
    await source.open()
    pieces = [(await source.read()).pcm]
    await source.close()
    assert writing.is_alive()
    await source.open()
    while reading := await source.read():
        pieces.append(reading.pcm)
        assert reading.lost == 0
    await source.close()
    writing.join()
    assert b"".join(pieces) == sound


async def test_what_was_read_before_closing_comes_after_reopening(pipe):
    source = StdinSource(FORM, pipe["reader"])
    await source.open()
    os.write(pipe["writer"], b"abcdefgh")
    with anyio.fail_after(20):
        while not source._part:
            await source.close()
            await source.open()
    await source.close()
    os.write(pipe["writer"], b"ijkl")
    end(pipe)
    await source.open()
    got = b""
    while reading := await source.read():
        got += reading.pcm
    await source.close()
    assert got == b"abcdefghijkl"


async def test_a_terminal_is_refused():
    leader, terminal = os.openpty()
    with pytest.raises(ConfigError, match="is a terminal"):
        await StdinSource(FORM, terminal).open()
    os.close(leader)
    os.close(terminal)


async def test_without_a_standard_input_there_is_nothing_to_read(tmp_path):
    with pytest.raises(SourceError, match="no standard input"):
        await StdinSource(FORM, 987).open()
    folder = os.open(tmp_path, os.O_RDONLY)
    source = StdinSource(FORM, folder)
    await source.open()
    with pytest.raises(SourceError, match="cannot be read"), anyio.fail_after(20):  # noqa: PT012 - until it is told
        while True:
            await source.read()
    await source.close()
    os.close(folder)
