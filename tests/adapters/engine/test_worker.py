"""The child alone, as a program that reads and writes pipes."""

import contextlib
import os
import signal
import subprocess
import sys

import pytest

from transcriber.adapters.engine import worker
from transcriber.adapters.engine.messages import (
    AnswerReader,
    Decode,
    DetectSpeech,
    Failed,
    LoadModel,
    Ping,
    Pong,
    Ready,
    SpeechDetected,
    frame,
)
from transcriber.adapters.engine.worker import Pipe
from transcriber.types import DecodeRequest

PRINTING = """
import ctypes, os, sys
from transcriber.adapters.engine import worker
serve = worker.serve
def noisy(pipe):
    print("print", flush=True)
    os.write(1, b"write to descriptor 1\\n")
    ctypes.CDLL(None).puts(b"puts from C") if os.name == "posix" else None
    assert sys.stdin.read() == ""
    serve(pipe)
worker.serve = noisy
worker.main()
"""


def talk(*requests, command=("-m", "transcriber.adapters.engine.worker")):
    """Return the answers of a child to requests that are followed by the end of its stdin, its stderr and exit code."""
    with subprocess.Popen(
        [sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        output = b""
        for request in requests:
            child.stdin.write(frame(request))
            child.stdin.flush()
        reader, answers = AnswerReader(), []
        while len(answers) <= len(requests) and (output := os.read(child.stdout.fileno(), 65536)):
            answers += reader.feed(output)
        child.stdin.close()
        rest = child.stdout.read()
        return answers + reader.feed(rest), child.stderr.read().decode(), child.wait(timeout=10)


def test_it_says_that_it_is_ready_answers_and_ends_with_its_input():
    answers, _, code = talk(Ping(5), DetectSpeech(6, bytes(2048), b""))
    assert isinstance(answers[0], Ready)
    by_id = {answer.id: answer for answer in answers[1:]}
    assert isinstance(by_id[5], Pong)
    assert isinstance(by_id[6], SpeechDetected)
    assert len(by_id[6].probabilities) == 2
    assert code == 0


def test_whatever_prints_goes_to_stderr_and_the_stream_stays_whole():
    answers, errors, code = talk(Ping(1), command=("-c", PRINTING))
    assert [type(answer) for answer in answers] == [Ready, Pong]
    for text in ("print", "write to descriptor 1"):
        assert text in errors
    assert code == 0


def test_requests_that_cannot_be_met_fail_alone(tmp_path):
    answers, _, _ = talk(
        Decode(1, DecodeRequest(bytes(2), final=True)),
        LoadModel(2, str(tmp_path), "cpu", "auto", 1),
        DetectSpeech(3, bytes(2), b""),
        Ping(4),
    )
    failures = {answer.id: answer.reason for answer in answers if isinstance(answer, Failed)}
    assert set(failures) == {1, 2, 3}
    assert "no model is loaded" in failures[1]
    assert any(isinstance(answer, Pong) for answer in answers)


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\x01\x00\x00\x00\xc1", b"\x05\x00"])
def test_a_corrupt_stream_ends_it(garbage):
    with subprocess.Popen(
        [sys.executable, "-m", "transcriber.adapters.engine.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        _, errors = child.communicate(garbage, timeout=30)
        assert child.returncode == 0
        assert ("CorruptStream" in errors.decode()) == (len(garbage) > 2)


@pytest.mark.skipif(sys.platform == "win32", reason="signals that Windows does not have")
def test_ctrl_c_is_not_for_it():
    with subprocess.Popen(
        [sys.executable, "-m", "transcriber.adapters.engine.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert os.read(child.stdout.fileno(), 4096)
        child.send_signal(signal.SIGINT)
        child.stdin.write(frame(Ping(1)))
        child.stdin.flush()
        assert os.read(child.stdout.fileno(), 4096)
        child.stdin.close()
        assert child.wait(timeout=10) == 0


def test_a_request_that_is_cut_short_is_the_end_of_the_stream():
    data = frame(DetectSpeech(1, bytes(100), b""))
    for cut in (0, 2, 4, len(data) - 1):
        reading, writing = os.pipe()
        os.write(writing, data[:cut])
        os.close(writing)
        with os.fdopen(reading, "rb") as source, contextlib.closing(source):
            assert Pipe(source, -1).read() is None


def test_serving_in_this_process_is_the_same():
    reading, writing = os.pipe()
    answering, answered = os.pipe()
    os.write(writing, frame(Ping(1)) + frame(DetectSpeech(2, bytes(1024), b"")))
    os.close(writing)
    with os.fdopen(reading, "rb") as source, os.fdopen(answering, "rb") as answers:
        worker.serve(Pipe(source, answered))
        reader, read = AnswerReader(), []
        while len(read) < 3:
            read += reader.feed(os.read(answers.fileno(), 65536))
    os.close(answered)
    assert {type(answer) for answer in read} == {Ready, Pong, SpeechDetected}
