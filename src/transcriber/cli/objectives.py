"""`--require`: what a run must have reached to count as done."""

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from transcriber.errors import ConfigError, ObjectiveMissed
from transcriber.events import Summary

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}

MEASURES: dict[str, Callable[[Summary], float | None]] = {
    "coverage": lambda summary: _share(summary),  # noqa: PLW0108 - defined below
    "commit_p50": lambda summary: _latency(summary, 0),
    "commit_p95": lambda summary: _latency(summary, 1),
    "commit_p99": lambda summary: _latency(summary, 2),
    "gaps": lambda summary: sum(track.gaps for track in summary.tracks),
    "words": lambda summary: sum(track.words for track in summary.tracks),
    "restarts": lambda summary: summary.restarts,
    "real_time_factor": lambda summary: summary.real_time_factor,
}


@dataclass(frozen=True, slots=True)
class Objective:
    """A measure of the summary, how it is compared, and with what."""

    measure: str
    comparison: str
    bound: float

    def __str__(self) -> str:
        return f"{self.measure}{self.comparison}{self.bound:g}"


def parse_objectives(text: str) -> Sequence[Objective]:
    """Return the objectives of `coverage>=1.0,commit_p95<=2.5`.

    Raises:
        ConfigError: a measure is unknown, or a part is no comparison with a number.

    """
    return [_parse(part.strip()) for part in text.split(",")]


def check_objectives(objectives: Sequence[Objective], summary: Summary) -> None:
    """Compare the objectives with the numbers of a run.

    Raises:
        ObjectiveMissed: one was not met, or cannot be told because nothing was measured.

    """
    for objective in objectives:
        value = MEASURES[objective.measure](summary)
        if value is None or not COMPARISONS[objective.comparison](value, objective.bound):
            found = "was not measured" if value is None else f"is {value:g}"
            raise ObjectiveMissed(f"{objective.measure} {found}, and {objective} is required")


def _parse(part: str) -> Objective:
    match = re.fullmatch(r"(\w+)\s*(>=|<=|>|<)\s*(\d+(?:\.\d+)?)", part)
    if match is None:
        raise ConfigError(f"--require: {part!r} is no comparison; write for example coverage>=1.0,commit_p95<=2.5")
    measure, comparison, bound = match.groups()
    if measure not in MEASURES:
        raise ConfigError(f"--require: there is no {measure!r}; there are {', '.join(MEASURES)}")
    return Objective(measure, comparison, float(bound))


def _share(summary: Summary) -> float:
    captured = sum(track.captured for track in summary.tracks)
    return sum(track.coverage.position for track in summary.tracks) / captured if captured else 1.0


def _latency(summary: Summary, percentile: int) -> float | None:
    """Return the worst of the tracks."""
    latencies = [track.commit_latency[percentile] for track in summary.tracks if track.commit_latency is not None]
    return max(latencies, default=None)
