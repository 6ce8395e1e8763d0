import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.core.histogram import Histogram

values = st.lists(st.floats(0.001, 1e6), min_size=1, max_size=300)


@given(values=values, share=st.floats(0.001, 1))
def test_a_percentile_is_within_one_per_cent_of_the_exact_one(values, share):
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    exact = sorted(values)[math.ceil(share * len(values)) - 1]
    assert histogram.percentile(share) == pytest.approx(exact, rel=0.0101)
    assert histogram.count == len(values)


def test_memory_is_bounded_whatever_comes():
    histogram = Histogram()
    for index in range(20_000):
        histogram.add(10 ** (index % 100 / 20))
    assert len(histogram._buckets) <= 100


@pytest.mark.parametrize("value", [0.0, -3.0, 1e-9])
def test_what_is_shorter_than_a_millisecond_counts_as_one(value):
    histogram = Histogram()
    histogram.add(value)
    assert histogram.percentile(0.5) == pytest.approx(0.001, rel=0.02)


def test_without_values_there_is_no_percentile():
    with pytest.raises(ValueError, match="no values"):
        Histogram().percentile(0.5)
