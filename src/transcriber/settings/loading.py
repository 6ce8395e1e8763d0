"""Settings from where they are given: defaults, then a TOML file, the environment and flags, the later ones winning."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from transcriber.settings.building import build
from transcriber.settings.layers import Given, from_environment, from_file
from transcriber.settings.schema import Settings

CONFIG_VARIABLE = "TRANSCRIBER_CONFIG"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and where each dotted key that was given came from, for people: `file meeting.toml`."""

    settings: Settings
    origins: Mapping[str, str]


def load(file: Path | None, environ: Mapping[str, str], flags: Mapping[str, object]) -> Settings:
    """Return the effective settings; see `trace` for the layers.

    Raises:
        ConfigError: as `trace` says.

    """
    return trace(file, environ, flags).settings


def trace(
    file: Path | None,
    environ: Mapping[str, str],
    flags: Mapping[str, object],
    *,
    flag_names: Mapping[str, str] | None = None,
) -> Loaded:
    """Return the effective settings and their origins.

    The layers are the defaults, `file` (else the file that `TRANSCRIBER_CONFIG` names, else none), the variables
    `TRANSCRIBER_SECTION__KEY` and `TRANSCRIBER_TRACKS` (a TOML array of tables) of `environ`, and `flags`, which maps
    dotted keys to values. `flag_names` maps a dotted key to the flag it was given by, for messages.

    Raises:
        ConfigError: a key is unknown, a value is not accepted, or the file cannot be read as TOML. The message names
            the key by its dotted path, its origin, what is accepted, and the known key nearest to an unknown one.

    """
    if file is None and environ.get(CONFIG_VARIABLE):
        file = Path(environ[CONFIG_VARIABLE])
    given = from_file(file) if file is not None else {}
    given |= from_environment(environ)
    names = flag_names or {}
    given |= {key: Given(value, f"flag {names.get(key, key)}") for key, value in flags.items()}
    return Loaded(build(given), {key: entry.origin for key, entry in given.items()})
