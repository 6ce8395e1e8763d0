"""What every `Vad` and `Engine` must do. An implementation's tests subclass `EngineContract` and give it a `bench`."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio
import pytest

from transcriber.ports import Engine, Vad
from transcriber.types import RATE, DecodeRequest

WINDOW_BYTES = 1024


@dataclass
class Bench:
    """An engine that is up, and audio in which it hears `words` (as text without spaces around)."""

    vad: Vad
    engine: Engine
    speech: bytes
    words: Sequence[str]
    order: list[int] = field(default_factory=list)


class EngineContract:
    async def test_there_is_a_probability_for_every_window(self, bench: Bench):
        pcm = bench.speech[: 50 * WINDOW_BYTES]
        probabilities, _ = await bench.vad.probabilities(pcm, b"")
        assert len(probabilities) == 50
        assert all(0 <= probability <= 1 for probability in probabilities)

    async def test_no_window_gives_no_probability(self, bench: Bench):
        assert list((await bench.vad.probabilities(b"", b""))[0]) == []

    @pytest.mark.parametrize("windows", [1, 3, 7])
    async def test_speech_is_found_alike_however_the_stream_is_cut(self, bench: Bench, windows: int):
        pcm = bench.speech[: 42 * WINDOW_BYTES]
        whole, end = await bench.vad.probabilities(pcm, b"")
        cut: list[float] = []
        state = b""
        for start in range(0, len(pcm), windows * WINDOW_BYTES):
            part, state = await bench.vad.probabilities(pcm[start : start + windows * WINDOW_BYTES], state)
            cut += part
        assert cut == pytest.approx(list(whole), abs=1e-6)
        assert state == end

    async def test_speech_is_told_from_silence(self, bench: Bench):
        spoken, _ = await bench.vad.probabilities(bench.speech[: len(bench.speech) // WINDOW_BYTES * WINDOW_BYTES], b"")
        silent, _ = await bench.vad.probabilities(bytes(50 * WINDOW_BYTES), b"")
        assert max(spoken) > 0.8
        assert max(silent) < 0.2

    @pytest.mark.parametrize("final", [True, False])
    async def test_the_words_are_heard_in_order_and_inside_the_audio(self, bench: Bench, *, final: bool):
        heard = await bench.engine.decode(DecodeRequest(bench.speech, final, language="en"))
        assert [word.text.strip().strip(".,!?").lower() for word in heard.words] == list(bench.words)
        length = len(bench.speech) / 2 / RATE
        assert all(0 <= word.start <= word.end <= length for word in heard.words)
        assert [word.start for word in heard.words] == sorted(word.start for word in heard.words)
        assert all(0 <= word.probability <= 1 for word in heard.words)
        assert heard.language == "en"
        assert heard.took >= 0

    async def test_silence_has_no_words_or_they_are_said_to_be_none(self, bench: Bench):
        heard = await bench.engine.decode(DecodeRequest(bytes(2 * RATE), final=True, language="en"))
        assert not heard.words or heard.no_speech > 0.6

    async def test_the_most_urgent_waiting_request_goes_first(self, bench: Bench):
        async def ask(urgency: int):
            await bench.engine.decode(DecodeRequest(bench.speech, final=False, language="en"), urgency=urgency)
            bench.order.append(urgency)

        # An engine that still loads has nothing in hand, and would begin with the most urgent.
        await bench.engine.decode(DecodeRequest(bench.speech, final=False, language="en"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, 7)
            await anyio.wait_all_tasks_blocked()
            for urgency in (9, 5, 2, 5):
                tasks.start_soon(ask, urgency)
        assert bench.order == [7, 2, 5, 5, 9]

    async def test_a_cancelled_request_leaves_the_engine_in_order(self, bench: Bench):
        request = DecodeRequest(bench.speech, final=True, language="en")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bench.engine.decode, request)
            tasks.start_soon(bench.engine.decode, request)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        assert len((await bench.engine.decode(request)).words) == len(bench.words)
