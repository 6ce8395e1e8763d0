from transcriber.core.backoff import Backoff


def pauses(backoff, count, now=100.0):
    """Return after how many seconds each try is due that fails."""
    found = []
    for _ in range(count):
        backoff.failed(now)
        before, step = now, 0.25
        while not backoff.due(now):
            now += step
        found.append(now - before)
    return found


def test_the_first_try_is_due_at_once_and_each_further_one_later():
    backoff = Backoff(1.0, 30.0)
    assert backoff.due(0.0)
    assert pauses(backoff, 7) == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_after_all_was_well_the_pauses_are_short_again():
    backoff = Backoff(1.0, 30.0)
    pauses(backoff, 5)
    backoff.begin()
    assert pauses(backoff, 2) == [1.0, 2.0]
