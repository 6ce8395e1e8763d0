"""`transcriber config`, and the options that set settings."""

import json
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from transcriber.cli import main, options
from transcriber.cli.config import command
from transcriber.errors import ConfigError
from transcriber.settings import Settings, Track, load

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture(autouse=True)
def environment_without_settings(monkeypatch):
    monkeypatch.delenv("TRANSCRIBER_CONFIG", raising=False)


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_the_files_that_are_shipped_are_right(file, capsys):
    assert main(["config", "check", str(file)]) == 0
    assert capsys.readouterr().out.startswith("ok: ")


def test_check_tells_a_mistake_in_one_line_and_exits_with_2(tmp_path, capsys):
    file = tmp_path / "settings.toml"
    file.write_text("[capture]\nblock = 0.5\n")
    assert main(["config", "check", str(file)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"error: capture.block: a number from 0.03 to 0.128 is accepted, not 0.5 (file {file})\n"


@pytest.mark.parametrize("line", ['source = "telex:berlin"', 'source = "loopback"\nfallbacks = ["telex:berlin"]'])
def test_check_looks_into_the_sources(tmp_path, capsys, line):
    file = tmp_path / "settings.toml"
    file.write_text(f'[[tracks]]\nname = "me"\n{line}\n')
    assert main(["config", "check", str(file)]) == 2
    assert "telex" in capsys.readouterr().err


def test_check_counts_the_environment(monkeypatch, capsys):
    monkeypatch.setenv("TRANSCRIBER_ENGINE__MODEL", "small")
    assert main(["config", "check"]) == 0
    assert capsys.readouterr().out == "ok: 1 setting given, the others at their defaults\n"


def test_show_prints_what_is_in_effect_and_where_it_came_from(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TRANSCRIBER_ENGINE__MODEL", "small")
    file = tmp_path / "settings.toml"
    file.write_text('[engine]\nmodel = "tiny"\nlanguage = "de"\n[[tracks]]\nname = "me"\nsource = "microphone"\n')
    assert main(["config", "show", "--config", str(file)]) == 0
    shown = capsys.readouterr().out
    assert '# variable TRANSCRIBER_ENGINE__MODEL\nmodel = "small"\n' in shown
    assert f'# file {file}\nlanguage = "de"\n' in shown
    assert f"# file {file}\n[[tracks]]\n" in shown
    assert shown.count("#") == 3
    assert tomllib.loads(shown)["engine"]["model"] == "small"


def test_what_show_prints_is_a_settings_file(tmp_path, capsys):
    assert main(["config", "show"]) == 0
    file = tmp_path / "shown.toml"
    file.write_text(capsys.readouterr().out)
    assert load(file, {}, {}) == Settings()


def test_schema_is_a_json_schema_of_every_section(capsys):
    assert main(["config", "schema"]) == 0
    assert set(Settings.__struct_fields__) == set(
        json.loads(capsys.readouterr().out)["$defs"]["Settings"]["properties"]
    )


def given_by(arguments, tracks=()):
    """Return the settings that a command with all of the shared options gets."""
    received = []

    @click.command()
    @options.config
    @options.sessions
    @options.model
    @options.language
    @options.logs
    def command(config):
        received.append((options.given(), options.trace_settings(config, tracks)))

    result = CliRunner().invoke(command, arguments, standalone_mode=False)
    if result.exception:
        raise result.exception
    return received[0]


def test_only_flags_that_were_given_are_settings():
    assert given_by([])[0] == {}
    given, loaded = given_by(
        ["--model", "small", "--log-format", "json", "--log-file", "x.log", "--log-level", "debug"]
    )
    assert given["engine.model"] == ("--model", "small")
    assert loaded.settings.engine.model == "small"
    assert (loaded.settings.logs.format, loaded.settings.logs.file, loaded.settings.logs.level) == (
        "json",
        "x.log",
        "debug",
    )
    assert loaded.origins["logs.file"] == "flag --log-file"


def test_flags_win_over_the_file(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text('[session]\nfolder = "a"\n[engine]\nlanguage = "de"\n')
    _, loaded = given_by(["--config", str(file), "--sessions", "b"])
    assert (loaded.settings.session.folder, loaded.settings.engine.language) == ("b", "de")


def test_tracks_of_the_command_line_replace_those_of_the_file():
    _, loaded = given_by([], [Track(name="me", source="microphone")])
    assert [track.name for track in loaded.settings.tracks] == ["me"]
    assert loaded.origins["tracks"] == "flag --source"


def test_a_mistake_in_a_flag_names_it():
    with pytest.raises(ConfigError, match=r"engine\.language: .*\(flag --language\)"):
        given_by(["--language", "?"])


def test_a_flag_has_the_choices_of_its_setting():
    with pytest.raises(click.BadParameter, match="console"):
        given_by(["--log-format", "xml"])


def test_help_of_every_command_of_config():
    for name, inner in command.commands.items():
        assert inner.get_short_help_str(), name
