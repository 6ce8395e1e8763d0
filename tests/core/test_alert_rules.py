import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from snapshots import CORE, ENGINE, MB, QUIET, with_disk, with_track

from transcriber.core.alert_rules import Limits, judge

LIMITS = Limits(
    memory=100 * MB,
    engine_memory=1000 * MB,
    cpu=80.0,
    temperature=85.0,
    buffer=0.8,
    lag=30.0,
    write=0.5,
    space=2.0,
    lost=1.0,
    restarts=3,
    sustain=10.0,
)


def beyond(snapshot):
    return [judgement for judgement in judge(snapshot, LIMITS) if judgement.value > judgement.threshold]


def test_a_quiet_run_is_within_all_limits_and_each_measurement_has_its_judgement():
    names = [(judgement.name, judgement.track) for judgement in judge(QUIET, LIMITS)]
    assert beyond(QUIET) == []
    assert len(names) == len(set(names))
    assert {name for name, _ in names} == {
        *("memory", "engine memory", "cpu", "temperature", "write latency", "space"),
        *("buffer", "lag", "coverage", "recovery"),
    }


@pytest.mark.parametrize(
    ("snapshot", "name", "reason"),
    [
        (replace(QUIET, processes=(replace(CORE, memory=101 * MB), ENGINE)), "memory", "core uses 101 MB"),
        (
            replace(QUIET, processes=(CORE, replace(ENGINE, memory=1001 * MB))),
            "engine memory",
            "engine uses 1001 MB",
        ),
        (replace(QUIET, cores=(90.0, 92.0)), "cpu", "91 % of all cores are busy"),
        (replace(QUIET, temperature=86.0), "temperature", "the processor is at 86 °C"),
        (with_track(buffer=0.9), "buffer", "90% of the buffer is in use"),
        (with_track(lag=40.0, catch_up=math.inf), "lag", "40 s behind, caught up in an unknown time: the lag grows"),
        (with_track(lag=40.0, catch_up=None), "lag", "40 s behind, no estimate yet"),
        (with_track(lost=1.5), "coverage", "1.5 s of sound are missing in the last minutes"),
        (with_disk(recent=0.75), "write latency", "the disk took 0.75 s for a write"),
        (
            with_disk(free=345_600_000, lasts=5400.0),
            "space",
            "345.6 MB are free on the disk, enough for about 1.5 h at this pace",
        ),
        (
            with_disk(free=0, lasts=0.0),
            "space",
            "0.0 MB are free on the disk, enough for about 0 min at this pace",
        ),
        (replace(QUIET, restarts=9, recent_restarts=3), "recovery", "3 restarts in the last minutes"),
    ],
)
def test_each_rule_says_what_is_wrong_and_what_to_do(snapshot, name, reason):
    [judgement] = beyond(snapshot)
    assert (judgement.name, judgement.reason) == (name, reason)
    assert len(judgement.remedy) > 20
    assert judgement.track == ("me" if name in ("buffer", "lag", "coverage") else None)


def test_a_machine_without_a_sensor_and_a_disk_that_does_not_answer_are_not_judged():
    names = {judgement.name for judgement in judge(replace(with_disk(free=None), temperature=None), LIMITS)}
    assert not names & {"temperature", "space"}


def test_what_has_happened_is_worth_an_alert_at_once_and_a_load_only_if_it_lasts():
    at_once = {judgement.name for judgement in judge(QUIET, LIMITS) if judgement.sustain == 0}
    assert at_once == {"write latency", "coverage", "recovery"}


@given(lasts=st.floats(0, 1e9))
def test_space_is_short_exactly_where_it_lasts_for_less_than_asked(lasts):
    short = [judgement.name for judgement in beyond(with_disk(free=1, lasts=lasts))]
    assert (short == ["space"]) == (lasts < 2 * 3600)
