"""The clock of a capture: what is a hole, what is silence, and where everything stands."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.core.timeline import Timeline, samples_of, silence
from transcriber.types import RATE, AudioFormat, DeviceBlock, Gap, GapReason, Position, Reading, SampleFormat

STEREO = AudioFormat(48_000, 2)
CD = AudioFormat(44_100, 1)


def loud(frames, form=STEREO):
    return b"\x11" * (frames * form.frame_bytes)


class Device:
    """A device whose sound is a constant: it knows what time it is, and the timeline that it feeds."""

    def __init__(self, form=STEREO, now=1000.0, *, live=True):
        self.form, self.now, self.pieces = form, now, []
        self.timeline = Timeline(live=live)
        self.began = now
        self.pieces += self.timeline.opened(form, now)

    def play(self, duration, *, block=0.02, slow=1.0):
        """Deliver sound block by block, each as soon as it sounded; `slow` is the device's second in real ones."""
        for _ in range(round(duration / block)):
            self.now += block * slow
            self.burst(block)

    def burst(self, duration, lost=0.0):
        """Deliver sound at once."""
        frames, gone = round(duration * self.form.rate), round(lost * self.form.rate)
        self.pieces += self.timeline.feed(Reading(loud(frames, self.form), self.now, gone))

    def wait(self, duration, *, look=0.1):
        """Let time pass; the device has nothing to read."""
        for _ in range(round(duration / look)):
            self.now += look
            self.pieces += self.timeline.feed(Reading(b"", self.now))

    @property
    def gaps(self):
        return [
            (piece.reason, round((piece.end - piece.start) / RATE, 2))
            for piece in self.pieces
            if isinstance(piece, Gap)
        ]

    @property
    def behind(self):
        """Seconds from the end of what was placed to now."""
        return self.now - self.began - self.timeline.position / RATE

    def heard(self):
        """Runs of sound, as (start, end) in seconds on the track."""
        runs = []
        for piece in self.pieces:
            if isinstance(piece, DeviceBlock) and piece.pcm.strip(b"\0\x80"):
                start, end = piece.start / RATE, (piece.start + samples_of(piece.frames, piece.format.rate)) / RATE
                if runs and start - runs[-1][1] < 0.001:
                    runs[-1][1] = end
                else:
                    runs.append([start, end])
        return [(round(start, 2), round(end, 2)) for start, end in runs]


def assert_contiguous(pieces, position, start=0):
    """Each piece begins where the one before ended, to the sample, by the arithmetic of a resampler."""
    at, run, frames, form = start, start, 0, None
    for piece in pieces:
        assert piece.start == at
        if isinstance(piece, Gap):
            assert piece.end > piece.start
            at = run = piece.end
            frames = 0
            continue
        if piece.format != form:
            form, run, frames = piece.format, at, 0
        frames += piece.frames
        at = run + samples_of(frames, form.rate)
    assert at == position


