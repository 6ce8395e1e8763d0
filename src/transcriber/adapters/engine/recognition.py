"""The Whisper thread of the engine process: which request does what. The libraries are imported when a model loads."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from transcriber.adapters.engine.messages import Decode, Decoded, FileEnded, LoadModel, Message, TranscribeFile

if TYPE_CHECKING:
    from transcriber.adapters.engine.whisper import Whisper


class Recognition:
    """Answers the requests for Whisper on the thread that calls, one at a time."""

    def __init__(self, tell: Callable[[Message], None]) -> None:
        self._tell = tell
        self._model: Whisper | None = None
        self._abandoned: set[int] = set()

    def abandon(self, id_: int) -> None:
        """Stop the file request of this id after the segment in hand. Called from another thread."""
        self._abandoned.add(id_)

    def answer(self, request: LoadModel | Decode | TranscribeFile) -> None:
        """Do what is asked for and tell its answers.

        Raises:
            Exception: whatever the libraries raise; the request failed, and nothing else.

        """
        match request:
            case LoadModel():
                from transcriber.adapters.engine.loading import load  # noqa: PLC0415 - half a second of imports

                self._model, loaded = load(request)
                self._tell(loaded)
            case Decode():
                self._tell(Decoded(request.id, self._whisper.decode(request.request)))
            case TranscribeFile():
                from transcriber.adapters.engine.media import transcribe  # noqa: PLC0415 - as above

                for part in transcribe(self._whisper.model, request, self._tell):
                    self._tell(part)
                    if request.id in self._abandoned:
                        self._abandoned.discard(request.id)
                        self._tell(FileEnded(request.id))
                        return

    @property
    def _whisper(self) -> "Whisper":
        if self._model is None:
            raise RuntimeError("no model is loaded")
        return self._model
