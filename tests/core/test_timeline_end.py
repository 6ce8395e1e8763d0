"""Where a capture of a given length ends."""

from hypothesis import given
from hypothesis import strategies as st

from transcriber.core.timeline import Timeline
from transcriber.types import RATE, AudioFormat, Position, Reading

RATES = st.sampled_from([8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])


@given(RATES, st.lists(st.integers(1, 5_000), max_size=5), st.integers(0, 40_000))
def test_the_fewest_frames_reach_the_end(rate, blocks, end):
    timeline = Timeline(live=False)
    form = AudioFormat(rate, 1)
    timeline.opened(form, 0.0)
    for frames in blocks:
        timeline.feed(Reading(bytes(frames * form.frame_bytes), 0.0))
    before = timeline.position
    frames = timeline.frames_before(Position(end))
    if before >= end:
        assert frames == 0
        return
    timeline.feed(Reading(bytes((frames - 1) * form.frame_bytes), 0.0))
    assert timeline.position < end
    timeline.feed(Reading(bytes(form.frame_bytes), 0.0))
    assert end <= timeline.position <= end + RATE // rate
