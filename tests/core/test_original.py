"""What a source delivers, cut into blocks in any way, is in the files where their names say that it sounds."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from transcriber.core import original
from transcriber.core.original import Layout, Part
from transcriber.core.timeline import Timeline, samples_of
from transcriber.types import RATE, AudioFormat, DeviceBlock, Gap, GapReason, Position, Reading, SampleFormat

CD, STUDIO = AudioFormat(44_100, 2), AudioFormat(48_000, 1, SampleFormat.F32)
LOST = GapReason.OVERLOAD


class Told:
    """The pieces of a source, of which every frame tells its number."""

    def __init__(self, steps):
        self.timeline = Timeline(live=False)
        self.form = CD
        self.pieces = self.timeline.opened(CD, 0.0)
        self.frames = 0
        for step in steps:
            if isinstance(step, AudioFormat):
                self.form = step
                self.pieces += self.timeline.opened(step, 0.0)
            else:
                frames, lost = step
                pcm = b"".join(
                    (self.frames + at).to_bytes(4, "little") * (self.form.frame_bytes // 4) for at in range(frames)
                )
                self.frames += frames
                self.pieces += self.timeline.feed(Reading(pcm, 0.0, lost))


steps = st.lists(
    st.one_of(st.tuples(st.integers(1, 700), st.sampled_from([0, 0, 0, 1, 5_000])), st.sampled_from([CD, STUDIO])),
    max_size=25,
)


def files(parts):
    """Return the content of the files, checking that each part goes on where its file ends."""
    found: dict[int, list[Part]] = {}
    for part in parts:
        there = found.setdefault(part.start, [])
        assert part.before == sum(one.frames for one in there)
        assert {one.form for one in there} <= {part.form}
        there.append(part)
    return {start: (several[0].form, b"".join(part.pcm for part in several)) for start, several in found.items()}


def heard(content):
    """Return the number of each frame that is in the files, and at which position its file says that it sounds."""
    for start, (form, pcm) in content.items():
        for at in range(len(pcm) // form.frame_bytes):
            number = int.from_bytes(pcm[at * form.frame_bytes :][:4], "little")
            yield number, start + Fraction(at * RATE, form.rate)


def sounded(pieces):
    """Return where each frame really sounds."""
    return {
        int.from_bytes(piece.pcm[at * piece.format.frame_bytes :][:4], "little"): piece.start
        + Fraction(at * RATE, piece.format.rate)
        for piece in pieces
        if isinstance(piece, DeviceBlock)
        for at in range(piece.frames)
    }


@given(steps, st.data())
def test_every_frame_is_where_it_sounded_to_two_samples_whatever_is_missing_before(steps, data):
    pieces = Told(steps).pieces
    layout, parts, left_out = Layout(), [], set()
    for piece in pieces:
        fate = data.draw(st.sampled_from(["taken", "taken", "taken", "refused", "not written"]))
        if fate == "refused":
            left_out |= set(sounded([piece]))
            continue
        new = layout.take(piece)
        if fate == "not written":
            left_out |= set(sounded([piece]))
            layout.leave_out(new)
        else:
            parts += new
    truth = sounded(pieces)
    there = dict(heard(files(parts)))
    assert set(there) == set(truth) - left_out
    assert all(abs(there[number] - truth[number]) <= 2 for number in there)


@given(steps)
def test_a_piece_that_comes_again_changes_nothing(steps):
    pieces = [piece for piece in Told(steps).pieces if not isinstance(piece, DeviceBlock) or piece.frames > 20]
    once, twice = Layout(), Layout()
    expected = [part for piece in pieces for part in once.take(piece)]
    found = []
    for piece in pieces:
        found += twice.take(piece)
        if not isinstance(piece, Gap) or piece.end - piece.start > 1:
            assert twice.take(piece) == []
    assert found == expected


def block(start: int, frames: int, form: AudioFormat = CD) -> DeviceBlock:
    return DeviceBlock(Position(start), bytes(frames * form.frame_bytes), form)


def test_what_was_captured_and_is_not_kept_is_counted():
    layout = Layout()
    layout.take(block(0, 44_100))
    layout.take(Gap(Position(RATE), Position(2 * RATE), LOST))
    layout.take(block(3 * RATE, 44_100))
    assert layout.missed == RATE, "a gap was never captured"
    layout.leave_out(layout.take(block(4 * RATE, 22_050)))
    assert layout.missed == RATE + RATE // 2


def test_a_file_ends_after_five_minutes():
    layout = Layout()
    parts = [part for at in range(301) for part in layout.take(block(at * RATE, 44_100))]
    assert [(start, len(pcm) // CD.frame_bytes) for start, (_, pcm) in files(parts).items()] == [
        (0, 300 * 44_100),
        (300 * RATE, 44_100),
    ]


def test_a_block_is_cut_where_a_file_ends():
    layout = Layout()
    parts = [part for at in (0, 200 * RATE) for part in layout.take(block(at, 200 * 44_100))]
    assert [(part.start, part.before, part.frames) for part in parts] == [
        (0, 0, 200 * 44_100),
        (0, 200 * 44_100, 100 * 44_100),
        (300 * RATE, 0, 100 * 44_100),
    ]


def test_a_file_is_small_enough_for_players_whatever_the_format():
    form = AudioFormat(192_000, 32, SampleFormat.S32)
    assert original.most_frames(form) * form.frame_bytes <= 1 << 30
    assert original.most_frames(CD) == 300 * 44_100


def starts(*pieces: DeviceBlock | Gap) -> list[int]:
    """Return where the files begin that pieces come to."""
    layout = Layout()
    return sorted({part.start for piece in pieces for part in layout.take(piece)})


def test_rounding_is_no_hole_and_two_samples_are_one():
    first = block(0, 44_100)
    assert starts(first, block(RATE - 1, 441)) == starts(first, block(RATE, 441)) == starts(first, block(RATE + 1, 441))
    assert starts(first, block(RATE + 2, 441)) == [0, RATE + 2]
    assert starts(first, block(RATE - 2, 441)) == [0], "it came before"
    layout = Layout()
    for piece in (first, block(RATE + 1, 44_100), block(2 * RATE + 3, 441)):
        layout.take(piece)
    assert layout.missed == 2


def test_a_file_that_drifts_off_by_rounding_ends():
    assert starts(*(block(at * (RATE + 1), 44_100) for at in range(4))) == [0, 2 * (RATE + 1)]


def test_after_the_shortest_gap_a_file_begins():
    gap = Gap(Position(RATE), Position(RATE + 1), LOST)
    assert starts(block(0, 44_100), gap, block(RATE + 1, 441)) == [0, RATE + 1]


def test_no_two_files_begin_at_the_same_position():
    layout = Layout()
    parts = [part for form in (CD, STUDIO, CD) for part in layout.take(block(0, 1, form))]
    assert [(part.start, part.form) for part in parts] == [(0, CD), (1, STUDIO), (2, CD)]


@given(st.integers(0, 10**13).map(Position))
def test_the_name_of_a_file_says_where_it_begins(start):
    assert original.file_start(original.file_name(start)) == start


def test_other_names_are_no_files_of_ours():
    assert [original.file_start(name) for name in ("000001.wav", "000000000000.wav~", "x.wav", "")] == [None] * 4


def test_names_sort_as_time_goes():
    starts = [Position(samples_of(at, 1)) for at in range(0, 10**6, 99_999)]
    assert sorted(map(original.file_name, starts)) == list(map(original.file_name, starts))
