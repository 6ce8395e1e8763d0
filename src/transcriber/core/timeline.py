"""The clock of a capture: what a source delivers becomes blocks on the track's 16 kHz clock, and every hole a `Gap`.

Samples are the clock. A source that is not live is only counted. A live one is counted too, and beside it runs the
monotonic clock, which tells three things that a device keeps to itself:

- It delivers nothing because nothing is played, as an idle loopback does. That is silence which really was not played,
  so silence is filled in, and when sound comes again it stands where it sounded.
- It dropped samples without a word, as WASAPI does after a stall. Its frames keep coming, but a step later than
  before, and they never catch up: that step is a gap. (A late burst catches up; a device whose crystal runs slow
  falls behind without a step: neither is a gap, and `Drift` makes up for the crystal.)
- It was away. From its last sample to where the reopened device, or another one, begins: that is a gap.
"""

import math
from fractions import Fraction

from transcriber.core.drift import Drift, stretched
from transcriber.types import RATE, AudioFormat, DeviceBlock, Gap, GapReason, Position, Reading, SampleFormat, samples

ORIGIN = Position(0)

STARVED = 0.2
"""Seconds behind the clock, with nothing to read, after which silence is filled in; devices deliver every 10-100 ms."""

MARGIN = 0.1
"""Seconds that filling stays behind the clock, so that frames which are merely late still find their place."""

WINDOW = 1.0
"""Seconds over which lateness is judged by its smallest value: longer than a burst takes to be read."""

STEP = 0.25
"""Seconds by which lateness must grow from one window to the next to be a loss and not jitter."""

FASTEST = 0.001
"""How much too fast a device's clock may be: ten times what crystals are off by."""

ASLEEP = 5.0
"""Seconds without a look at the source after which its silence proves nothing: the process did not run."""

LONGEST_FILL = 0.5
"""Seconds of silence in one block: as much as a device would deliver, so that no queue sees a giant."""


def samples_of(frames: int, rate: int) -> int:
    """Return `frames` at `rate` as samples of the 16 kHz clock: exact, rounded as `round` rounds.

    >>> samples_of(48_000 * 86_400 * 365, 48_000) == RATE * 86_400 * 365
    True
    """
    return round(Fraction(frames * RATE, rate))


def silence(frames: int, form: AudioFormat) -> bytes:
    """Return frames of silence in `form`."""
    quiet = b"\x80" if form.sample is SampleFormat.U8 else b"\0"
    return quiet * (frames * form.frame_bytes)


