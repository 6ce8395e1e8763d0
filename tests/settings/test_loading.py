"""Settings come from four layers, and a wrong one is told by key, origin and remedy."""

import re
from pathlib import Path

import pytest

from transcriber.errors import ConfigError
from transcriber.settings import Settings, Track, load, trace


def written(folder: Path, text: str) -> Path:
    file = folder / "settings.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_without_any_layer_the_defaults_hold():
    assert load(None, {}, {}) == Settings()


def test_each_layer_wins_over_the_one_before(tmp_path):
    file = written(tmp_path, '[engine]\nmodel = "file"\nlanguage = "de"\nthreads = 1\n')
    environ = {"TRANSCRIBER_ENGINE__MODEL": "variable", "TRANSCRIBER_ENGINE__LANGUAGE": "fr"}
    engine = load(file, environ, {"engine.model": "flag"}).engine
    assert (engine.model, engine.language, engine.threads, engine.device) == ("flag", "fr", 1, "auto")


def test_origins_name_the_layer_that_won(tmp_path):
    file = written(tmp_path, '[engine]\nmodel = "file"\nlanguage = "de"\nthreads = 1\n')
    environ = {"TRANSCRIBER_ENGINE__MODEL": "variable", "TRANSCRIBER_ENGINE__LANGUAGE": "fr"}
    loaded = trace(file, environ, {"engine.model": "flag"}, flag_names={"engine.model": "--model"})
    assert loaded.origins == {
        "engine.model": "flag --model",
        "engine.language": "variable TRANSCRIBER_ENGINE__LANGUAGE",
        "engine.threads": f"file {file}",
    }


def test_the_environment_names_a_file_and_an_argument_wins_over_it(tmp_path):
    named = written(tmp_path, '[engine]\nmodel = "named"\n')
    environ = {"TRANSCRIBER_CONFIG": str(named)}
    assert load(None, environ, {}).engine.model == "named"
    other = tmp_path / "other.toml"
    other.write_text("")
    assert load(other, environ, {}).engine.model == "auto"


def test_an_empty_variable_names_no_file():
    assert load(None, {"TRANSCRIBER_CONFIG": ""}, {}) == Settings()


def test_text_of_the_environment_becomes_what_the_setting_is():
    environ = {
        "TRANSCRIBER_ENGINE__THREADS": "3",
        "TRANSCRIBER_MONITORING__LAG_THRESHOLD": "60",
        "TRANSCRIBER_SESSION__NAME": "7",
    }
    settings = load(None, environ, {})
    assert (settings.engine.threads, settings.monitoring.lag_threshold, settings.session.name) == (3, 60.0, "7")


def test_tracks_of_every_layer():
    me = Track(name="me", source="microphone")
    assert load(None, {"TRANSCRIBER_TRACKS": '[{name = "me", source = "microphone"}]'}, {}).tracks == (me,)
    assert load(None, {}, {"tracks": [me]}).tracks == (me,)


def test_variables_of_others_are_left_alone():
    assert load(None, {"TRANSCRIBER_DEBUG": "1", "TRANSCRIBER_HOME": "/", "PATH": ""}, {}) == Settings()


