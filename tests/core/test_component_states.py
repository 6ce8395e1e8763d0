"""The tables allow every course that a component can take, and no nonsense."""

import re
from pathlib import Path

import pytest

from transcriber.core import component_states as states
from transcriber.core.state_machine import IllegalTransition

TABLES = {
    "session": states.SESSION,
    "engine": states.ENGINE,
    "capture": states.ACTOR,
    "disk": states.DISK,
    "backlog": states.BACKLOG,
    "lag": states.ALERT,
}
WORDS = {
    "session": states.Session,
    "engine": states.Engine,
    "capture": states.Actor,
    "disk": states.Disk,
    "backlog": states.Backlog,
    "lag": states.Alert,
}


def machine(name):
    return states.alert(0.0) if name == "lag" else states.component(name, 0.0)


COURSES = [
    "session: finishing, complete",
    "session: finishing, incomplete, recovering, finishing, complete",
    "session: interrupted, recovering, interrupted, recovering, finishing, interrupted, recovering",
    "session: finishing, complete, recovering, finishing, complete",
    "engine: loading, ready, failed, restarting, loading, ready",
    "engine: loading, failed, restarting, failed, restarting, failed, absent, restarting, loading, ready",
    "engine: failed, absent, restarting, failed, absent",
    "engine: absent, failed, restarting, absent, loading, ready",
    "capture: running, failed, restarting, running, finished",
    "capture: failed, restarting, failed, fallback, running, failed, given up",
    "capture: fallback, failed, restarting, fallback, running, stopped",
    "capture: running, failed, fallback, waiting, running, failed, fallback, waiting, fallback, finished",
    "capture: waiting, failed, restarting, waiting, finished",
    "capture: running, failed, failed, running, stopped, starting, running",
    "capture: running, finished, starting, failed, given up, running",
    "capture: running, suspended, running, suspended",
    "disk: emergency, normal, emergency, lost, emergency, lost, normal",
    "backlog: repaired, finished, repaired, left, left, repaired, repaired",
    "lag: alert, alert, normal, alert",
]


@pytest.mark.parametrize("course", COURSES)
def test_what_can_happen_is_allowed(course):
    name, _, told = course.partition(": ")
    component = machine(name)
    for at, state in enumerate(told.split(", ")):
        component.move(state, at)


NONSENSE = [
    ("session", ["complete"]),
    ("session", ["recovering"]),
    ("session", ["finishing", "recording"]),
    ("session", ["finishing", "complete", "incomplete"]),
    ("session", ["finishing", "complete", "interrupted"]),
    ("session", ["interrupted", "complete"]),
    ("engine", ["ready"]),
    ("engine", ["loading", "ready", "loading"]),
    ("engine", ["restarting"]),
    ("engine", ["running"]),
    ("capture", ["restarting"]),
    ("capture", ["running", "running"]),
    ("capture", ["running", "restarting"]),
    ("capture", ["running", "given up"]),
    ("capture", ["running", "failed", "finished"]),
    ("capture", ["running", "finished", "failed"]),
    ("capture", ["running", "suspended", "finished"]),
    ("backlog", ["finished"]),
    ("backlog", ["left", "finished"]),
    ("backlog", ["repaired", "empty"]),
    ("lag", ["normal"]),
    ("lag", ["alert", "failed"]),
]


@pytest.mark.parametrize(("name", "course"), NONSENSE)
def test_nonsense_is_refused(name, course):
    component = machine(name)
    *there, nonsense = course
    for at, state in enumerate(there):
        component.move(state, at)
    with pytest.raises(IllegalTransition):
        component.move(nonsense, 9.0)


@pytest.mark.parametrize("name", TABLES)
def test_every_word_has_a_row_and_can_be_reached(name):
    table = TABLES[name]
    assert set(table) == set(WORDS[name])
    reached, new = set(), {machine(name).state}
    while new:
        reached |= new
        new = {after for state in new for after in table[state]} - reached
    assert reached == set(table)


def test_no_component_can_get_stuck():
    for name, table in TABLES.items():
        assert all(table[state] for state in table), name


DOCUMENT = Path(__file__).parents[2] / "docs" / "events.md"


@pytest.mark.parametrize(
    ("of", "table"), [("session", 0), ("engine", 1), ("an actor", 2), ("disk", 3), ("backlog", 4), ("an alert", 5)]
)
def test_the_documented_table_is_the_one_that_is_used(of, table):
    rows = re.findall(rf"^\| {of} \| `([a-z ]+)` \| (.*) \|$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    documented = {state: set(re.findall("`([a-z ]+)`", after)) for state, after in rows}
    assert documented == list(TABLES.values())[table]
