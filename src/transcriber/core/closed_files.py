"""Which files of a track are closed, so that nothing is written to them any more, and what the journal says of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import assert_never

from transcriber.core import wav
from transcriber.core.journal import Audio, Clock, Damage, End, Record
from transcriber.types import Gap


@dataclass(frozen=True, slots=True)
class ClosedFile:
    """A file, the records of its samples, and the slot of the journal from which to look for those after it."""

    index: int
    records: tuple[Audio, ...]
    next_slot: int


def closed_files(records: Iterable[Record | Damage], first_slot: int = 0) -> Iterator[ClosedFile]:
    """Yield the closed files of which the journal tells, in order, from `first_slot` on.

    A file is closed once something is recorded, or missing, after its last place; the last one when the track has
    ended. Nothing that follows a damaged record is told: it may be the end of a journal that is being written.
    """
    audios: list[Audio] = []
    slot, ended = first_slot, False
    for slot, record in enumerate(records, first_slot):
        ended = isinstance(record, End)
        match record:
            case Damage():
                return
            case Clock() | End():
                pass
            case Audio(_, end) | Gap(_, end):
                if audios and end > wav.file_start(_index(audios) + 1):
                    yield ClosedFile(_index(audios), tuple(audios), slot)
                    audios.clear()
                if isinstance(record, Audio):
                    audios.append(record)
            case _:
                assert_never(record)
    if audios and ended:
        yield ClosedFile(_index(audios), tuple(audios), slot + 1)


def _index(audios: list[Audio]) -> int:
    return audios[0].start // wav.FILE_SAMPLES
