"""Every command line of `transcriber` that a document shows is one that the program takes."""

import re
import shlex
from pathlib import Path

import click
import pytest

from transcriber.cli import cli
from transcriber.core.source_spec import parse_source
from transcriber.plugins import schemes

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "examples/README.md",
]
EXAMPLES = [*sorted((ROOT / "examples").glob("*.*")), *sorted((ROOT / "configs").glob("*.toml"))]
FENCE = re.compile(r"^```(?:sh|powershell|console)?\n(.*?)^```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`(transcriber [^`\[|…\n]+)`")
INDENTED = re.compile(r"^(?:#|    )? {4}(.*\btranscriber .*)$", re.MULTILINE)
ENDS = {"|", ">", "2>", "&&", "&"}


def commands(line):
    """Return the argument lists after each `transcriber` of a line of a shell."""
    synopsis = re.split(r"\s{2,}(?!#)", line.removeprefix("$ "))[0]  # what follows says what it does
    try:
        words = shlex.split(re.sub(r"\[(--\S+|\S+)\]", r"\1", synopsis), comments=True)
    except ValueError:  # a line of something else
        return
    for place, word in enumerate(words):
        if word == "transcriber" and (place == 0 or words[place - 1] in {*ENDS, "-m"}):
            rest = words[place + 1 :]
            end = next((index for index, each in enumerate(rest) if each in ENDS), len(rest))
            yield rest[:end]


def shown():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        lines = [line for block in FENCE.findall(text) for line in block.splitlines()]
        lines += INLINE.findall(text)
        for line in lines:
            for arguments in commands(line):
                yield pytest.param(arguments, id=f"{page.name}: {' '.join(arguments)}")
    for file in EXAMPLES:
        if file.suffix not in {".toml", ".py", ".html"}:
            continue
        for line in INDENTED.findall(file.read_text(encoding="utf-8")):
            for arguments in commands(line):
                yield pytest.param(arguments, id=f"{file.name}: {' '.join(arguments)}")


SHOWN = list(shown())


@pytest.mark.parametrize("arguments", SHOWN)
def test_a_command_that_is_shown_is_taken(arguments):
    command, context, rest = cli, click.Context(cli, info_name="transcriber"), [*arguments]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name, rest = rest[0], rest[1:]
        found = command.get_command(context, name)
        assert found is not None, f"there is no command {name}"
        command, context = found, click.Context(found, info_name=name, parent=context)
    if "--help" in rest:
        return
    try:
        parsed = command.make_context(command.name, rest, parent=context)
    except click.MissingParameter:  # named in a sentence, and not shown
        return
    for source in (*parsed.params.get("sources", ()), *parsed.params.get("fallbacks", ())):
        parse_source(source, schemes=schemes())


def test_the_run_book_of_windows_has_some():
    assert sum("windows.md" in str(each.id) for each in SHOWN) > 8
