from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.core import names
from transcriber.errors import ConfigError


@pytest.mark.parametrize(
    "name",
    ["..", ".", "", ".x", "x.", "a/b", "a\\b", "a b", "CON", "Lpt1.txt", "com0", "nul.", "x" * 65, "ä", "a\n", "~"],
)
def test_an_unsafe_name_is_refused_with_a_safe_proposal(name):
    with pytest.raises(ConfigError) as refusal:
        names.check_name(name)
    proposal = str(refusal.value).rsplit("'", 2)[-2]
    assert names.is_safe(proposal)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["a", "me", "them-2", "a.b_c", "x" * 64, "console", "2026"])
def test_a_safe_name_stands(name):
    assert names.check_name(name) == names.track_name(name) == names.safe_name(name) == name


@given(st.text())
def test_any_text_makes_a_safe_name(text):
    assert names.is_safe(names.safe_name(text))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("x" * 100, "x" * 64),
        ("x" * 63 + ".y", "x" * 63),
        ("X-ray: X", "X-ray-X"),
        ("con.X", "session-con.X"),
        ("con." + "a" * 80, "session-con." + "a" * 52),
        ("con." + "a" * 51 + ".b", "session-con." + "a" * 51),
    ],
)
def test_a_safe_name_is_as_much_of_the_text_as_is_safe(text, name):
    assert names.safe_name(text) == name


def test_an_id_is_in_utc_and_ids_sort_by_time():
    noon = datetime(2026, 11, 23, 12, tzinfo=timezone(timedelta(hours=2)))
    assert names.session_id(noon, "standup") == "2026-11-23T10-00-00Z-standup"
    assert names.session_id(datetime(2026, 11, 23, 10, tzinfo=UTC)) == "2026-11-23T10-00-00Z"
    assert names.session_id(noon) < names.session_id(noon + timedelta(seconds=1), "a")


@given(st.datetimes(datetime(1000, 1, 1), timezones=st.just(UTC)), st.sampled_from([None, "standup", "a-b", "-2"]))  # noqa: DTZ001 - hypothesis adds the zone
def test_an_id_tells_when_its_session_began_and_its_name(created, name):
    created = created.replace(microsecond=0)
    assert names.parse_session_id(names.session_id(created, name)) == (created, name)


@pytest.mark.parametrize("text", ["", "standup", "2026-13-23T09-15-02Z", "2026-11-23", "x2026-11-23T09-15-02Z"])
def test_another_name_of_a_folder_tells_neither(text):
    assert names.parse_session_id(text) == (None, None)
