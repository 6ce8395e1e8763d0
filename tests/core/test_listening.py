"""What a WebSocket source listens to, and whom it lets in."""

import pytest

from transcriber.core.listening import check_token, excess, listening, token_in
from transcriber.core.source_spec import parse_source
from transcriber.errors import ConfigError
from transcriber.types import AudioFormat, SampleFormat

TOKEN = "x-_4" * 8


def of(source):
    return listening(parse_source(f"websocket:{source}"))


def test_an_address_and_a_format_are_all_it_takes():
    found = of("127.0.0.1:8765?rate=48000&channels=2&format=f32le&token-file=~/token")
    assert (found.host, found.port, found.token_file) == ("127.0.0.1", 8765, "~/token")
    assert found.form == AudioFormat(48_000, 2, SampleFormat.F32)
    assert found.address == "127.0.0.1:8765"
    assert of("[::1]:9000").address == "[::1]:9000"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("", "HOST:PORT"),
        ("127.0.0.1", "HOST:PORT"),
        (":8765", "HOST:PORT"),
        ("127.0.0.1:0", "HOST:PORT"),
        ("127.0.0.1:99999", "HOST:PORT"),
        ("127.0.0.1:8765/path", "HOST:PORT"),
        ("me@127.0.0.1:8765", "HOST:PORT"),
        ("[::1:8765", "HOST:PORT"),
        ("127.0.0.1:8765?token=secret", "unknown option 'token'"),
        ("127.0.0.1:8765?rate=1", "rate"),
        ("127.0.0.1:8765?certificate=a.pem", "belong together"),
        ("0.0.0.0:8765", "in the clear"),
        ("studio.example:8765", "in the clear"),
    ],
)
def test_what_cannot_be_meant_is_refused(source, says):
    with pytest.raises(ConfigError, match=says):
        of(source)


def test_beyond_this_computer_it_listens_with_tls():
    found = of("0.0.0.0:8765?certificate=a.pem&key=b.pem")
    assert not found.local
    assert found.knows_host("studio.example:8765")


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("127.0.0.1:8765", True),
        ("localhost:8765", True),
        ("localhost", True),
        ("[::1]:8765", True),
        ("127.9.9.9", True),
        ("evil.example:8765", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
    ],
)
def test_only_names_of_this_computer_lead_here(host, known):
    assert of("127.0.0.1:8765").knows_host(host) is known


@pytest.mark.parametrize(
    ("origin", "known"),
    [
        (None, True),
        ("http://localhost:8000", True),
        ("http://127.0.0.1", True),
        ("null", False),
        ("", False),
        ("https://evil.example", False),
        ("http://localhost.evil.example", False),
    ],
)
def test_only_pages_of_this_computer_may_connect(origin, known):
    assert of("127.0.0.1:8765").knows_origin(origin) is known


def test_pages_that_are_named_are_all_that_may_connect():
    for address in ("127.0.0.1:8765?", "0.0.0.0:8765?certificate=a&key=b&"):
        found = of(f"{address}origin=https://a.example,null")
        assert found.knows_origin("https://a.example")
        assert found.knows_origin("null")
        assert not found.knows_origin("http://localhost:8000")
    assert not of("0.0.0.0:8765?certificate=a&key=b").knows_origin("http://localhost:8000")


@pytest.mark.parametrize(
    ("authorization", "protocols", "token"),
    [
        (f"Bearer {TOKEN}", None, TOKEN),
        (f"bearer  {TOKEN} ", "bearer.other", TOKEN),
        (None, f"transcriber,bearer.{TOKEN}", TOKEN),
        ("Basic abc", "transcriber", ""),
        (None, None, ""),
        ("", "", ""),
    ],
)
def test_a_token_comes_in_a_header_or_as_a_protocol(authorization, protocols, token):
    assert token_in(authorization, protocols) == token


def test_a_token_that_could_be_guessed_is_refused():
    assert check_token(f" {TOKEN}\n", "here") == TOKEN
    assert check_token("a" * 22, "here")
    for token in ("", "a" * 21, "a" * 30 + " b", "a,b" * 10, "ü" * 30, "a\0" * 20):
        with pytest.raises(ConfigError, match="here: the token"):
            check_token(token, "here")


def test_what_sounds_may_come_late_in_a_burst_and_not_faster_for_long():
    form = AudioFormat(1_000, 1)
    assert not excess(5_000, 0.0, form, ahead=5.0)
    assert excess(5_001, 0.0, form, ahead=5.0)
    assert not excess(20_000, 10.0, form, ahead=5.0)
    assert excess(20_001, 10.0, form, ahead=5.0)
