import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.adapters.engine.messages import (
    LARGEST_FRAME,
    LENGTH_BYTES,
    AnswerReader,
    CorruptStream,
    Decode,
    Decoded,
    DetectSpeech,
    Failed,
    Fault,
    FileSegment,
    Ping,
    SpeechDetected,
    body_length,
    frame,
    read_request,
)
from transcriber.types import DecodeRequest, Hypothesis, SpokenWord

WORDS = (SpokenWord(" one", 0.0, 0.5, 0.9), SpokenWord(" 二", 0.5, 1.0, 0.1))
ANSWERS = [
    SpeechDetected(7, [0.5, 1.0], b"state"),
    Decoded(8, Hypothesis(WORDS, "zh", 0.1, 1.2, 0.3)),
    FileSegment(9, 0.0, 1.0, " one 二", WORDS),
    Failed(10, Fault.INPUT, "no audio"),
]


@pytest.mark.parametrize(
    "request_", [Ping(0), DetectSpeech(1, b"\x00\n\r\xff", b""), Decode(2, DecodeRequest(b"a", final=True))]
)
def test_a_request_survives_the_wire(request_):
    data = frame(request_)
    assert body_length(data[:LENGTH_BYTES]) == len(data) - LENGTH_BYTES
    assert read_request(data[LENGTH_BYTES:]) == request_


@given(st.lists(st.integers(1, 40), min_size=1))
def test_answers_are_read_alike_however_the_bytes_are_cut(cuts):
    data = b"".join(frame(answer) for answer in ANSWERS)
    reader = AnswerReader()
    read = []
    for index in range(len(data)):
        size = cuts[index % len(cuts)]
        read += reader.feed(data[:size])
        data = data[size:]
    assert read == ANSWERS


def test_text_in_the_stream_is_seen_as_corruption():
    with pytest.raises(CorruptStream):
        AnswerReader().feed(b"Warning: something was printed here\n")


def test_a_frame_that_is_no_answer_is_seen_as_corruption():
    with pytest.raises(CorruptStream):
        AnswerReader().feed(frame(Ping(1)))
    with pytest.raises(CorruptStream):
        read_request(b"\x93\x01\x02\x03")


def test_a_length_beyond_reason_is_refused_before_any_byte_of_it_is_kept():
    with pytest.raises(CorruptStream):
        body_length((LARGEST_FRAME + 1).to_bytes(LENGTH_BYTES, "little"))
