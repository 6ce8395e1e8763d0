"""The SOURCE argument: what is understood, what it is called, and what is refused in which words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.core.names import is_safe
from transcriber.core.source_spec import SourceSpec, parse_source, parse_sources, pcm_format
from transcriber.errors import ConfigError
from transcriber.types import AudioFormat, SampleFormat


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("loopback", SourceSpec("system", "loopback")),
        ("loopback:", SourceSpec("system", "loopback")),
        ("loopback:Speakers (USB): left=1", SourceSpec("system", "loopback", "Speakers (USB): left=1")),
        ("microphone", SourceSpec("microphone", "microphone")),
        ("me=microphone:Yeti?", SourceSpec("me", "microphone", "Yeti?")),
        ("file:/talks/jour fixe.tar.flac", SourceSpec("jour-fixe.tar", "file", "/talks/jour fixe.tar.flac")),
        ("them=file:a=b?.wav", SourceSpec("them", "file", "a=b?.wav")),
        ("file:…", SourceSpec("file", "file", "…")),
        ("pcm:-", SourceSpec("pcm", "pcm", "-")),
        ("tv=pcm:-?rate=48000&channels=2", SourceSpec("tv", "pcm", "-", {"rate": "48000", "channels": "2"})),
    ],
)
def test_a_source_is_understood(text, spec):
    assert parse_source(text) == spec


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("speakers", ["'speakers'", "loopback[:NAME]", "file:PATH", "pcm:-"]),
        ("", ["unknown kind ''"]),
        ("file:", ["path is missing", "file:PATH"]),
        ("pcm:raw.bin", ["pcm:-"]),
        ("pcm:", ["pcm:-"]),
        ("pcm:-?rate=fast", ["rate 'fast'", "1000"]),
        ("pcm:-?rate=-1", ["rate '-1'"]),
        ("pcm:-?channels=0", ["channels '0'"]),
        ("pcm:-?format=mp3", ["'mp3'", "s16le", "f32le"]),
        ("pcm:-?codec=mp3", ["'codec'", "rate, channels and format"]),
        ("pcm:-?rate", ["?key=value"]),
        ("=loopback", ["''"]),
        ("../up=loopback", ["'../up'"]),
        ("a b=loopback", ["'a b'", "'a-b'"]),
    ],
)
def test_a_wrong_source_is_refused_in_words_that_help(text, words):
    with pytest.raises(ConfigError) as refused:
        parse_source(text)
    message = str(refused.value)
    assert [word for word in words if word not in message] == []
    assert "\n" not in message


@pytest.mark.parametrize(("option", "least", "most"), [("rate", 1_000, 384_000), ("channels", 1, 64)])
def test_raw_audio_may_have_any_format_that_there_is(option, least, most):
    for number in (least, most):
        assert parse_source(f"pcm:-?{option}={number}").options == {option: str(number)}
    for number in (least - 1, most + 1):
        with pytest.raises(ConfigError, match=f"{option} '{number}'"):
            parse_source(f"pcm:-?{option}={number}")


def test_a_source_is_written_as_it_was_given():
    for text in ("loopback", "file:a=b?.wav", "pcm:-", "pcm:-?rate=48000&channels=2"):
        assert str(parse_source(f"me={text}")) == text


def test_a_plugin_scheme_has_a_target_and_options():
    spec = parse_source("rtp:host:5004?codec=opus&key=", schemes=("loopback", "rtp"))
    assert spec == SourceSpec("rtp", "rtp", "host:5004", {"codec": "opus", "key": ""})
    assert parse_sources(["rtp:host:5004?codec=opus&key="], schemes=("rtp",)) == (spec,)
    with pytest.raises(ConfigError, match="rtp:"):
        parse_source("rtsp:host", schemes=("loopback", "rtp"))


def test_every_track_has_a_name_of_its_own_on_any_file_system():
    texts = ["file:a/talk.wav", "file:b/talk.wav", "Talk=loopback", "talk-2=microphone", f"{'x' * 64}=loopback"]
    names = [spec.track for spec in parse_sources([*texts, texts[-1]])]
    assert names == ["talk", "talk-2", "Talk-3", "talk-2-2", "x" * 64, "x" * 62 + "-2"]


def test_the_standard_input_is_read_by_one_track_only():
    with pytest.raises(ConfigError, match="only once"):
        parse_sources(["a=pcm:-", "b=pcm:-"])
    assert [spec.track for spec in parse_sources(["a=pcm:-", "b=loopback"])] == ["a", "b"]


def test_raw_frames_are_those_of_a_track_unless_told_otherwise():
    assert pcm_format(parse_source("pcm:-")) == AudioFormat(16_000, 1, SampleFormat.S16)
    wide = parse_source("pcm:-?rate=48000&channels=2&format=f32le")
    assert pcm_format(wide) == AudioFormat(48_000, 2, SampleFormat.F32)


@given(st.sampled_from(["loopback", "microphone", "file", "pcm"]), st.text(max_size=80))
def test_any_text_is_a_source_that_writes_itself_or_is_refused(scheme, rest):
    try:
        spec = parse_source(f"{scheme}:{rest}")
    except ConfigError:
        return
    assert is_safe(spec.track)
    assert parse_source(str(spec)) == spec
