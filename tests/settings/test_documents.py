"""Documents, the default file and the code say the same."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.settings import KEYS, Settings, Track, accepted, descriptions, load, to_toml
from transcriber.settings.schema import GIB, KIB, MIB

ROOT = Path(__file__).parents[2]


def rows():
    """Return what the table of every setting has to say."""
    meanings = descriptions()
    for section in msgspec.structs.fields(Settings):
        for field in msgspec.structs.fields(Track if section.name == "tracks" else section.type):
            key = f"{section.name}.{field.name}"
            default = "required" if field.required else f"`{json.dumps(field.default)}`"
            yield key, f"| `{key}` | {default} | {accepted(field.type)} | {meanings[key]} |"


@pytest.mark.parametrize(("key", "row"), list(rows()))
def test_every_setting_is_documented_with_its_default_and_bounds(key, row):
    assert row in (ROOT / "docs/settings.md").read_text(encoding="utf-8").splitlines(), f"{key}: the row is\n{row}"


def test_no_setting_is_documented_that_is_not_there():
    documented = {
        line.split("`")[1] for line in (ROOT / "docs/settings.md").read_text().splitlines() if line[:3] == "| `"
    }
    sections = {section.name for section in msgspec.structs.fields(Settings)}
    assert {key for key in documented if key.partition(".")[0] in sections} == {key for key, _ in rows()}


def test_the_default_file_is_what_the_code_says():
    _, _, settings = (ROOT / "configs/default.toml").read_text(encoding="utf-8").partition("\n\n")
    assert settings == to_toml(Settings(), descriptions().__getitem__)


@pytest.mark.parametrize("name", ["container", "default", "meeting", "server"])
def test_the_files_that_are_shipped_load(name):
    assert (load(ROOT / f"configs/{name}.toml", {}, {}) == Settings()) == (name == "default")


@given(
    st.builds(
        lambda prompt, folder, lag, threads: {
            "transcription.prompt": prompt,
            "session.folder": folder,
            "monitoring.lag_threshold": lag,
            "engine.threads": threads,
        },
        st.text(max_size=50),
        st.text(min_size=1, max_size=20),
        st.floats(1, 3600),
        st.integers(0, 256),
    )
)
def test_settings_written_as_toml_load_to_equal_settings(tmp_path_factory, flags):
    settings = load(None, {}, flags)
    file = tmp_path_factory.mktemp("toml") / "settings.toml"
    file.write_bytes(to_toml(settings, lambda key: f"about {key}").encode())
    assert load(file, {}, {}) == settings


def test_the_schema_accepts_what_loads_and_says_what_a_setting_means():
    schema = msgspec.json.schema(Settings)["$defs"]
    for key in KEYS:
        section, _, name = key.rpartition(".")
        described = schema[section.capitalize() if section else "Settings"]["properties"][name]
        assert described["description"]
    assert schema["Capture"]["properties"]["block"]["maximum"] == 0.128
    assert all(schema[name]["additionalProperties"] is False for name in schema)


def test_the_defaults_are_the_guides():
    settings = Settings()
    assert (settings.buffering.pool_size, settings.buffering.chunk_size) == (MIB, 32 * KIB)
    assert (settings.buffering.watermark, settings.monitoring.buffer_threshold) == (0.8, 0.8)
    assert (settings.storage.flush_interval, settings.monitoring.interval) == (1.0, 1.0)
    assert (settings.monitoring.cpu_threshold, settings.monitoring.memory_threshold) == (80.0, 100 * MIB)
    recovery = settings.supervision
    assert (recovery.max_restarts, recovery.delay, recovery.start_timeout) == (3, 0.5, 5.0)
    assert load(None, {}, {"buffering.pool_size": 2 * GIB}).buffering.pool_size == 2 * GIB
