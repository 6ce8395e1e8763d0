"""What is kept in source quality, as it is found: also after a crash at any byte."""

import shutil
import subprocess
import wave

import numpy as np
import pytest

from transcriber.adapters.original_files import check_original, original_files, repair_original, stored_original
from transcriber.adapters.original_writer import write
from transcriber.core.original import Part
from transcriber.core.original_wav import Header
from transcriber.types import RATE, AudioFormat, Position, SampleFormat, TrackName

CD = AudioFormat(44_100, 2)
FRAMES = 64
SOUND = bytes(range(256))


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "original" / "me"
    write(folder, [Part(Position(0), 0, CD, SOUND), Part(Position(5 * RATE), 0, CD, SOUND * 2)])
    return folder


def snapshot(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_track_of_which_nothing_is_kept_has_no_files(tmp_path):
    assert original_files(tmp_path / "original" / "me") == []
    assert stored_original(TrackName("me"), tmp_path / "original" / "me") is None
    assert repair_original(tmp_path / "original" / "me", tmp_path / "damaged") == []


def test_what_is_kept_is_summed_up(folder):
    write(folder, [Part(Position(9 * RATE), 0, AudioFormat(RATE, 1), SOUND)])
    stored = stored_original(TrackName("me"), folder)
    assert stored.formats == [CD, AudioFormat(RATE, 1)]
    assert (stored.files, stored.size) == (3, 44 * 3 + 256 * 4)
    assert stored.length == 23 + 46 + 128


def test_whole_files_are_left_as_they_are(folder, tmp_path):
    before = snapshot(tmp_path)
    assert list(check_original(folder)) == []
    assert repair_original(folder, tmp_path / "damaged") == []
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    "form", [CD, AudioFormat(48_000, 6, SampleFormat.S24), AudioFormat(48_000, 2, SampleFormat.F32)]
)
def test_a_file_that_is_cut_anywhere_is_noticed_and_keeps_its_whole_frames(tmp_path, form):
    folder = tmp_path / "original" / "me"
    frames = bytes(range(6 * form.frame_bytes))
    write(folder, [Part(Position(0), 0, form, frames)])
    [path] = folder.iterdir()
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert len(list(check_original(folder))) == 1
        [action] = repair_original(folder, tmp_path / "damaged")
        assert path.name in action
        assert list(check_original(folder)) == []
        head = Header(form, 0).size
        kept = (size - head) // form.frame_bytes * form.frame_bytes
        assert path.exists() == (size >= head)
        if path.exists():
            assert path.read_bytes()[head:] == frames[:kept]
        else:
            assert (tmp_path / "damaged" / f"me-original-{path.name}").read_bytes() == whole[:size]
        assert repair_original(folder, tmp_path / "damaged") == []


def test_frames_that_were_not_acknowledged_are_kept(folder, tmp_path):
    path = folder / "000000000000.wav"
    with path.open("ab") as file:
        file.write(SOUND + b"\1\2\3")
    assert len(list(check_original(folder))) == 1
    assert len(repair_original(folder, tmp_path / "damaged")) == 1
    with wave.open(str(path)) as file:
        assert file.readframes(FRAMES * 3) == SOUND * 2
    assert path.stat().st_size == 44 + 2 * len(SOUND)


def test_files_that_overlap_are_noticed(folder):
    write(folder, [Part(Position(5 * RATE + 10), 0, CD, SOUND)])
    assert list(check_original(folder)) == ["original/me/000000080010.wav: begins before the end of the file before it"]


@pytest.mark.parametrize("sample", SampleFormat)
@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("player", ["ffmpeg", "sox"])
def test_players_take_every_format(tmp_path, sample, channels, player):
    if shutil.which(player) is None:
        pytest.skip(f"{player} is not installed")
    form = AudioFormat(48_000, channels, sample)
    numbers = np.arange(4_800 * channels) * 7 % 65_536 - 32_768
    frames = {
        SampleFormat.U8: lambda: numbers.astype("<u1"),
        SampleFormat.S24: lambda: numbers.astype("<i4").view("<u1").reshape(-1, 4)[:, :3],
        SampleFormat.S32: lambda: numbers.astype("<i4"),
        SampleFormat.F32: lambda: (numbers / 32_768).astype("<f4"),
    }.get(sample, lambda: numbers.astype("<i2"))().tobytes()
    write(tmp_path / "original" / "me", [Part(Position(0), 0, form, frames)])
    [path] = (tmp_path / "original" / "me").iterdir()
    play = {
        "ffmpeg": ["ffmpeg", "-v", "error", "-i", path, "-f", sample.value, "-c:a", f"pcm_{sample}", "-"],
        "sox": ["sox", path, "-t", "raw", "-"],
    }
    played = subprocess.run(play[player], check=True, timeout=30, capture_output=True)
    assert played.stderr == b""
    assert played.stdout == frames
