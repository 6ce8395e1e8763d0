"""`--require`: what a run must have reached to count as done."""

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from transcriber.core.wire import to_line
from transcriber.errors import ConfigError, ObjectiveMissed
from transcriber.events import Envelope, Summary

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}

MEASURES = (
    "coverage",
    "commit_p50",
    "commit_p95",
    "commit_p99",
    "gaps",
    "missing",
    "words",
    "restarts",
    "real_time_factor",
    "elapsed",
)
"""Fields of the `summary` event that can be required."""


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
    line = to_line(Envelope(0, 0.0, summary))
    for objective in objectives:
        value: float | None = getattr(line, objective.measure)
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