class TestCounting:
    @given(
        st.lists(st.integers(1, 5_000), max_size=40), st.sampled_from([8_000, 11_025, 16_000, 44_100, 48_000, 96_000])
    )
    def test_positions_are_the_same_however_the_frames_are_cut(self, cuts, rate):
        form = AudioFormat(rate, 1)
        cut, whole = Timeline(live=False), Timeline(live=False)
        for timeline in (cut, whole):
            timeline.opened(form, 5.0)
        pieces = [piece for frames in cuts for piece in cut.feed(Reading(loud(frames, form), 5.0))]
        whole.feed(Reading(loud(sum(cuts), form), 5.0))
        assert cut.position == whole.position == round(sum(cuts) * RATE / rate)
        assert_contiguous(pieces, cut.position)

    def test_days_are_exact(self):
        timeline = Timeline(live=False)
        timeline.opened(CD, 0.0)
        for _ in range(10 * 24 * 60):
            timeline.feed(Reading(bytes(44_101 * 60 * 2), 0.0))
        assert timeline.position == round(44_101 * 864_000 * RATE / 44_100)

    def test_a_file_is_never_filled_and_never_interrupted(self):
        device = Device(live=False)
        device.play(1)
        device.wait(60)
        device.timeline.interrupted(device.now)
        device.now += 60
        assert device.timeline.opened(STEREO, device.now) == []
        device.play(1)
        assert device.heard() == [(0, 2)]
        assert device.gaps == []

    def test_a_track_may_begin_anywhere(self):
        timeline = Timeline(live=True, start=Position(123))
        assert timeline.opened(STEREO, 7.0) == []
        assert timeline.feed(Reading(loud(480), 7.01))[0].start == 123
        assert timeline.position == 123 + 160

    def test_wherever_a_track_begins_its_silence_takes_as_long_as_it_lasts(self):
        timeline = Timeline(live=True, start=Position(100 * RATE))
        timeline.opened(STEREO, 7.0)
        assert sum(piece.frames for piece in timeline.idle(8.0)) == pytest.approx(0.9 * 48_000, abs=1)
        assert timeline.position == pytest.approx(100.9 * RATE, abs=1)

    @given(st.integers(0, 5_000), st.integers(1, 40_000), st.sampled_from([8_000, 11_025, 16_000, 44_100, 96_000]))
    def test_it_knows_the_fewest_frames_that_reach_a_position(self, before, ahead, rate):
        timeline = Timeline(live=False, start=Position(1000))
        timeline.opened(AudioFormat(rate, 1), 0.0)
        timeline.feed(Reading(bytes(2 * before), 0.0))
        end = Position(timeline.position + ahead)
        frames = timeline.frames_before(end)
        timeline.feed(Reading(bytes(2 * (frames - 1)), 0.0))
        assert timeline.position < end
        timeline.feed(Reading(bytes(2), 0.0))
        assert timeline.position >= end

    def test_a_reading_before_opening_is_a_mistake(self):
        with pytest.raises(RuntimeError, match="before the source was opened"):
            Timeline(live=True).feed(Reading(b"", 0.0))


class TestSilence:
    def test_an_idle_loopback_gives_clocked_silence(self):
        device = Device()
        device.wait(10)
        assert device.heard() == device.gaps == []
        assert 0 <= device.behind <= 0.2
        assert_contiguous(device.pieces, device.timeline.position)

    def test_sound_after_silence_stands_where_it_sounded(self):
        device = Device()
        device.play(2)
        for second in range(10):  # nothing adds up over the pauses
            device.wait(3.15 + second / 100)
            device.play(1)
        assert device.gaps == []
        assert [round(end - start, 2) for start, end in device.heard()] == [2.0] + [1.0] * 10
        assert device.behind == pytest.approx(0, abs=0.05)

    def test_a_short_wait_is_jitter(self):
        device = Device()
        device.play(1)
        device.wait(0.15, look=0.05)
        assert device.timeline.position == RATE

    def test_silence_has_the_format_of_the_device(self):
        for sample in SampleFormat:
            device = Device(AudioFormat(48_000, 2, sample))
            device.wait(1)
            assert {piece.pcm.strip(b"\x80" if sample is SampleFormat.U8 else b"\0") for piece in device.pieces} == {
                b""
            }
        assert silence(2, AudioFormat(8_000, 2, SampleFormat.U8)) == b"\x80" * 4

    def test_silence_comes_in_blocks_of_an_ordinary_size(self):
        device = Device()
        device.wait(4, look=4)
        assert max(piece.frames for piece in device.pieces) <= 24_000
        assert 0 <= device.behind <= 0.2

    def test_a_stall_of_the_device_that_catches_up_is_only_moved(self):
        """What comes late is kept whole; the silence put before it is made up for by the next idle time."""
        device = Device()
        device.play(2)
        device.wait(0.5)
        device.burst(0.5)
        device.play(5)
        assert -0.5 <= device.behind < 0
        device.wait(3)
        assert 0 <= device.behind <= 0.2
        assert device.gaps == []

    def test_after_silence_a_stall_of_the_reader_that_catches_up_is_nothing(self):
        device = Device()
        device.play(1)
        device.wait(2)
        device.play(2)
        device.now += 3
        for _ in range(150):
            device.burst(0.02)
        device.play(2)
        assert device.gaps == []
        assert device.heard() == [(0, 1), (pytest.approx(3, abs=0.03), pytest.approx(10, abs=0.03))]

    def test_stutter_does_not_run_ahead_of_the_clock(self):
        device = Device()
        for _ in range(100):
            device.play(1)
            device.wait(0.5)
            device.burst(0.5)
        assert device.behind > -1
        assert device.gaps == []


