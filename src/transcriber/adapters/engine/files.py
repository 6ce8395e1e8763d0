"""The transcription of a media file, as it comes."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from transcriber.adapters.engine.calls import Call, FileCall
from transcriber.adapters.engine.messages import FileSegment, FileStarted


class FileTranscription:
    """Segments of a file in order, each exactly once, also when the engine is replaced in between.

        async with client.transcribe_file(path, words=True) as transcription:
            async for segment in transcription:
                progress = segment.end / transcription.duration

    Leaving the block early stops the engine after the segment in hand.

    Raises:
        SourceError: the file cannot be read as audio.
        RequestFailed: three children failed at the same place of it.

    """

    def __init__(self, call: FileCall, submit: Callable[[Call], None], forget: Callable[[Call], None]) -> None:
        self._call = call
        self._submit = submit
        self._forget = forget
        self._given = 0

    @property
    def language(self) -> str:
        """Language of the file, as asked for or detected: an ISO 639-1 code."""
        return self._started.language

    @property
    def duration(self) -> float:
        """Length of the file in seconds."""
        return self._started.duration

    @property
    def _started(self) -> FileStarted:
        if self._call.started is None:
            raise RuntimeError("enter the transcription first")
        return self._call.started

    async def __aenter__(self) -> Self:
        self._submit(self._call)
        try:
            while self._call.started is None and not self._call.done.is_set():
                await self._call.changed.wait()
        except BaseException:
            self._forget(self._call)
            raise
        if self._call.started is None and self._call.error is not None:
            raise self._call.error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._forget(self._call)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> FileSegment:
        while self._given == len(self._call.segments):
            if self._call.error is not None:
                raise self._call.error
            if self._call.done.is_set():
                raise StopAsyncIteration
            await self._call.changed.wait()
        segment = self._call.segments[self._given]
        self._given += 1
        return segment
