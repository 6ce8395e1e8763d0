"""Transcribing whole media files in the engine process, with faster-whisper's own pipeline."""

# pyright: reportMissingTypeStubs=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownParameterType=false, reportUnknownVariableType=false
# faster-whisper comes without types.

from collections.abc import Callable, Iterator

import numpy as np
from av.error import FFmpegError
from faster_whisper.audio import decode_audio

from transcriber.adapters.engine.messages import (
    Failed,
    Fault,
    FileEnded,
    FileSegment,
    FileStarted,
    Message,
    TranscribeFile,
    Working,
)
from transcriber.adapters.engine.whisper import LeanModel, spoken
from transcriber.types import RATE


def transcribe(model: LeanModel, request: TranscribeFile, tell: Callable[[Message], None]) -> Iterator[Message]:
    """Yield what happens to a file: started, segments in order, ended. `tell` hears of each window in between."""
    try:
        audio = np.asarray(decode_audio(request.path, sampling_rate=RATE))
    except (FFmpegError, OSError, IndexError, ValueError) as error:
        # IndexError: the container has no audio stream.
        yield Failed(request.id, Fault.INPUT, f"{request.path} cannot be read as audio: {error}")
        return
    model.many_windows()
    model.at_window = lambda: tell(Working(request.id))
    segments, info = model.transcribe(
        audio,
        language=request.language,
        beam_size=5,
        word_timestamps=request.words,
        clip_timestamps=[request.start],
    )
    yield FileStarted(request.id, info.language, info.duration)
    for segment in segments:
        words = spoken(segment.words or [])
        yield FileSegment(request.id, float(segment.start), float(segment.end), segment.text, words)
    yield FileEnded(request.id)
