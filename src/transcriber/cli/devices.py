"""`transcriber devices`: what can be captured, in the words that `--source` takes."""

import click
import msgspec

from transcriber.core.device_choice import WITHOUT_DEVICE
from transcriber.types import Device


@click.command("devices")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def command(*, as_json: bool) -> None:
    """List what can be captured: loopbacks and microphones. The default ones are marked with a star."""
    from transcriber.adapters.devices import list_devices  # noqa: PLC0415 - sound systems load slowly

    devices = list_devices()
    if as_json:
        click.echo(msgspec.json.encode([_fields(device) for device in devices]))
    elif devices:
        for device in devices:
            click.echo(_line(device))
    else:
        click.echo(f"no device was found; {WITHOUT_DEVICE}", err=True)


def _fields(device: Device) -> dict[str, str | int | bool]:
    return {
        "source": f"{device.kind}:{device.name}",
        "kind": str(device.kind),
        "name": device.name,
        "description": device.description,
        "default": device.default,
        "rate": device.format.rate,
        "channels": device.format.channels,
    }


def _line(device: Device) -> str:
    star = "*" if device.default else " "
    about = f" - {device.description}" if device.description else ""
    return f"{star} {device.kind}:{device.name}{about} ({device.format.rate} Hz, {device.format.channels} ch)"
