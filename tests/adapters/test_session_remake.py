"""A session whose files somebody removes while it is recorded."""

import shutil
from functools import partial
from pathlib import Path

import pytest

from transcriber.adapters.disk import InlineDisk
from transcriber.adapters.recording import TrackRecording, read_extent, read_pieces
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_lock import is_locked
from transcriber.adapters.session_folder_manifest import TrackEntry, read_manifest
from transcriber.adapters.session_remake import SessionRemake
from transcriber.core import wav
from transcriber.errors import StorageError
from transcriber.types import Block, Gap, GapReason, Position, TrackName

pytestmark = pytest.mark.anyio

THEM = TrackName("them")
BORDER = wav.FILE_SAMPLES
FAR = BORDER + 50
"""The recording is in two files: a few samples around their border."""


def block(start: int, end: int) -> Block:
    return Block(Position(start), b"".join((at % 60_000).to_bytes(2, "little") for at in range(start, end)))


def gap(start: int, end: int, reason: GapReason = GapReason.DISK) -> Gap:
    return Gap(Position(start), Position(end), reason)


NOTHING = gap(0, BORDER - 50, GapReason.DEVICE)


class World:
    def __init__(self, folder: Path) -> None:
        tracks = [TrackEntry(name=THEM, source="loopback"), TrackEntry(name=TrackName("me"), source="microphone")]
        self.session = SessionFolder.create(folder / "recordings", tracks, model="tiny", app="0")
        self.remake = SessionRemake(self.session)

    async def open(self) -> TrackRecording:
        session = self.session
        return await TrackRecording.open(
            session.audio(THEM), session.journal(THEM), InlineDisk(), remake=partial(self.remake.track, THEM)
        )

    async def record(self) -> TrackRecording:
        recording = await self.open()
        await recording.append([gap(0, BORDER - 50, GapReason.DEVICE), block(BORDER - 50, BORDER)])
        await recording.append([block(BORDER, FAR)])
        return recording

    def on_disk(self) -> list[Block | Gap]:
        extent = read_extent(self.session.journal(THEM))
        return list(read_pieces(self.session.audio(THEM), extent.gaps, Position(0), extent.durable))


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.session.close()


LATER = block(FAR, FAR + 20)


@pytest.mark.parametrize(
    ("gone", "left"),
    [
        (".", [NOTHING, gap(BORDER - 50, FAR), LATER]),
        ("audio", [NOTHING, gap(BORDER - 50, FAR), LATER]),
        ("audio/them/000002.wav", [NOTHING, block(BORDER - 50, BORDER), gap(BORDER, FAR), LATER]),
        ("journal", [NOTHING, block(BORDER - 50, BORDER), block(BORDER, FAR + 20)]),
    ],
)
async def test_the_recording_goes_on_and_what_is_gone_is_named(world, gone, left):
    recording = await world.record()
    path = world.session.path / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(StorageError, match="removed"):
        await recording.append([block(FAR, FAR + 10)])
    assert await recording.append([block(FAR, FAR + 20)]) == FAR + 20
    await recording.close()
    assert world.on_disk() == left
    assert read_extent(world.session.journal(THEM)).ended


async def test_the_folder_is_a_locked_session_again_and_private(world):
    recording = await world.record()
    shutil.rmtree(world.session.path)
    with pytest.raises(StorageError):
        await recording.append([block(FAR, FAR + 10)])
    await recording.append([block(FAR, FAR + 10)])
    assert read_manifest(world.session.path) == world.session.manifest
    assert is_locked(world.session.path / "lock")
    made = list(world.session.path.rglob("*"))
    assert all(path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600) for path in made)


async def test_what_was_not_acknowledged_is_not_trusted(world):
    recording = await world.record()
    with (world.session.audio(THEM) / wav.file_name(1)).open("ab") as file:
        file.write(bytes(200))  # what a failing disk may have left
    world.session.journal(THEM).unlink()
    with pytest.raises(StorageError):
        await recording.append([block(FAR, FAR + 10)])
    assert await recording.append([block(FAR, FAR + 10)]) == FAR + 10
    assert world.on_disk()[-1] == block(BORDER, FAR + 10)


async def test_a_folder_that_went_away_with_its_disk_is_waited_for(world, monkeypatch):
    recording = await world.record()
    away = world.session.path.with_name("away")
    world.session.path.rename(away)
    monkeypatch.setattr(world.remake, "_device", -1)  # the folder above is on another disk now, as after an unmount
    world.session.audio(THEM)
    recording._writer.revoke()
    recording._writer = recording._new_writer(recording._writer.acknowledged)
    for _ in range(2):
        with pytest.raises(StorageError):
            await recording.append([block(FAR, FAR + 10)])
    assert not world.session.path.exists()
    away.rename(world.session.path)
    assert await recording.append([block(FAR, FAR + 10)]) == FAR + 10
    assert world.on_disk() == [NOTHING, block(BORDER - 50, BORDER), block(BORDER, FAR + 10)]
