"""The command line. A command's module is imported when it is called, so that the help appears at once."""

import importlib
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, override

import click

from transcriber.cli.errors import report


class Entry(NamedTuple):
    """Where a command is, as `module:attribute`, and what it does, in the words of the list of commands."""

    target: str
    help: str


COMMANDS = {
    "run": Entry("transcriber.cli.run:command", "Record and transcribe until stopped."),
    "transcribe": Entry("transcriber.cli.transcribe:command", "Transcribe files as fast as the machine goes."),
    "resume": Entry("transcriber.cli.resume:command", "Finish what a crash or an overload left."),
    "sessions": Entry("transcriber.cli.sessions:command", "List, show, export, verify, search or remove sessions."),
    "devices": Entry("transcriber.cli.devices:command", "List what can be captured."),
    "doctor": Entry("transcriber.cli.doctor:command", "Check what a recording needs, and say what to do."),
    "models": Entry("transcriber.cli.models:command", "List, fetch or verify Whisper models."),
    "config": Entry("transcriber.cli.config:command", "Check or show the settings, or their schema."),
}


class LazyGroup(click.Group):
    """Commands from a table of entries, in its order."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].target.partition(":")
        return getattr(importlib.import_module(module), attribute)

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, envvar="TRANSCRIBER_DEBUG", help="Show the traceback of an error.")
@click.version_option(package_name="transcriber", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context, *, debug: bool) -> None:
    """Record what a computer plays and hears, transcribe it live, and never lose a word."""
    ctx.ensure_object(dict)["debug"] = debug


def main(args: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; an error has been told on standard error."""
    _prepare_streams()
    shared: dict[str, bool] = {}
    try:
        code: object = cli.main(args, prog_name="transcriber", standalone_mode=False, obj=shared)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has read enough. What is left in the buffer must not fail once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Exception, BaseExceptionGroup, KeyboardInterrupt) as error:  # noqa: BLE001 - this is where every error ends
        return report(error, debug=shared.get("debug", False))
    return code if isinstance(code, int) else 0


def _prepare_streams() -> None:
    """Give a program that was started without standard streams (`>&-`, pythonw) some that lead nowhere."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # In this order, so that on POSIX each takes its own number, and no file of a session does.
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - it lives as long as we do
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A pipe on Windows is in the code page of the system, which has not all that can be said.
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
