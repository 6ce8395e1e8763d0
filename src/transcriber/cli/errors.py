"""How an error ends the program: one line on standard error, and an exit code."""

import tempfile
import traceback
from collections.abc import Iterator

import click

from transcriber.errors import TranscriberError

INTERRUPTED = 130
"""What shells give to a program that Ctrl-C ended: 128 + SIGINT."""


def report(error: BaseException, *, debug: bool) -> int:
    """Tell an error on standard error and return the exit code. `debug` shows the traceback as well.

    An exception group counts as its first unexpected error, else as the first that Transcriber raised on purpose.
    """
    errors = sorted(_leaves(error), key=_is_expected)
    if any(isinstance(each, KeyboardInterrupt | click.Abort) for each in errors):
        return INTERRUPTED
    if debug:
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    match errors[0]:
        case click.ClickException() as usage:
            usage.show()
            return usage.exit_code
        case TranscriberError() as known:
            click.echo(f"error: {_line(known)}", err=True)
            return known.exit_code
        case unexpected:
            where = "above" if debug else _written(error)
            click.echo(
                f"error: unexpected {type(unexpected).__name__}: {_line(unexpected)}; traceback {where}", err=True
            )
            return 1


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - narrowed to a group of anything
            yield from _leaves(inner)  # pyright: ignore[reportUnknownArgumentType] - as above
    else:
        yield error


def _is_expected(error: BaseException) -> bool:
    return isinstance(error, TranscriberError | click.ClickException)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _written(error: BaseException) -> str:
    """Write the traceback, which has no values of variables, where only this user can read it; say where."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", prefix="transcriber-error-", suffix=".txt", delete=False
        ) as file:
            file.writelines(traceback.format_exception(error))
    except OSError as failure:
        return f"could not be written ({_line(failure)}): run again with --debug"
    return f"in {file.name}, or with --debug"