class TestOneClock:
    def test_what_sounds_at_one_moment_stands_at_one_position_however_late_a_track_opened(self):
        early, late = (Timeline(live=True, origin=100.0) for _ in range(2))
        assert early.opened(STEREO, 100.02)[0].start == 0
        pieces = late.opened(CD, 100.5)
        assert_contiguous(pieces, late.position)
        assert not any(isinstance(piece, Gap) or piece.pcm.strip(b"\0") for piece in pieces)
        assert abs(late.position - RATE // 2) <= 1
        assert abs(early.position - RATE // 50) <= 1

    def test_the_silence_before_a_track_is_whole(self):
        pieces = Timeline(live=True, origin=100.0).opened(STEREO, 101.25)
        assert sum(piece.frames for piece in pieces) == 60_000

    def test_only_the_first_opening_has_silence_before_it(self):
        timeline = Timeline(live=True, origin=100.0)
        timeline.opened(STEREO, 100.1)
        timeline.interrupted(100.1)
        assert [type(piece) for piece in timeline.opened(STEREO, 101.0)] == [Gap]


class TestLoss:
    def test_frames_that_the_source_counted_as_lost_are_a_gap(self):
        device = Device()
        device.play(1)
        device.now += 0.5
        device.burst(0.02, lost=0.48)
        device.play(3)
        assert device.gaps == [(GapReason.OVERLOAD, 0.48)]
        assert device.heard() == [(0, 1), (1.48, 4.5)]

    def test_frames_dropped_without_a_word_are_found_by_the_clock(self):
        """As WASAPI does: a reader stalls for 3 s, 1 s was kept, 2 s are gone, and sound goes on."""
        device = Device()
        device.play(5)
        device.now += 3
        device.burst(1)
        device.play(10)
        assert device.gaps == [(GapReason.OVERLOAD, 2.0)]
        assert device.behind == pytest.approx(0, abs=0.05)
        assert_contiguous(device.pieces, device.timeline.position)

    def test_a_stall_of_the_reader_that_catches_up_is_nothing(self):
        device = Device()
        device.play(5)
        device.now += 3
        for _ in range(150):
            device.burst(0.02)
        device.play(5)
        assert device.gaps == []
        assert device.heard() == [(0, 13)]

    @pytest.mark.parametrize("slow", [1.01, 1.0003, 0.9997, 1.0, 0.99995])
    def test_a_crystal_that_is_off_is_kept_to_the_clock_for_an_hour(self, slow):
        device = Device(AudioFormat(48_000, 1))
        device.play(60, block=0.1, slow=slow)
        worst = 0.0
        for _ in range(59 * 60):
            device.play(1, block=0.1, slow=slow)
            worst = max(worst, abs(device.behind))
        assert worst < 0.020
        assert device.gaps == []
        assert_contiguous(device.pieces, device.timeline.position)
        off = (slow - 1) * 3600
        assert device.timeline.drift.added == pytest.approx(off, abs=0.020)
        assert (device.timeline.drift.added == 0) == (slow == 1.0)

    def test_two_tracks_whose_crystals_are_off_each_way_stay_together(self):
        slow, fast = Device(AudioFormat(48_000, 1)), Device(CD)
        for device, off in ((slow, 1.0003), (fast, 0.9997)):
            while device.now < device.began + 3600:
                device.play(10, block=0.1, slow=off)
        offset = slow.behind - fast.behind
        assert abs(offset) < 0.020

    def test_frames_that_come_late_for_a_moment_change_nothing(self):
        device = Device()
        device.play(20)
        device.now += 0.2
        device.play(1.5, slow=0.9)
        device.now -= 0.05
        device.play(20)
        assert device.gaps == []
        assert abs(device.timeline.drift.added) < 0.06

    def test_a_steady_latency_is_not_a_loss(self):
        device = Device()
        device.now += 0.6
        device.play(10)
        assert device.gaps == []
        assert device.heard() == [(0, 10)]

    def test_the_silence_of_a_computer_that_slept_is_a_gap(self):
        device = Device()
        device.play(1)
        device.wait(2)
        device.wait(3_600, look=3_600)
        device.play(1)
        assert device.gaps == [(GapReason.OVERLOAD, pytest.approx(3_600, abs=0.3))]
        assert device.behind == pytest.approx(0, abs=0.05)


class TestOutage:
    def test_it_is_named_from_the_last_sample_to_the_reopened_device(self):
        device = Device()
        device.play(1)
        device.timeline.interrupted(device.now)
        device.now += 2.5
        assert device.timeline.idle(device.now) == []
        device.pieces += device.timeline.opened(STEREO, device.now)
        device.play(1)
        assert device.gaps == [(GapReason.DEVICE, 2.5)]
        assert device.heard() == [(0, 1), (3.5, 4.5)]

    def test_a_fallback_with_another_rate_goes_on_where_the_gap_ends(self):
        device = Device()
        device.play(1)
        device.timeline.interrupted(device.now)
        device.now += 1
        device.form = CD
        device.pieces += device.timeline.opened(CD, device.now)
        device.play(2)
        assert device.heard() == [(0, 1), (2, 4)]
        assert_contiguous(device.pieces, device.timeline.position)

    def test_a_device_that_never_opened_is_missing_from_the_first_try(self):
        timeline = Timeline(live=True)
        timeline.interrupted(10.0)
        timeline.interrupted(12.0)
        assert timeline.opened(STEREO, 14.0) == [Gap(Position(0), Position(4 * RATE), GapReason.DEVICE)]

    def test_an_outage_that_lasts_to_the_end_is_named_too(self):
        device = Device()
        device.play(1)
        device.timeline.interrupted(device.now, GapReason.OVERLOAD)
        assert device.timeline.ended(device.now + 2) == [Gap(Position(RATE), Position(3 * RATE), GapReason.OVERLOAD)]
        assert device.timeline.ended(device.now + 9) == []

    def test_an_outage_is_not_named_beyond_the_end_of_the_track(self):
        device = Device()
        device.play(1)
        device.timeline.interrupted(device.now)
        device.timeline.until = end = Position(RATE + 123)
        assert device.timeline.ended(device.now + 2) == [Gap(Position(RATE), end, GapReason.DEVICE)]
        assert device.timeline.position == end

    def test_it_knows_when_the_track_will_be_at_its_end_with_a_device_or_without(self):
        device = Device()
        device.timeline.until = Position(3 * RATE)
        device.play(1)
        assert device.timeline.due(device.now + 0.5) == pytest.approx(1.5)
        device.timeline.interrupted(device.now)
        assert device.timeline.due(device.now + 0.5) == pytest.approx(1.5)

    @pytest.mark.parametrize("samples", [0, 1])
    def test_an_outage_is_a_gap_if_it_took_a_sample(self, samples):
        device = Device()
        device.play(1)
        gap = Gap(Position(RATE), Position(RATE + samples), GapReason.DEVICE)
        assert device.timeline.opened(STEREO, device.now + samples / RATE) == [gap] * samples

    def test_a_device_that_takes_over_in_a_silence_may_be_as_late_as_any(self):
        device = Device()
        device.wait(2)
        device.timeline.interrupted(device.now)
        device.now += 1
        device.pieces += device.timeline.opened(STEREO, device.now)
        device.now += 0.5
        device.play(2)
        assert device.heard() == [(3, 5)]

    def test_opening_again_without_a_word_is_an_outage(self):
        device = Device()
        device.play(1)
        assert device.timeline.opened(STEREO, device.now + 1) == [
            Gap(Position(RATE), Position(2 * RATE), GapReason.DEVICE)
        ]

    def test_the_gap_is_as_long_as_the_outage_though_the_crystal_was_slow(self):
        device = Device()
        device.play(300, slow=1.01)
        device.timeline.interrupted(device.now)
        device.now += 2
        device.pieces += device.timeline.opened(STEREO, device.now)
        assert device.gaps == [(GapReason.DEVICE, pytest.approx(2, abs=0.02))]


STEPS = st.one_of(
    st.tuples(st.just("play"), st.floats(0.02, 3)),
    st.tuples(st.just("wait"), st.floats(0.1, 8)),
    st.tuples(st.just("stall"), st.floats(0.1, 8)),
    st.tuples(st.just("lose"), st.floats(0.01, 3)),
    st.tuples(st.just("outage"), st.floats(0.01, 30)),
    st.tuples(st.just("other"), st.floats(0.01, 3)),
)


@given(st.lists(STEPS, max_size=30))
def test_whatever_happens_every_sample_is_placed_and_every_hole_named(steps):
    device = Device()
    delivered = 0.0
    for step, duration in steps:
        match step:
            case "play":
                device.play(duration)
                delivered += round(duration / 0.02) * 0.02
            case "wait":
                device.wait(duration)
            case "stall":
                device.now += duration
            case "lose":
                device.burst(0.02, lost=duration)
                delivered += 0.02
            case _:
                device.timeline.interrupted(device.now)
                device.now += duration
                device.form = CD if step == "other" else STEREO
                device.pieces += device.timeline.opened(device.form, device.now)
    assert_contiguous(device.pieces, device.timeline.position)
    sound = [piece for piece in device.pieces if isinstance(piece, DeviceBlock) and piece.pcm.strip(b"\0")]
    assert sum(piece.frames / piece.format.rate for piece in sound) == pytest.approx(delivered, abs=0.02)


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


class TestAbsence:
    """A source that works, and that nobody feeds."""

    def absent(self, device, duration, look=0.1):
        for _ in range(round(duration / look)):
            device.now += look
            device.pieces += device.timeline.feed(Reading(b"", device.now, absent=True))

    def test_what_sounds_while_nobody_feeds_is_a_gap_and_the_rest_stands_where_it_sounded(self):
        device = Device()
        device.play(1)
        self.absent(device, 3)
        assert device.timeline.away
        device.play(1)
        assert not device.timeline.away
        assert device.gaps == [(GapReason.DEVICE, 3.0)]
        assert device.heard() == [(0, 1), (4, 5)]
        assert_contiguous(device.pieces, device.timeline.position)

    def test_a_track_may_begin_with_nobody_there(self):
        device = Device()
        self.absent(device, 2)
        device.play(1)
        assert device.gaps == [(GapReason.DEVICE, 2.0)]
        assert device.heard() == [(2, 3)]

    def test_who_is_back_and_has_said_nothing_yet_is_still_missing(self):
        device = Device()
        device.play(1)
        self.absent(device, 1)
        device.wait(1)
        device.play(1)
        assert device.gaps == [(GapReason.DEVICE, 2.0)]

    def test_an_absence_at_the_end_is_named_when_the_track_ends(self):
        device = Device()
        device.play(1)
        self.absent(device, 5)
        device.timeline.until = Position(4 * RATE)
        device.pieces += device.timeline.ended(device.now)
        assert device.gaps == [(GapReason.DEVICE, 3.0)]


class TestEnd:
    """A track that ends at a position."""

    def device(self, until):
        device = Device(CD)
        device.timeline.until = Position(until)
        return device

    @given(st.integers(1, 3 * RATE), st.sampled_from([0.02, 0.1, 0.5]))
    def test_it_ends_to_the_sample_and_not_beyond(self, until, block):
        device = self.device(until)
        device.play(4, block=block)
        assert device.timeline.position == until
        assert device.timeline.wanted == 0
        assert_contiguous(device.pieces, until)

    @pytest.mark.parametrize("away", [0.5, 1.5, 9.0])
    def test_a_loss_that_shows_at_the_end_does_not_move_it(self, away):
        device = self.device(2 * RATE)
        device.play(1)
        device.now += away
        device.play(4)
        assert device.timeline.position == 2 * RATE
        assert_contiguous(device.pieces, 2 * RATE)

    @pytest.mark.parametrize("quiet", [0.5, 1.5, 9.0])
    def test_nor_does_silence_or_a_loss_that_is_known(self, quiet):
        device = self.device(2 * RATE)
        device.play(1)
        device.wait(quiet)
        device.burst(0.1, lost=9.0)
        assert device.timeline.position == 2 * RATE
        assert_contiguous(device.pieces, 2 * RATE)

    def test_without_an_end_there_is_always_more(self):
        timeline = Timeline(live=True)
        assert timeline.wanted is None
        assert timeline.due(5.0) == math.inf
