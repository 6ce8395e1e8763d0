"""Percentiles of any number of values in bounded memory."""

import math
from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate

GROWTH = 1.02
"""Each bucket is 2 % wider than the one before it, so a percentile is off by 1 % at most."""

SMALLEST = 0.001


@dataclass(slots=True)
class Histogram:
    """Counts positive values in buckets of constant relative width. Values below a millisecond count as one."""

    count: int = 0
    _buckets: Counter[int] = field(default_factory=Counter[int])

    def add(self, value: float) -> None:
        """Count a value."""
        self.count += 1
        self._buckets[math.floor(math.log(max(value, SMALLEST), GROWTH))] += 1

    def percentile(self, share: float) -> float:
        """Return the value below which `share` (0 to 1) of the values lie.

        Raises:
            ValueError: there are no values.

        """
        if not self.count:
            raise ValueError("no values were added")
        rank = math.ceil(share * self.count)
        buckets = sorted(self._buckets)
        seen = accumulate(self._buckets[bucket] for bucket in buckets)
        bucket = next(bucket for bucket, count in zip(buckets, seen, strict=True) if count >= rank)
        return GROWTH ** (bucket + 0.5)
