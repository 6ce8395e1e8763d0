import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.core.space import lasts, size_in_words, space_in_words


@pytest.mark.parametrize("growth", [None, 0.0, -5.0])
def test_where_nothing_grows_the_space_lasts_for_ever(growth):
    assert lasts(1000, growth) == math.inf


def test_no_space_lasts_no_time():
    assert lasts(0, 32_000.0) == 0.0


@given(st.integers(0, 1 << 50), st.floats(1, 1e9))
def test_what_lasts_is_used_up_at_the_end(free, growth):
    assert lasts(free, growth) * growth == pytest.approx(free)


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0.0 MB"), (999_900_000, "999.9 MB"), (1_000_000_000, "1.0 GB"), (2_500_000_000, "2.5 GB")]
)
def test_sizes_are_in_the_unit_that_fits(count, words):
    assert size_in_words(count) == words


@pytest.mark.parametrize(("seconds", "words"), [(0, "0 min"), (3599, "60 min"), (3600, "1.0 h"), (86_400, "24.0 h")])
def test_times_are_in_the_unit_that_fits(seconds, words):
    assert space_in_words(0, seconds) == f"0.0 MB are free on the disk, enough for about {words} at this pace"
