"""`transcriber devices`: what can be captured, in the words that `--source` takes, and how loud it is."""

import sys

import click
import msgspec

from transcriber.core.device_choice import WITHOUT_DEVICE
from transcriber.types import Device


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """A device as `--json` prints it. `--levels` adds `peak`, in dBFS, or the `error` for which there is none."""

    source: str
    kind: str
    name: str
    description: str
    default: bool
    rate: int
    channels: int
    peak: float | None = None
    error: str | None = None


@click.command("devices")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@click.option("--levels", is_flag=True, help="Listen to each, and show how loud it is. Nothing is kept.")
@click.option(
    "--duration",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Listen for so long. Default: to Ctrl-C at a terminal, 3 s elsewhere.",
)
def command(*, as_json: bool, levels: bool, duration: float | None) -> None:
    """List what can be captured: loopbacks and microphones. The default ones are marked with a star."""
    from transcriber.adapters.devices import list_devices  # noqa: PLC0415 - sound systems load slowly

    if duration is not None and not levels:
        raise click.UsageError("--duration belongs to --levels")
    devices = list_devices()
    rows = [_row(device) for device in devices]
    if levels and devices:
        from transcriber.cli.levels import listen_to  # noqa: PLC0415 - for those who listen

        meters = listen_to(devices, duration, shown=sys.stdout.isatty() and not as_json)
        rows = [_row(meter.device, peak=round(meter.peak, 1), error=meter.error) for meter in meters]
    if as_json:
        click.echo(msgspec.json.encode(rows))
    elif rows:
        click.echo("\n".join(map(_line, rows)))
    else:
        click.echo(f"no device was found; {WITHOUT_DEVICE}", err=True)


def _row(device: Device, *, peak: float | None = None, error: str = "") -> Row:
    return Row(
        source=f"{device.kind}:{device.name}",
        kind=str(device.kind),
        name=device.name,
        description=device.description,
        default=device.default,
        rate=device.format.rate,
        channels=device.format.channels,
        peak=None if error else peak,
        error=error or None,
    )


def _line(row: Row) -> str:
    star = "*" if row.default else " "
    about = f" - {row.description}" if row.description else ""
    return f"{star} {row.source}{about} ({row.rate} Hz, {row.channels} ch){_heard(row)}"


def _heard(row: Row) -> str:
    if row.error:
        return f": {row.error}"
    if row.peak is None:
        return ""
    from transcriber.cli.levels import decibels  # noqa: PLC0415 - as above

    return f", peak {decibels(row.peak)}"
