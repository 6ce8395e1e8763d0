"""What a source delivers, kept as it is: after a kill, and beside a recording of the same sound."""

import json
import shutil
import stat
import subprocess
import sys
import wave
from array import array
from contextlib import suppress
from pathlib import Path

import pytest

SPEECH = Path(__file__).parents[2] / "examples" / "speech.flac"
RATE, NATIVE = 16_000, 44_100


def original(folder: Path) -> list[tuple]:
    """Return when each file of the one track begins in seconds, what it is, and its frames."""
    found = []
    for path in sorted(folder.glob("original/*/*.wav")):
        with wave.open(str(path)) as file:
            found.append((int(path.stem) / RATE, file.getparams(), file.readframes(file.getnframes())))
            assert path.stat().st_size == 44 + len(found[-1][2]) == 44 + 4 * file.getnframes()
    return found


def length(folder: Path) -> float:
    """Return the seconds that can be played."""
    with suppress(EOFError, wave.Error):  # while it is written
        return sum(params.nframes / params.framerate for _, params, _ in original(folder))
    return 0.0


@pytest.mark.model
@pytest.mark.skipif(sys.platform == "win32", reason="the signals are those of POSIX")
def test_it_plays_after_a_kill_and_is_whole_again_after_a_resume(start, transcriber, model, session_of, home):
    program = start(
        *("run", "--source", f"file:{SPEECH}", "--model", model, "--name", "kept", "--source-quality"),
        *("--format", "jsonl"),
    )
    program.until_told("ready")
    folder = session_of("kept")
    program.until(lambda: length(folder) > 4)
    program.kill()
    program.end(orphans=True)
    [(began, params, frames)] = original(folder)
    assert (began, params.framerate, params.nchannels) == (0, NATIVE, 2)
    [path] = folder.glob("original/*/*.wav")
    places = (path, path.parent, path.parent.parent)
    assert [stat.S_IMODE(place.stat().st_mode) for place in places] == [0o600, 0o700, 0o700]
    for player in (["ffmpeg", "-v", "error", "-i"], ["sox"]):
        if shutil.which(player[0]):
            played = home / f"original-{player[0]}.wav"
            subprocess.run([*player, str(path), str(played)], check=True, timeout=30)
            with wave.open(str(played)) as file:
                assert file.readframes(file.getnframes()) == frames
    with path.open("ab") as file:
        file.write(frames[:4_003])  # what a kill leaves between two headers
    assert transcriber("resume", "kept").code == 0
    assert transcriber("sessions", "verify", "kept").code == 0
    assert original(folder) == [(0, params._replace(nframes=params.nframes + 1_000), frames + frames[:4_000])]
    [kept] = json.loads(transcriber("sessions", "show", "kept", "--json").stdout)["originals"]
    assert (kept["track"], kept["formats"], kept["files"]) == ("speech", ["44100 Hz, 2 ch, s16le"], 1)
    assert "44100 Hz, 2 ch, s16le" in transcriber("sessions", "show", "kept").stdout


@pytest.mark.rig
def test_a_click_that_a_device_plays_is_at_the_same_time_in_both(rig, start, session_of, home):
    clicks = home / "clicks.wav"
    with wave.open(str(clicks), "wb") as file:
        file.setparams((2, 2, NATIVE, 0, "NONE", ""))
        frames = array("h", bytes(4 * 3 * NATIVE))
        for second in (1, 2):
            frames[2 * second * NATIVE] = frames[2 * second * NATIVE + 1] = 30_000
        file.writeframes(frames.tobytes())
    program = start(
        *("run", "--source", "loopback:headset", "--name", "clicks", "--source-quality", "--format", "jsonl"),
        sound=True,
    )
    program.until_told('"event":"session"')
    assert rig.play(clicks, "headset").wait() == 0
    folder = session_of("clicks")
    heard = length(folder)
    program.until(lambda: length(folder) > heard + 1)
    program.signal()
    program.end()
    times = []
    for began, params, content in original(folder):
        assert params.framerate == NATIVE
        left = array("h", content)[::2]
        times += [began + at / NATIVE for at, sample in enumerate(left) if sample > 10_000]
    samples = array("h", b"".join(path.read_bytes()[44:] for path in sorted(folder.glob("audio/*/*.wav"))))
    loud = [at for at, sample in enumerate(samples) if sample > 3_000]
    peaks = [at for at in loud if samples[at] == max(samples[max(0, at - 80) : at + 80])]
    assert len(times) == len(peaks) == 2
    for kept, at in zip(times, peaks, strict=True):
        assert abs(kept - at / RATE) < 0.001
