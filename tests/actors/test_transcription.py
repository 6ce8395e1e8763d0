"""Transcription against the scripted engine, which hears what was written into the audio, on virtual time."""

from functools import partial

import anyio
import pytest
from anyio.lowlevel import checkpoint

from transcriber.actors.transcription import READ_BACK, REMEMBERED, Transcription
from transcriber.adapters.engine.scripted import VOCABULARY, ScriptedEngine, say, silence
from transcriber.core.composition import Composition, CompositionRules
from transcriber.core.language import LanguageVote
from transcriber.core.past import Past
from transcriber.errors import EngineError, NoModelError, RequestFailed, StorageError
from transcriber.events import Committed, GapFound, Partial, SegmentClosed
from transcriber.link import Link
from transcriber.types import RATE, Block, Coverage, Gap, GapReason, Position, TrackName
from transcriber.watermark import Watermark

pytestmark = pytest.mark.anyio

TRACK = TrackName("them")
NAMES = list(VOCABULARY)


class CrashError(Exception):
    pass


class Blows:
    """Counts what the actor asks of the world, and lets the call number `at` fail after it was done, or before."""

    def __init__(self, at: int | None = None):
        self.at = at
        self.count = 0

    def fall(self) -> None:
        self.count += 1
        if self.count == self.at:
            raise CrashError


class Recording:
    """A track in memory. All of it is there from the start; `durable` says how much of it may be read."""

    def __init__(self, pieces, blows):
        self.pieces = pieces
        self.durable = Position(0)
        self.blows = blows
        self.reads: list[tuple[int, int]] = []

    async def append(self, pieces):
        raise NotImplementedError

    async def read(self, start, end):
        assert start < end <= self.durable
        self.reads.append((start, end))
        self.blows.fall()
        await checkpoint()
        self.blows.fall()
        found = []
        for piece in self.pieces:
            first, last = max(start, piece.start), min(end, piece.end)
            if first < last and isinstance(piece, Gap):
                found.append(Gap(first, last, piece.reason))
            elif first < last:
                found.append(Block(first, piece.after(first).pcm[: (last - first) * 2]))
        return found


class Transcript:
    """The database: one transaction an event."""

    def __init__(self, blows):
        self.blows = blows
        self.past = Past()
        self.words, self.parts, self.partials = [], [], []
        self.latencies = []

    async def publish(self, event, *, coverage=None, track=None):
        assert track == TRACK
        self.blows.fall()
        await checkpoint()
        match event:
            case Committed(words=words):
                self.words += words
                self.latencies += [anyio.current_time() - word.end / RATE for word in words]
            case SegmentClosed(segment):
                assert list(segment.words) == list(self.past.open_words[: len(segment.words)])
                self.parts.append(segment)
            case GapFound(gap=gap):
                self.parts.append(gap)
            case Partial():
                self.partials.append(event)
        if coverage is not None:
            assert coverage.position == coverage.transcribed + coverage.silence + coverage.missing
        self.past = self.past.then(event, coverage)
        self.blows.fall()

    @property
    def said(self) -> list[str]:
        return [word.text.strip() for word in self.words]

    @property
    def gaps(self) -> list[Gap]:
        return [part for part in self.parts if isinstance(part, Gap)]


