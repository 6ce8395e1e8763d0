"""What is done about a clock that is off."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.core.drift import BAND, LOOKS, MOST, SETTLING, Drift, stretched

RATE = 48_000
FRAMES = 1_920
"""0.04 s."""


def settled(latency=0.03):
    drift = Drift()
    for _ in range(SETTLING):
        drift.observe(latency)
    return drift


def made_up(drift, frames=FRAMES, blocks=1_000):
    return sum(drift.correction(frames, RATE) for _ in range(blocks))


@pytest.mark.parametrize("off", [0.0, 0.9 * BAND, -0.9 * BAND])
def test_jitter_is_left_alone(off):
    drift = settled()
    for _ in range(100):
        drift.observe(0.03 + off)
    assert made_up(drift) == 0
    assert drift.added == 0


@pytest.mark.parametrize("off", [0.012, -0.012])
def test_what_a_clock_is_off_by_is_made_up_for_once_it_is_sure(off):
    drift = settled()
    for _ in range(LOOKS // 2 - 1):
        drift.observe(0.03 + off)
    assert made_up(drift) == 0
    for _ in range(LOOKS):
        drift.observe(0.03 + off - drift.added)
        made_up(drift)
    assert drift.added == pytest.approx(off, abs=1 / RATE)


@pytest.mark.parametrize("rate", [0.0003, -0.0003, 0.01])
def test_a_clock_that_goes_wrong_steadily_is_followed_closely(rate):
    drift = settled()
    late = 0.03
    worst = 0.0
    for look in range(3600):
        late += rate
        drift.observe(late - drift.added)
        made_up(drift, blocks=25)
        if look > 2 * LOOKS:
            worst = max(worst, abs(late - 0.03 - drift.added))
    assert worst < 0.020


@given(st.lists(st.floats(0, 1), min_size=200, max_size=200))
def test_a_busy_computer_that_is_on_time_once_in_a_while_is_no_slow_clock(late):
    drift = settled()
    for number, look in enumerate(late):
        drift.observe(0.03 + (look if number % (LOOKS // 2) else 0.0))
    assert made_up(drift) == 0


def test_one_look_that_was_late_is_no_drift():
    drift = settled()
    for _ in range(50):
        drift.observe(0.2)
        drift.observe(0.03)
    assert made_up(drift) == 0


def test_jitter_to_both_sides_is_no_drift():
    drift = settled()
    for number in range(100):
        drift.observe(0.03 + (0.01 if number % 2 else -0.01))
    assert made_up(drift) == 0


def test_the_latency_is_that_of_the_earliest_frames_of_the_first_looks():
    drift = Drift()
    for late in (0.3, 0.2, *[0.03] * 20):
        drift.observe(late)
    assert made_up(drift) == 0


def test_another_device_begins_with_its_own_latency():
    drift = settled()
    drift.restart()
    for _ in range(SETTLING + LOOKS):
        drift.observe(0.5)
    assert made_up(drift) == 0


@given(st.floats(-0.5, 0.5), st.integers(0, 5_000))
def test_few_frames_are_touched_at_a_time(off, frames):
    drift = settled()
    for _ in range(LOOKS):
        drift.observe(0.03 + off)
    count = drift.correction(frames, RATE)
    assert abs(count) <= max(1, MOST * frames)
    assert abs(count) < max(frames, 1)


@given(st.integers(1, 300), st.sampled_from([1, 2, 4]), st.data())
def test_frames_are_repeated_or_left_out_whole_and_evenly(frames, frame_bytes, data):
    by = data.draw(st.integers(-(frames - 1), frames - 1))
    pcm = b"".join(number.to_bytes(2, "little") * 2 for number in range(frames))
    pcm = b"".join(pcm[4 * number : 4 * number + frame_bytes] for number in range(frames))
    out = stretched(pcm, frame_bytes, by)
    assert len(out) == (frames + by) * frame_bytes
    if frame_bytes > 1:
        numbers = [int.from_bytes(out[at : at + 2], "little") for at in range(0, len(out), frame_bytes)]
        assert numbers == sorted(numbers)
        if by >= 0:
            assert set(numbers) == set(range(frames))
        else:
            assert len(set(numbers)) == len(numbers)