def test_a_byte_order_mark_is_not_part_of_the_file(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_bytes(b'\xef\xbb\xbf[engine]\nmodel = "small"\n')
    assert load(file, {}, {}).engine.model == "small"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[engine]\nmodl = "x"', "engine.modl: no such setting (file FILE); did you mean engine.model?"),
        ('[engin]\nmodel = "x"', "engin: no such setting (file FILE); did you mean engine?"),
        ("zzz = 1", "zzz: no such setting (file FILE)"),
        ("[engine]\nthreads = 1.5", "engine.threads: a whole number from 0 to 256 is accepted, not 1.5 (file FILE)"),
        ("[engine]\nthreads = true", "engine.threads: a whole number from 0 to 256 is accepted, not True (file FILE)"),
        ('[engine]\nthreads = "3"', "engine.threads: a whole number from 0 to 256 is accepted, not '3' (file FILE)"),
        ("[capture]\nblock = 0.5", "capture.block: a number from 0.03 to 0.128 is accepted, not 0.5 (file FILE)"),
        ("[capture]\nblock = nan", "capture.block: a number from 0.03 to 0.128 is accepted, not nan (file FILE)"),
        ('[logs]\nformat = "xml"', "logs.format: one of auto, console, json is accepted, not 'xml' (file FILE)"),
        (
            '[engine]\nlanguage = "English"',
            "engine.language: auto, or an ISO 639 code such as en is accepted, not 'English' (file FILE)",
        ),
        ("engine = 3", "engine: a table [engine] is accepted, not 3 (file FILE)"),
        ("tracks = []", "tracks: an array of 1 to 32 tables is accepted, not [] (file FILE)"),
        ("tracks = 3", "tracks: an array of 1 to 32 tables is accepted, not 3 (file FILE)"),
        ("tracks = [3]", "tracks[0]: a table is accepted, not 3 (file FILE)"),
        ('[[tracks]]\nname = "a"', "tracks[0].source: is missing; text that is not empty is accepted (file FILE)"),
        (
            '[[tracks]]\nname = "a"\nsource = "loopback"\n[[tracks]]\nname = "b"\nsources = "x"',
            "tracks[1].sources: no such setting (file FILE); did you mean source?",
        ),
        (
            '[[tracks]]\nname = "a"\nsource = 1',
            "tracks[0].source: text that is not empty is accepted, not 1 (file FILE)",
        ),
        ("x = [", "settings are not TOML: Invalid value (at line 1, the end) (file FILE)"),
        (
            "[engine]\n\nmodel",
            "settings are not TOML: Expected '=' after a key in a key/value pair (at line 3, the end)",
        ),
        (
            "[engine]\nmodel = x\n",
            "settings are not TOML: Invalid value (at line 2, column 9) (file FILE)",
        ),
    ],
)
def test_a_mistake_in_the_file_is_told_in_one_line(tmp_path, text, message):
    file = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(file, {}, {})
    assert str(caught.value).replace(str(file), "FILE").startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"TRANSCRIBER_ENGINE_MODEL": "x"},
            "TRANSCRIBER_ENGINE_MODEL: no such setting; did you mean TRANSCRIBER_ENGINE__MODEL?",
        ),
        (
            {"TRANSCRIBER_ENGINE__MODL": "x"},
            "engine.modl: no such setting (variable TRANSCRIBER_ENGINE__MODL); did you mean engine.model?",
        ),
        (
            {"TRANSCRIBER_ENGINE__THREADS": "many"},
            "engine.threads: a whole number from 0 to 256 is accepted, not 'many' (variable TRANSCRIBER_ENGINE__TH",
        ),
        (
            {"TRANSCRIBER_TRACKS": "me=microphone"},
            "tracks: an array of 1 to 32 tables is accepted, as TOML: ",
        ),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(environ, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
        load(None, environ, {})


def test_a_mistake_in_a_flag_names_the_flag():
    with pytest.raises(ConfigError, match=r"^engine\.language: .* not '\?' \(flag --language\)$"):
        trace(None, {}, {"engine.language": "?"}, flag_names={"engine.language": "--language"})


@pytest.mark.parametrize(
    ("flags", "key"),
    [
        ({"supervision.window": 52.5}, "supervision.window"),
        ({"buffering.pool_size": 65_536, "buffering.chunk_size": 65_536}, "buffering.pool_size"),
        ({"engine.ping_deadline": 1.0}, "engine.ping_deadline"),
        ({"transcription.vad_threshold": 0.1}, "transcription.vad_hysteresis"),
        ({"session.name": "a/b"}, "session.name"),
        ({"tracks": [{"name": "..", "source": "loopback"}]}, "tracks[0].name"),
        ({"tracks": [{"name": name, "source": "loopback"} for name in ("me", "Me")]}, "tracks"),
    ],
)
def test_values_that_cannot_stand_together_are_told_by_one_of_them(flags, key):
    with pytest.raises(ConfigError, match=rf"^{re.escape(key)}: .*\(flag "):
        load(None, {}, flags)


def test_a_window_that_just_exceeds_the_restarts_is_accepted():
    assert load(None, {}, {"supervision.window": 52.6}).supervision.window == 52.6


def test_a_file_that_is_not_there_or_not_text(tmp_path):
    with pytest.raises(ConfigError, match=r"^settings cannot be read: No such file or directory \(file "):
        load(tmp_path / "none.toml", {}, {})
    file = tmp_path / "latin1.toml"
    file.write_bytes(b'[session]\nname = "Z\xfcrich"\n')
    with pytest.raises(ConfigError, match=r"^settings are not UTF-8 text: byte 19 \(file "):
        load(file, {}, {})


def test_a_long_value_is_cut_in_the_message():
    with pytest.raises(ConfigError) as caught:
        load(None, {}, {"transcription.prompt": "x" * 5000})
    assert len(str(caught.value)) < 200
