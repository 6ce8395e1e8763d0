"""What a view may ask about while nothing happens: it polls this, because levels and lag are no events."""

from dataclasses import dataclass

from transcriber.types import TrackName


@dataclass(frozen=True, slots=True)
class TrackStatus:
    """A track at this moment: `level` is its peak of the last moment in dBFS, `lag` newest audio minus cursor in s."""

    name: TrackName
    level: float
    lag: float


@dataclass(frozen=True, slots=True)
class ViewStatus:
    """The run at this moment.

    `state` is one or two words (`listening`, `loading the model`); `healthy` is False when a person should look.
    `elapsed` is seconds since the start. `catch_up` is the estimate in seconds until the lag is gone: None without
    one, infinite when the engine is slower than the speech.
    """

    state: str
    elapsed: float
    model: str
    tracks: tuple[TrackStatus, ...] = ()
    catch_up: float | None = None
    healthy: bool = True
