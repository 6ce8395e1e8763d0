from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from transcriber.core.retention import RetentionRules, StoredSession, to_remove

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def session(name: str, *, days: float = 1.0, size: int = 10, running: bool = False, complete: bool = True):
    ended = NOW - timedelta(days=days)
    return StoredSession(id=name, ended=ended, size=size, running=running, complete=complete)


def test_rules_without_a_limit_let_nothing_go():
    assert [
        rules.limited for rules in (RetentionRules(None, None), RetentionRules(1.0, None), RetentionRules(None, 1))
    ] == [
        False,
        True,
        True,
    ]


def names(sessions) -> list[str]:
    return [one.id for one in sessions]


stored = st.lists(
    st.builds(
        session,
        st.text("abc", min_size=1, max_size=3),
        days=st.integers(-1, 20),
        size=st.integers(0, 100),
        running=st.booleans(),
        complete=st.booleans(),
    ),
    max_size=12,
    unique_by=lambda one: one.id,
)
rules = st.builds(
    RetentionRules, st.none() | st.integers(0, 20), st.none() | st.integers(0, 500), unfinished=st.booleans()
)


@given(stored, rules)
def test_what_is_written_never_goes_and_what_is_unfinished_only_if_asked(sessions, rules):
    gone = to_remove(sessions, rules, NOW)
    assert not any(one.running for one in gone)
    assert rules.unfinished or all(one.complete for one in gone)
    assert set(gone) <= set(sessions)


@given(stored, rules)
def test_the_oldest_goes_first_and_nothing_newer_in_its_stead(sessions, rules):
    gone = to_remove(sessions, rules, NOW)
    assert names(gone) == names(sorted(gone, key=lambda one: (one.ended, one.id)))
    may_go = [one for one in sessions if not one.running and (one.complete or rules.unfinished)]
    kept = set(may_go) - set(gone)
    assert not gone or all(one.ended >= gone[-1].ended for one in kept)


@given(stored, rules)
def test_what_is_left_is_within_the_limits(sessions, rules):
    gone = to_remove(sessions, rules, NOW)
    kept = [one for one in sessions if one not in gone and not one.running and (one.complete or rules.unfinished)]
    if rules.days is not None:
        assert all(NOW - one.ended <= timedelta(days=rules.days) for one in kept)
    if rules.size is not None:
        assert sum(one.size for one in kept) <= rules.size


@given(stored, rules)
def test_no_more_goes_than_is_needed(sessions, rules):
    gone = to_remove(sessions, rules, NOW)
    may_go = [one for one in sessions if not one.running and (one.complete or rules.unfinished)]
    if gone:
        last = gone[-1]
        aged = rules.days is not None and NOW - last.ended > timedelta(days=rules.days)
        left = sum(one.size for one in may_go) - sum(one.size for one in gone[:-1])
        assert aged or (rules.size is not None and left > rules.size)


@given(stored)
def test_without_a_limit_everything_is_kept(sessions):
    everything = RetentionRules(None, None, unfinished=True)
    assert not everything.limited
    assert to_remove(sessions, everything, NOW) == []


def test_the_border_of_an_age_is_kept():
    sessions = [session("a", days=7), session("b", days=7.001), session("c", days=6)]
    assert names(to_remove(sessions, RetentionRules(7, None), NOW)) == ["b"]


def test_the_border_of_a_size_is_kept():
    sessions = [session("new", days=1), session("old", days=3), session("middle", days=2)]
    assert names(to_remove(sessions, RetentionRules(None, 20), NOW)) == ["old"]
    assert names(to_remove(sessions, RetentionRules(None, 19), NOW)) == ["old", "middle"]


def test_nothing_goes_in_the_stead_of_what_may_not():
    sessions = [session("huge", days=9, size=1000, complete=False), session("small")]
    assert to_remove(sessions, RetentionRules(None, 20), NOW) == []
    assert names(to_remove(sessions, RetentionRules(None, 20, unfinished=True), NOW)) == ["huge"]


def test_what_is_too_old_makes_room_for_the_rest():
    sessions = [session("old", days=30, size=90), session("new", size=90)]
    assert names(to_remove(sessions, RetentionRules(7, 100), NOW)) == ["old"]
