"""`transcriber doctor`: whether this computer can record and transcribe, and what to do if it cannot."""

from collections.abc import Sequence
from pathlib import Path

import anyio
import click
import msgspec

from transcriber.app.doctor import examine
from transcriber.cli import options
from transcriber.cli.run import make_tracks
from transcriber.core.diagnosis import Finding, Verdict, diagnose, worst


class Diagnosis(msgspec.Struct, frozen=True):
    """What `--json` prints."""

    verdict: Verdict
    findings: tuple[Finding, ...]


@click.command("doctor")
@click.option("--source", "sources", multiple=True, metavar="[NAME=]SOURCE", help="What would be recorded, as for run.")
@options.model
@options.language
@options.sessions
@options.config
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(ctx: click.Context, sources: Sequence[str], config: Path | None, *, as_json: bool) -> None:
    """Check what a recording with these settings needs, and say what to do. Exits with 1 if something would fail."""
    settings = options.load_settings(config, make_tracks(sources, ()))
    findings = diagnose(anyio.run(examine, settings))
    verdict = worst(findings)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(Diagnosis(verdict, findings)), indent=2))
    else:
        width = max(len(finding.check) for finding in findings)
        for finding in findings:
            click.echo(f"{finding.verdict:4}  {finding.check:{width}}  {finding.told}")
            if finding.remedy:
                click.echo(f"{'':{width + 8}}{finding.remedy}")
    ctx.exit(1 if verdict is Verdict.FAIL else 0)
