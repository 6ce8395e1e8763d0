"""How the program starts, and how it ends."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

import transcriber
from transcriber import cli
from transcriber.cli import Entry, main
from transcriber.errors import ConfigError, NoDeviceError, StorageError

ENVIRON = {**os.environ, "PYTHONPATH": str(Path(transcriber.__file__).parents[1])}
HEAVY = {"msgspec", "structlog", "rich", "numpy", "anyio", "soxr", "faster_whisper", "transcriber.settings"}


@pytest.fixture
def start(monkeypatch):
    """Run `transcriber it`, `it` being a function, and return the exit code."""

    def start(function, *arguments):
        module = type(sys)("it")
        module.command = click.command()(function)
        monkeypatch.setitem(sys.modules, "it", module)
        monkeypatch.setitem(cli.COMMANDS, "it", Entry("it:command", "Under test."))
        return main([*arguments, "it"])

    return start


def raising(error):
    def function():
        raise error

    return function


def python(*arguments, **options):
    return subprocess.run(
        [sys.executable, *arguments], env=ENVIRON, capture_output=True, text=True, check=False, **options
    )


def test_help_lists_every_command_and_imports_none():
    code = "import sys; from transcriber.cli import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    result = python("-c", code)
    assert all(f"  {name} " in result.stdout for name in cli.COMMANDS)
    imported = set(result.stderr.split())
    assert not imported & HEAVY
    assert not imported & {entry.target.partition(":")[0] for entry in cli.COMMANDS.values()}


def test_the_module_runs_as_the_program():
    result = python("-m", "transcriber", "--version")
    assert (result.returncode, result.stdout.split()[0]) == (0, "transcriber")


def test_wrong_usage_exits_with_2(capsys):
    assert main(["configure"]) == 2
    assert "No such command 'configure'" in capsys.readouterr().err


def test_a_command_that_returns_exits_with_0(start):
    assert start(lambda: None) == 0


def test_a_command_may_choose_its_exit_code(start):
    assert start(lambda: click.get_current_context().exit(6)) == 6


@pytest.mark.parametrize(("error", "code"), [(ConfigError, 2), (NoDeviceError, 3), (StorageError, 5)])
def test_an_error_raised_on_purpose_is_one_line_and_its_exit_code(start, capsys, error, code):
    assert start(raising(error("no such\nthing"))) == code
    assert capsys.readouterr().err == "error: no such thing\n"


def test_an_error_out_of_tasks_counts_as_itself(start, capsys):
    error = ExceptionGroup("tasks", [ExceptionGroup("tasks", [StorageError("disk full")])])
    assert start(raising(error)) == 5
    assert capsys.readouterr().err == "error: disk full\n"


def test_an_unexpected_error_says_where_the_traceback_is(start, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert start(raising(ValueError("surprise"))) == 1
    message = capsys.readouterr().err
    [file] = tmp_path.iterdir()
    assert message == f"error: unexpected ValueError: surprise; traceback in {file}, or with --debug\n"
    assert "raise error\nValueError: surprise" in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


def test_an_unexpected_error_beside_others_is_the_one_that_counts(start, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert start(raising(ExceptionGroup("tasks", [StorageError("disk full"), ValueError("surprise")]))) == 1
    assert "ValueError: surprise" in capsys.readouterr().err


def test_a_traceback_that_cannot_be_written_is_not_another_error(start, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    assert start(raising(ValueError("surprise"))) == 1
    assert "run again with --debug" in capsys.readouterr().err


@pytest.mark.parametrize("by_variable", [False, True])
def test_debug_shows_the_traceback(start, capsys, monkeypatch, by_variable):
    monkeypatch.setenv("TRANSCRIBER_DEBUG", "1" if by_variable else "0")
    assert start(raising(StorageError("disk full")), *([] if by_variable else ["--debug"])) == 5
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), BaseExceptionGroup("tasks", [KeyboardInterrupt()])])
def test_an_interrupt_exits_with_130(start, capsys, error):
    assert start(raising(error)) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_reader_that_leaves_ends_the_program_quietly():
    code = (
        "import os, sys; from transcriber.cli import main; read, write = os.pipe(); os.dup2(write, 1); os.close(write);"
        "os.close(read); sys.exit(main(['config', 'schema']))"
    )
    result = python("-c", code)
    assert (result.returncode, result.stderr) == (1, "")


def test_text_that_the_terminal_has_no_code_for_is_written_as_utf8():
    code = "import sys; from transcriber.cli import main; main(['--version']); print('Zürich \\udce9')"
    result = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRON | {"PYTHONIOENCODING": "ascii"}, capture_output=True, check=True
    )
    assert result.stdout.splitlines()[1] == "Zürich \\udce9".encode()
