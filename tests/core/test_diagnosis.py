"""What the doctor makes of the facts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.core.diagnosis import (
    AbsentModel,
    BrokenModel,
    Facts,
    Finding,
    Folder,
    LoadedModel,
    Machine,
    Sound,
    SourceTrial,
    Verdict,
    diagnose,
    worst,
)
from transcriber.types import AudioFormat, Device, SourceKind

GB = 1_000_000_000
STEREO = AudioFormat(48_000, 2)
SPEAKERS = Device("Speakers", SourceKind.LOOPBACK, default=True, format=STEREO)
HEADSET = Device("Headset", SourceKind.MICROPHONE, default=True, format=AudioFormat(16_000, 1))
MACHINE = Machine(
    system="Windows-11-10.0.22631-SP0",
    build=22_631,
    python="CPython 3.13.0",
    bits=64,
    architecture="AMD64",
    avx2=True,
    cores=8,
    memory=16 * GB,
    memory_free=8 * GB,
)
FOLDER = Folder(path="recordings", free=500 * GB, needed=200_000_000, sync=0.004)
SOUND = Sound(system="WASAPI", devices=(SPEAKERS, HEADSET))
MODEL = LoadedModel(name="tiny", origin="hub cache", device="cpu", compute_type="int8", threads=4, seconds=1.5)
GOOD = Facts(
    machine=MACHINE,
    folder=FOLDER,
    sound=SOUND,
    trials=(SourceTrial("system", "loopback:Speakers can be opened", works=True),),
    model=MODEL,
    tracks=1,
)


def test_a_computer_that_has_everything_is_well_and_needs_no_remedy():
    findings = diagnose(GOOD)
    assert worst(findings) is Verdict.OK
    assert not [finding for finding in findings if finding.remedy]
    assert [finding.check for finding in findings] == [
        *("system", "python", "processor", "memory", "sessions", "space", "disk"),
        *("sound", "loopback", "microphone", "track system", "model", "gpu"),
    ]


def machine(**changes):
    return replace(GOOD, machine=replace(MACHINE, **changes))


def folder(**changes):
    return replace(GOOD, folder=replace(FOLDER, **changes))


def sound(*devices, **changes):
    return replace(GOOD, sound=replace(SOUND, devices=devices, **changes))


def model(found):
    return replace(GOOD, model=found)


ILLS = {
    "an old Windows": (machine(build=19_041), "system", Verdict.WARN, "19045"),
    "a 32-bit Python": (machine(bits=32), "python", Verdict.FAIL, "64-bit"),
    "no AVX2": (machine(avx2=False), "processor", Verdict.WARN, "small model"),
    "one core": (machine(cores=1), "processor", Verdict.WARN, "small model"),
    "little memory": (machine(memory_free=999_000_000), "memory", Verdict.WARN, "close other programs"),
    "no memory": (machine(memory_free=399_000_000), "memory", Verdict.FAIL, "close other programs"),
    "a read-only folder": (folder(error="it may not be written; choose another"), "sessions", Verdict.FAIL, "choose"),
    "a folder that others see": (folder(shared=True), "sessions", Verdict.WARN, "chmod 700"),
    "a full disk": (folder(free=199_999_999), "space", Verdict.FAIL, "free some space"),
    "a disk that is nearly full": (folder(free=900_000_000), "space", Verdict.WARN, "free some space"),
    "a disk that tells nothing": (folder(free=None), "space", Verdict.WARN, "free some space"),
    "a slow disk": (folder(sync=0.3), "disk", Verdict.WARN, "local disk"),
    "no sound system": (sound(error="PulseAudio does not answer"), "sound", Verdict.WARN, "start PulseAudio"),
    "no output": (sound(HEADSET), "loopback", Verdict.WARN, "output"),
    "no default output": (sound(HEADSET, replace(SPEAKERS, default=False)), "loopback", Verdict.WARN, "output"),
    "no microphone": (sound(SPEAKERS), "microphone", Verdict.WARN, "privacy"),
    "a device that cannot be opened": (
        replace(GOOD, trials=(SourceTrial("me", "microphone:Yeti: there is none", works=False),)),
        "track me",
        Verdict.FAIL,
        "transcriber devices",
    ),
    "a model to fetch": (model(AbsentModel("small", 483_000_000)), "model", Verdict.WARN, "models fetch small"),
    "no model": (model(BrokenModel("it lacks model.bin")), "model", Verdict.FAIL, "model.bin"),
    "CUDA that does not work": (
        model(replace(MODEL, fallback="CUDA does not work: no cuDNN")),
        "gpu",
        Verdict.WARN,
        "cuDNN 9",
    ),
}


@pytest.mark.parametrize(("facts", "check", "verdict", "remedy"), ILLS.values(), ids=ILLS)
def test_what_is_wrong_is_told_alone_with_what_to_do(facts, check, verdict, remedy):
    findings = diagnose(facts)
    [ill] = [finding for finding in findings if finding.verdict is not Verdict.OK]
    assert (ill.check, ill.verdict) == (check, verdict)
    assert ill.told
    assert remedy in ill.remedy
    assert worst(findings) is verdict


def test_a_gpu_that_works_is_named():
    gpu = diagnose(model(replace(MODEL, device="cuda", compute_type="float16")))[-1]
    assert gpu == Finding("gpu", Verdict.OK, "a decode works on CUDA, float16")


def test_what_a_processor_of_another_family_has_is_not_held_against_it():
    assert worst(diagnose(machine(avx2=None, architecture="arm64"))) is Verdict.OK


def test_vb_cable_is_asked_for_where_there_is_one_and_never_needed():
    cable = replace(HEADSET, name="CABLE Output (VB-Audio Virtual Cable)", default=False)
    told = {}
    for facts in (sound(SPEAKERS, HEADSET, cable, cable=True), sound(SPEAKERS, HEADSET, cable=True)):
        [finding] = [finding for finding in diagnose(facts) if finding.check == "vb-cable"]
        assert finding.verdict is Verdict.OK
        told[finding.told.split()[0]] = finding
    assert told.keys() == {"CABLE", "not"}


def test_space_is_told_in_hours_of_all_tracks():
    facts = replace(folder(free=2 * 10 * 3600 * 32_000), tracks=2)
    [space] = [finding for finding in diagnose(facts) if finding.check == "space"]
    assert "10 h of 2 tracks" in space.told


@given(st.lists(st.sampled_from(Verdict)))
def test_the_worst_verdict_counts(verdicts):
    findings = [Finding("x", verdict, "") for verdict in verdicts]
    expected = next((one for one in (Verdict.FAIL, Verdict.WARN) if one in verdicts), Verdict.OK)
    assert worst(findings) is expected
