"""The SOURCE of the command line and of the configuration: `[NAME=]SCHEME[:TARGET[?OPTIONS]]`.

    loopback[:NAME]                                      what the computer plays
    microphone[:NAME]                                    what is said to it
    file:PATH                                            a media file
    pcm:-?rate=48000&channels=2&format=s16le             raw frames on the standard input
    websocket:HOST:PORT?rate=48000&token-file=PATH       raw frames from whoever connects
    url:URL                                              a stream: whatever FFmpeg reads by URL

A device's NAME, a PATH and a URL are taken as they stand, whatever they contain; OPTIONS belong to the other schemes.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from urllib.parse import parse_qsl

from transcriber.core.names import MAX_LENGTH, safe_name, track_name
from transcriber.core.stream_url import check_url
from transcriber.errors import ConfigError
from transcriber.types import RATE, AudioFormat, SampleFormat, SourceKind, TrackName

BUILT_IN = tuple(str(kind) for kind in SourceKind)
"""The schemes that Transcriber brings; plug-ins add theirs."""

ACCEPTED = (
    "loopback[:NAME], microphone[:NAME], file:PATH, pcm:-[?rate=16000&channels=1&format=s16le], "
    "websocket:HOST:PORT[?rate=48000&token-file=PATH] or url:URL"
)

_NAMED = re.compile(r"([^:=]*)=(.*)", re.DOTALL)
_LIMITS = {"rate": (1_000, 384_000), "channels": (1, 64)}
_TRACKS = {"loopback": "system", "url": "stream"}


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """What one track records. `target` is a device name (empty: the default device), a path, or `-`."""

    track: TrackName
    scheme: str
    target: str = ""
    options: Mapping[str, str] = field(default_factory=dict[str, str])

    def __str__(self) -> str:
        """Return the SOURCE that this was parsed from, without the track's name."""
        options = "&".join(f"{key}={value}" for key, value in self.options.items())
        return self.scheme + (f":{self.target}" if self.target else "") + (f"?{options}" if options else "")


def parse_sources(texts: Iterable[str], *, schemes: Collection[str] = BUILT_IN) -> tuple[SourceSpec, ...]:
    """Return the specs of the tracks of a session, each with a name of its own: a second `me` becomes `me-2`.

    Names that differ only in case count as equal, because some file systems think so.

    Raises:
        ConfigError: as `parse_source`, or the standard input is asked for twice.

    """
    specs = [parse_source(text, schemes=schemes) for text in texts]
    if sum(spec.scheme == SourceKind.PCM for spec in specs) > 1:
        raise ConfigError("sources: pcm:- is named twice, and the standard input can be read only once")
    taken: set[str] = set()
    return tuple(_with_own_name(spec, taken) for spec in specs)


def parse_source(text: str, *, schemes: Collection[str] = BUILT_IN) -> SourceSpec:
    """Return the spec of one SOURCE.

    Raises:
        ConfigError: it is wrong; the message says how, and what is accepted.

    """
    name, source = split_name(text)
    scheme, _, target = source.partition(":")
    if scheme not in schemes:
        others = "".join(f", or {scheme}:…" for scheme in schemes if scheme not in BUILT_IN)
        raise ConfigError(f"source {text!r}: unknown kind {scheme!r}; accepted are {ACCEPTED}{others}")
    target, options = _split(scheme, target, text)
    spec = SourceSpec(TrackName(""), scheme, target, options)
    _check(spec, text)
    return replace(spec, track=_track(spec, name))


def split_name(text: str) -> tuple[str | None, str]:
    """Return the name that stands before a SOURCE, or None, and the rest.

    >>> split_name("me=microphone:Headset"), split_name("microphone:a=b")
    (('me', 'microphone:Headset'), (None, 'microphone:a=b'))
    """
    named = _NAMED.fullmatch(text)
    return (named[1], named[2]) if named else (None, text)


def pcm_format(spec: SourceSpec, *, besides: Collection[str] = ()) -> AudioFormat:
    """Return the format of raw frames; what the options leave out is that of a track: 16 kHz, mono, `s16le`.

    `besides` are options that mean something else.

    Raises:
        ConfigError: an option is unknown or out of range.

    """
    where = f"source {str(spec)!r}"
    known = ("rate", "channels", "format", *sorted(besides))
    if unknown := spec.options.keys() - set(known):
        accepted = f"{', '.join(known[:-1])} and {known[-1]}"
        raise ConfigError(f"{where}: unknown option {min(unknown)!r}; accepted are {accepted}")
    sample = spec.options.get("format", SampleFormat.S16)
    if sample not in SampleFormat:
        raise ConfigError(f"{where}: format {sample!r} is not one of {', '.join(SampleFormat)}")
    rate = _number(spec, "rate", RATE)
    return AudioFormat(rate, _number(spec, "channels", 1), SampleFormat(sample))


def _number(spec: SourceSpec, option: str, default: int) -> int:
    text = spec.options.get(option, str(default))
    least, most = _LIMITS[option]
    if not (text.isascii() and text.isdecimal() and least <= int(text) <= most):
        raise ConfigError(f"source {str(spec)!r}: {option} {text!r} is not a number from {least} to {most}")
    return int(text)


def _split(scheme: str, target: str, text: str) -> tuple[str, dict[str, str]]:
    if scheme in {SourceKind.LOOPBACK, SourceKind.MICROPHONE, SourceKind.FILE, SourceKind.URL}:
        return target, {}
    target, _, query = target.partition("?")
    try:
        return target, dict(parse_qsl(query, strict_parsing=bool(query), keep_blank_values=True))
    except ValueError:
        raise ConfigError(f"source {text!r}: options are written ?key=value&key=value, not {query!r}") from None


def _check(spec: SourceSpec, text: str) -> None:
    if spec.scheme == SourceKind.FILE and not spec.target:
        raise ConfigError(f"source {text!r}: a path is missing; write file:PATH")
    if spec.scheme == SourceKind.PCM:
        if spec.target != "-":
            raise ConfigError(f"source {text!r}: raw audio is read from the standard input only; write pcm:-")
        pcm_format(spec)
    if spec.scheme == SourceKind.URL:
        check_url(spec.target)


def _track(spec: SourceSpec, name: str | None) -> TrackName:
    if name is not None:
        return track_name(name)
    stem = PurePath(spec.target).stem if spec.scheme == SourceKind.FILE else _TRACKS.get(spec.scheme, spec.scheme)
    return TrackName(safe_name(stem, default=spec.scheme))


def _with_own_name(spec: SourceSpec, taken: set[str]) -> SourceSpec:
    name, count = str(spec.track), 1
    while name.casefold() in taken:
        count += 1
        ending = f"-{count}"
        name = spec.track[: MAX_LENGTH - len(ending)] + ending
    taken.add(name.casefold())
    return replace(spec, track=TrackName(name))