class World:
    """A track that was captured as `script`: PCM, gaps in seconds, or what is said."""

    def __init__(self, *script, took=0.0, capacity=64, crash_at=None):
        self.pieces: list[Block | Gap] = []
        end = 0
        for step in script:
            start, length = end, round(step * RATE) if isinstance(step, float) else len(step) // 2
            end += length
            if isinstance(step, float):
                self.pieces.append(Gap(Position(start), Position(end), GapReason.DEVICE))
            else:
                self.pieces.append(Block(Position(start), step))
        self.end = Position(end)
        self.blows = Blows(crash_at)
        self.recording = Recording(self.pieces, self.blows)
        self.durable = Watermark()
        self.speech: Link[Block | Gap] = Link("speech", capacity)
        self.engine = ScriptedEngine(took=took)
        self.transcript = Transcript(self.blows)
        self.suspended: list[BaseException] = []
        self.lives = 0

    async def restore(self) -> Composition:
        await checkpoint()
        self.lives += 1
        rules = CompositionRules()
        return Composition(TRACK, rules, self.transcript.past, LanguageVote())

    async def probabilities(self, pcm, state):
        answer = await self.engine.probabilities(pcm, state)
        self.blows.fall()
        return answer

    async def decode(self, request, *, urgency=0):
        answer = await self.engine.decode(request, urgency=urgency)
        self.blows.fall()
        return answer

    def actor(self) -> Transcription:
        return Transcription(
            speech=self.speech,
            recording=self.recording,
            durable=self.durable,
            vad=self,
            engine=self,
            transcript=self.transcript,
            restore=self.restore,
            suspended=self.suspended.append,
            prompt="names",
            hotwords="hot",
        )

    def record(self) -> None:
        """All of it is on disk, and nothing more will come."""
        self.recording.durable = self.end
        self.durable.advance(self.end)
        self.durable.end()
        self.speech.end()

    async def play(self, *, step=0.1, delay=0.5, offer=lambda _: True) -> None:
        """Capture it in real time: each block is offered as it sounds, and on disk a little later."""
        for piece in self.pieces:
            cuts = range(piece.start, piece.end, round(step * RATE)) if isinstance(piece, Block) else [piece.start]
            for start in cuts:
                part = piece
                if isinstance(piece, Block):
                    part = Block(Position(start), piece.after(Position(start)).pcm[: round(step * RATE) * 2])
                await anyio.sleep((part.end - part.start) / RATE)
                if offer(part.start):
                    self.speech.offer(part)
                self.recording.durable = Position(max(0, part.end - round(delay * RATE)))
                self.durable.advance(self.recording.durable)
        self.record()

    async def live(self, **options) -> None:
        """Play it to lives of the actor, each of which begins where the last one crashed, until one ends."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(self.play, **options))
            await self.until_one_ends()

    async def until_one_ends(self) -> None:
        ended = False
        while not ended:
            try:
                await self.actor().run()
                ended = True
            except* CrashError:
                pass

    def assert_complete(self, words) -> None:
        assert self.transcript.said == list(words)
        assert not self.transcript.past.open_words
        assert self.transcript.past.coverage.position == self.end
        gaps = [piece for piece in self.pieces if isinstance(piece, Gap)]
        assert self.transcript.gaps == gaps
        assert self.transcript.past.coverage.missing == sum(gap.end - gap.start for gap in gaps)
        assert self.suspended == []


TALK = ["one", "two", "three", "four", "five", "six"]


async def test_what_was_recorded_is_transcribed_to_its_end():
    world = World(silence(1), say(TALK), silence(2), say(NAMES), silence(0.013))
    world.record()
    await world.actor().run()
    world.assert_complete(TALK + NAMES)


async def test_what_is_said_live_is_committed_while_it_is_said():
    world = World(silence(1), say(NAMES * 2), silence(1), say(TALK), silence(1), took=0.1)
    await world.live()
    world.assert_complete(NAMES * 2 + TALK)
    assert max(world.transcript.latencies) < 2.5
    assert world.transcript.partials
    assert world.recording.reads == [], "it heard everything as it came"


async def test_blocks_that_were_skipped_are_read_back():
    world = World(silence(1), say(NAMES), silence(1), say(TALK), silence(1), took=0.1)
    await world.live(offer=lambda start: not 2 * RATE < start < 4 * RATE)
    world.assert_complete(NAMES + TALK)
    assert world.recording.reads


async def test_an_engine_slower_than_speech_has_all_words_in_the_end():
    script = [step for _ in range(6) for step in (say(NAMES), silence(0.9))]
    world = World(*script, took=6.0, capacity=4)
    await world.live()
    world.assert_complete(NAMES * 6)


async def test_gaps_are_told_in_order_and_whole_however_long_they_are():
    world = World(say(TALK), 0.2, say(TALK), 3.5 * READ_BACK / RATE, silence(1), 2.0, 1e-3, say(NAMES))
    world.pieces[-2] = Gap(world.pieces[-2].start, world.pieces[-2].end, GapReason.OVERLOAD)
    world.record()
    await world.actor().run()
    world.assert_complete(TALK + TALK + NAMES)
    starts = [part.start for part in world.transcript.parts]
    assert starts == sorted(starts)


async def test_gaps_are_told_live():
    world = World(say(TALK), 2.0, say(TALK), silence(1))
    await world.live()
    world.assert_complete(TALK + TALK)


async def test_words_older_than_what_is_remembered_are_decoded_from_the_recording():
    world = World(say(TALK), silence(2.5 * REMEMBERED / RATE), say(NAMES), silence(1))
    world.engine.hang()
    world.record()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(world.actor().run)
        await anyio.wait_all_tasks_blocked()
        world.engine.resume()
    world.assert_complete(TALK + NAMES)


SCRIPT = (silence(0.4), say(TALK), silence(0.8), 0.3, say(["seven", "eight"]), silence(1), say(NAMES), silence(0.7))


@pytest.mark.parametrize("live", [False, True])
async def test_a_crash_at_any_call_loses_and_doubles_nothing(live):
    at, crashed = 0, True
    while crashed:
        at += 1 + at // 25  # all of the first, and then ever fewer: a run makes some hundred calls
        world = World(*SCRIPT, took=0.05, capacity=200, crash_at=at)
        if live:
            await world.live(step=0.25)
        else:
            world.record()
            await world.until_one_ends()
        world.assert_complete([*TALK, "seven", "eight", *NAMES])
        crashed = world.lives > 1
    assert at > 25


@pytest.mark.parametrize("at", [0.3, 1.05, 2.0, 2.9, 3.51, 5.0, 6.2, 8.0])
async def test_a_cancel_at_any_time_loses_and_doubles_nothing(at):
    world = World(*SCRIPT, took=0.2)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(world.play)
        with anyio.move_on_after(at):
            await world.actor().run()
        await world.actor().run()
    world.assert_complete([*TALK, "seven", "eight", *NAMES])


async def test_a_life_hears_again_what_was_before_its_cursor_so_that_it_goes_on_as_if_there_had_been_none_before():
    world = World(silence(100), say(TALK), silence(1), say(NAMES), silence(1))
    world.record()
    cursor = Position(99 * RATE)
    world.transcript.past = Past(Coverage(cursor, 0, cursor))
    await world.actor().run()
    world.assert_complete(TALK + NAMES)
    assert world.recording.reads[0][0] == Past(Coverage(cursor, 0, cursor)).hear_from
    uninterrupted = World(silence(100), say(TALK), silence(1), say(NAMES), silence(1))
    uninterrupted.record()
    await uninterrupted.actor().run()
    assert world.transcript.parts == uninterrupted.transcript.parts


async def test_without_an_engine_it_ends_and_says_so_and_what_is_covered_stays():
    world = World(say(TALK), silence(1), say(NAMES), silence(1))
    error = NoModelError("no model")
    world.record()

    async def decode(request, *, urgency=0):
        if world.transcript.words:
            raise error
        return await world.engine.decode(request, urgency=urgency)

    world.decode = decode
    await world.actor().run()
    assert world.suspended == [error]
    assert world.transcript.said == TALK
    assert world.transcript.past.coverage.position < world.end
    del world.decode
    await world.actor().run()
    assert world.transcript.said == TALK + NAMES
    assert world.transcript.past.coverage.position == world.end


async def test_a_vad_that_is_gone_suspends_as_well():
    world = World(say(TALK))
    world.record()
    error = EngineError("gone")

    async def probabilities(*_):
        raise error

    world.probabilities = probabilities
    await world.actor().run()
    assert world.suspended == [error]
    assert world.transcript.past.coverage == Coverage()


async def test_what_no_engine_can_decode_is_a_gap_and_the_rest_is_transcribed():
    world = World(silence(1), say(TALK), silence(2), say(NAMES), silence(1))
    world.record()
    refused = []

    async def decode(request, *, urgency=0):
        if request.final and not refused:
            refused.append(request)
            raise RequestFailed("three engines died of it")
        return await world.engine.decode(request, urgency=urgency)

    world.decode = decode
    await world.actor().run()
    [gap] = world.transcript.gaps
    assert gap.reason is GapReason.ENGINE
    assert gap.start < 1.1 * RATE < 3.3 * RATE < gap.end
    assert world.transcript.said == NAMES
    assert world.transcript.past.coverage.position == world.end
    assert world.transcript.past.coverage.missing == gap.end - gap.start
    assert world.suspended == []


class Deaf(World):
    """Its first question about samples after `since` fails in every engine."""

    since = 0.0
    asked = 0

    async def probabilities(self, pcm, state):
        self.asked += len(pcm) // 2
        if self.asked > self.since:
            self.since = float("inf")
            raise RequestFailed("three engines died on it")
        return await super().probabilities(pcm, state)


@pytest.mark.parametrize("since", [5 * RATE, 6.4 * RATE])
async def test_what_no_engine_can_judge_is_a_gap_and_the_rest_is_transcribed(since):
    # The last window before the gap, which begins at 6.4 s, is not whole.
    world = Deaf(say(TALK), silence(2), silence(2.007), 0.5, say(NAMES), silence(1))
    world.since = since
    await world.live()
    [lost, device] = world.transcript.gaps
    assert lost.reason is GapReason.ENGINE
    assert since - RATE < lost.start < lost.end <= device.start == world.pieces[3].start
    assert world.transcript.said == TALK + NAMES
    assert world.transcript.past.coverage.position == world.end
    assert world.transcript.past.coverage.missing == sum(gap.end - gap.start for gap in (lost, device))
    assert world.suspended == []


async def test_a_partial_that_fails_costs_nothing():
    world = World(silence(0.5), say(NAMES), silence(1))
    world.engine.fail(2)
    await world.live()
    world.assert_complete(NAMES)


async def test_an_error_of_the_transcript_is_raised_for_the_supervisor():
    world = World(say(TALK), silence(1))
    world.record()

    async def publish(*_, **__):
        raise StorageError("the disk is full")

    world.transcript.publish = publish
    with pytest.raises(ExceptionGroup) as raised:
        await world.actor().run()
    assert raised.group_contains(StorageError)


async def test_the_engine_is_given_prompt_and_hotwords_and_the_kind_of_pass():
    world = World(silence(0.5), say(NAMES), silence(1))
    await world.live()
    requests = world.engine.requests
    assert {(request.prompt, request.hotwords) for request in requests} == {("names", "hot")}
    assert [request.final for request in requests] == [False] * (len(requests) - 1) + [True]


async def test_a_gap_and_speech_and_the_end_that_come_while_a_gap_is_being_told_are_not_left_out():
    world = World(say(["one"]), 0.5, 0.5, say(TALK))
    publish = world.transcript.publish

    async def slowly(event, **options):
        await publish(event, **options)
        if isinstance(event, GapFound):
            await anyio.sleep(10)

    world.transcript.publish = slowly
    await world.live()
    world.assert_complete(["one", *TALK])


async def test_every_sample_is_judged_and_the_judge_begins_anew_after_a_gap():
    world, asked = World(bytes(2 * 1000), 0.5, bytes(2 * 700), bytes(2 * 600)), []

    async def probabilities(pcm, state):
        asked.append((len(pcm) // 1024, state))
        return await world.engine.probabilities(pcm, state)

    world.probabilities = probabilities
    world.record()
    await world.actor().run()
    assert asked == [(1, b""), (1, b"scripted"), (1, b""), (1, b"scripted"), (1, b"scripted")]


async def test_a_track_without_a_sample_ends_at_once():
    world = World()
    world.record()
    await world.actor().run()
    assert world.transcript.parts == []
    assert world.transcript.past.coverage == Coverage()
