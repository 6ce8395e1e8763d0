from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from snapshots import QUIET, with_track

from transcriber.core.history import FIGURES, History


@given(rows=st.integers(1, 9), count=st.integers(0, 30))
def test_it_is_the_last_rows_in_order(rows, count):
    history = History(rows)
    for number in range(count):
        history.take(replace(QUIET, at=number))
    columns = history.columns()
    assert columns["at"] == list(range(count))[-rows:]
    assert {len(values) for values in columns.values()} == {min(rows, count)}


def test_each_figure_is_that_of_the_worst_track_and_of_its_process():
    history = History()
    history.take(with_track(lag=9.0, buffer=0.7))
    row = {name: value for name, [value] in history.columns().items()}
    assert set(row) == set(FIGURES)
    assert (row["lag"], row["buffer"], row["cpu"]) == (9.0, 0.7, 15.0)
    assert row["core_memory"] == 50 * 2**20
    assert (row["core_cpu"], row["engine_cpu"]) == (2.0, 60.0)


def test_a_process_that_is_not_there_uses_nothing():
    history = History()
    history.take(replace(QUIET, processes=()))
    assert history.columns()["engine_memory"] == [0.0]