class Timeline:
    """Places the readings of one track. What it returns is contiguous: a piece begins where the last one ended.

    A run is what lies between two gaps, or two formats; within it a block stands at the run's beginning plus
    `samples_of` all its frames before, so that `n` frames take exactly the samples that a `Resampler` gives for them.

    Times are seconds on the clock of `Reading.at`. The first piece begins at `start`, which is the moment `origin`; by
    default that of the first `opened` (or `interrupted`). Live tracks that share an origin are on one clock, however
    long each takes to open: until then there is silence. Nothing is placed beyond `until`, whatever is fed.
    """

    def __init__(
        self, *, live: bool, start: Position = ORIGIN, origin: float | None = None, until: Position | None = None
    ) -> None:
        self.until = until
        self._live = live
        self._start = start
        self._form: AudioFormat | None = None
        self._run = start
        self._frames = 0
        self._origin = origin
        self._usual: float | None = None
        self.drift = Drift()
        self._seen = 0.0
        self._window = _Window(0.0)
        self._filling = False
        self._outage: GapReason | None = None

    @property
    def position(self) -> Position:
        """Where the next piece will begin."""
        return self._position_after(0)

    @property
    def away(self) -> bool:
        """Whether what is captured was lost, and is not back yet."""
        return self._outage is not None

    def frames_before(self, end: Position) -> int:
        """Return how many more frames bring the track to `end`: the fewest after which `position` is not before it."""
        frames, rate = self._frames, self._form.rate if self._form else RATE
        total = max(frames, math.ceil(Fraction((end - self._run - 1) * rate, RATE)))
        while samples_of(total, rate) < end - self._run:
            total += 1
        return total - frames

    def due(self, now: float) -> float:
        """Return in how many seconds from now the track will be at `until`, whether something is captured or not."""
        return math.inf if self.until is None else (self.until - self.position) / RATE - self._behind(now)

    @property
    def wanted(self) -> int | None:
        """How many more frames bring the track to `until`; None if there is no end to them."""
        return None if self.until is None else self.frames_before(self.until)

    def opened(self, form: AudioFormat, now: float) -> list[DeviceBlock | Gap]:
        """Take note that the source, or another in its place, delivers from now on; end what `interrupted` began."""
        first = self._form is None
        if not first and self._outage is None:
            self._outage = GapReason.DEVICE
        gaps = self.ended(now)
        if gaps or form != self._form:
            self._begin_run(self.position)
        self._form = form
        self._seen = now
        self._window = _Window(now)
        if self._origin is None:
            self._origin = now
        lead_in = self._silence(now - self._origin) if first and self._live and not gaps else []
        return [*gaps, *lead_in]

    def interrupted(self, now: float, reason: GapReason = GapReason.DEVICE) -> None:
        """Take note that a live source is gone. What is missing will be named when it ends."""
        if self._origin is None:
            self._origin = now
        self._outage = self._outage or reason

    def ended(self, now: float) -> list[Gap]:
        """Name what is missing up to now, if the source was interrupted: nothing more will come, or it comes again."""
        reason, self._outage = self._outage, None
        if reason is None or not self._live or self._origin is None:
            return []
        # The next device is late in its own way: what this one's crystal lost or gained becomes part of the clock.
        self._origin += self._usual or 0.0
        self._usual = None
        self.drift.restart()
        self._filling = False
        return self._gap(samples(self._behind(now)), reason)

    def feed(self, reading: Reading) -> list[DeviceBlock | Gap]:
        """Place a reading. One without frames says that nothing was there to read: `idle`."""
        form = self._opened_form()
        if reading.absent:
            self.interrupted(reading.at)
            return []
        pieces: list[DeviceBlock | Gap] = []
        if self._outage is not None and reading.pcm:
            # Whoever was absent is back.
            pieces += self.opened(form, reading.at - len(reading.pcm) / form.frame_bytes / form.rate)
        if reading.lost:
            pieces += self._gap(self._position_after(reading.lost) - self.position, GapReason.OVERLOAD)
        frames = len(reading.pcm) // form.frame_bytes
        if not frames:
            return pieces + self.idle(reading.at)
        if self._live:
            pieces += self._keep_time(reading.at, frames / form.rate)
        pcm = self._kept_to_the_clock(reading.pcm, form)
        # What was put before may have used up what was left of the track.
        pcm = pcm if self.wanted is None else pcm[: self.wanted * form.frame_bytes]
        return [*pieces, self._block(pcm)] if pcm else pieces

    def idle(self, now: float) -> list[DeviceBlock | Gap]:
        """Fill in the silence of a live source that has nothing to read, once it is behind the clock."""
        if not self._live or self._outage is not None or self._form is None:
            return []
        unseen, self._seen = now - self._seen, now
        missing = self._behind(now)
        if missing < STARVED:
            return []
        self._filling = True
        return self._fill(missing - MARGIN, unseen)

    def _keep_time(self, at: float, duration: float) -> list[DeviceBlock | Gap]:
        """Put what belongs before frames of `duration` whose last one was in hand `at`."""
        unseen, self._seen = at - self._seen, at
        late = self._behind(at) - duration
        if self._filling:
            self._filling = False
            self._window = _Window(at)
            return self._fill(late, unseen)
        least = self._window.least_when_over(at, late)
        if least is None:
            return []
        self._window = _Window(at)
        if self._usual is not None and least > STEP:
            return [*self._gap(samples(least), GapReason.OVERLOAD)]
        # Earlier than usual is a fast crystal, or sound that came in a burst after silence had been filled in for it.
        # That silence is made up for by the next idle time, so the clock goes no faster than a crystal could.
        self._usual = (self._usual or 0.0) + max(least, -FASTEST * WINDOW)
        self.drift.observe(self._usual)
        return []

    def _kept_to_the_clock(self, pcm: bytes, form: AudioFormat) -> bytes:
        """Return frames with a few repeated or left out, where the device's clock is off."""
        by = self.drift.correction(len(pcm) // form.frame_bytes, form.rate)
        if by:
            self._usual = (self._usual or 0.0) - by / form.rate
        return stretched(pcm, form.frame_bytes, by)

    def _fill(self, missing: float, unseen: float) -> list[DeviceBlock | Gap]:
        if unseen > ASLEEP:
            return [*self._gap(samples(missing), GapReason.OVERLOAD)]
        return [*self._silence(missing)]

    def _behind(self, now: float) -> float:
        """Return how much later than usual the samples are, in seconds; negative when they are ahead of the clock."""
        assert self._origin is not None  # noqa: S101 - narrows the type; set since the source was opened
        return now - self._origin - (self.position - self._start) / RATE - (self._usual or 0.0)

    def _opened_form(self) -> AudioFormat:
        if self._form is None:
            raise RuntimeError("a reading was fed before the source was opened")
        return self._form

    def _position_after(self, frames: int) -> Position:
        rate = self._form.rate if self._form else RATE
        return Position(self._run + samples_of(self._frames + frames, rate))

    def _begin_run(self, start: Position) -> None:
        self._run, self._frames = start, 0

    def _gap(self, length: int, reason: GapReason) -> list[Gap]:
        if self.until is not None:
            length = min(length, self.until - self.position)
        if length <= 0:
            return []
        gap = Gap(self.position, Position(self.position + length), reason)
        self._begin_run(gap.end)
        return [gap]

    def _block(self, pcm: bytes) -> DeviceBlock:
        form = self._opened_form()
        block = DeviceBlock(self.position, pcm, form)
        self._frames += block.frames
        return block

    def _silence(self, duration: float) -> list[DeviceBlock]:
        form = self._opened_form()
        frames = max(0, int(duration * form.rate))
        if self.wanted is not None:
            frames = min(frames, self.wanted)
        longest = max(1, int(LONGEST_FILL * form.rate))
        return [self._block(silence(min(longest, frames - done), form)) for done in range(0, frames, longest)]


class _Window:
    """The smallest lateness within `WINDOW` seconds."""

    def __init__(self, begin: float) -> None:
        self._end = begin + WINDOW
        self._least = math.inf

    def least_when_over(self, at: float, late: float) -> float | None:
        self._least = min(self._least, late)
        return self._least if at >= self._end else None
