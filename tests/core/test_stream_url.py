"""What may be read by URL, and what of a URL may be shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.core.source_spec import parse_source
from transcriber.core.stream_url import PROTOCOLS, without_secrets
from transcriber.errors import ConfigError


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_streams_are_read_by_the_protocols_of_streams(protocol):
    spec = parse_source(f"url:{protocol}://camera:554/live?key=1&b=2#x")
    assert spec.target == f"{protocol}://camera:554/live?key=1&b=2#x"
    assert (spec.track, spec.options) == ("stream", {})


@pytest.mark.parametrize(
    "url",
    [
        "",
        "camera",
        "/etc/passwd",
        "file:///etc/passwd",
        "concat:/etc/passwd|/etc/shadow",
        "subfile,,start,0,end,9,,:/etc/passwd",
        "data://text/plain,x",
        "pipe:0",
        "unix:///run/x",
        "HTTP://UPPER.example",
        "http://",
        "http:// space.example/",
        "http://a.example/\0",
        "crypto+http://a.example",
        "async:http://a.example",
    ],
)
def test_nothing_of_this_computer_can_be_read_by_url(url):
    with pytest.raises(ConfigError, match="rtsp://"):
        parse_source(f"url:{url}")


def test_what_is_refused_is_named_without_its_secrets():
    with pytest.raises(ConfigError) as error:
        parse_source("url:ftp://me:hunter2@a.example/x?key=hunter2")
    assert "hunter2" not in str(error.value)
    assert "a.example/x" in str(error.value)


secret = st.text("abc123:%-", min_size=1).map(lambda text: f"S3{text}")


@given(st.sampled_from(PROTOCOLS), secret, secret, secret)
def test_no_secret_is_shown(protocol, user, key, fragment):
    text = without_secrets(f"cam=url:{protocol}://{user}@a.example:80/p/q.m3u8?k={key}#{fragment}")
    assert text == f"cam=url:{protocol}://a.example:80/p/q.m3u8"
