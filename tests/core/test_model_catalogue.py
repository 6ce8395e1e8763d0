import re

import pytest

from transcriber.core.model_catalogue import (
    ALIASES,
    CATALOGUE,
    best_present,
    check_language,
    default_download,
    entry_named,
)
from transcriber.errors import ConfigError


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=CATALOGUE)
def test_every_entry_pins_one_commit_and_one_checksum(entry):
    assert re.fullmatch(r"[0-9a-f]{40}", entry.revision)
    assert re.fullmatch(r"[0-9a-f]{64}", entry.sha256)
    assert re.fullmatch(r"[A-Za-z]+/faster-(distil-)?whisper-[a-z0-9.-]+", entry.repository)
    assert 70e6 < entry.size < 4e9
    assert entry.english_only is (entry.name.endswith(".en") or entry.name.startswith("distil"))


def test_a_larger_model_is_larger_and_its_english_twin_as_large():
    sizes = [CATALOGUE[name].size for name in ("tiny", "base", "small", "medium", "large-v3")]
    assert sizes == sorted(sizes)
    for name in ("tiny", "base", "small", "medium"):
        assert CATALOGUE[f"{name}.en"].size == pytest.approx(CATALOGUE[name].size, rel=0.01)


def test_no_two_entries_are_the_same_weights():
    assert len({entry.sha256 for entry in CATALOGUE.values()}) == len(CATALOGUE)
    assert len({entry.size for entry in CATALOGUE.values()} - {3_086_912_962}) >= len(CATALOGUE) - 1


def test_an_alias_is_its_model():
    for alias, name in ALIASES.items():
        assert entry_named(alias) is CATALOGUE[name]
    assert [entry_named(alias).name for alias in ("turbo", "large")] == ["large-v3-turbo", "large-v3"]


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(ConfigError, match=r"'enormous'.*tiny\.en, tiny, base\.en"):
        entry_named("enormous")


@pytest.mark.parametrize(
    ("present", "language", "best"),
    [
        ((), None, None),
        (("tiny", "base", "small"), None, "small"),
        (("tiny", "large-v3"), None, "tiny"),
        (("large-v3",), None, "large-v3"),
        (("tiny.en", "tiny"), None, "tiny"),
        (("small.en", "tiny"), None, "tiny"),
        (("tiny.en",), None, "tiny.en"),
        (("tiny.en", "tiny"), "en", "tiny.en"),
        (("tiny.en", "base"), "en", "base"),
        (("distil-large-v3",), "en", "distil-large-v3"),
        (("tiny.en", "small.en"), "de", None),
        (("tiny.en", "tiny"), "de", "tiny"),
    ],
)
def test_auto_takes_the_best_model_that_is_here_and_knows_the_language(present, language, best):
    assert best_present(present, language) == best


def test_what_auto_fetches_knows_the_language():
    assert default_download("en") == "base.en"
    assert default_download(None) == default_download("de") == "base"


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("tiny.en", "tiny"),
        ("medium.en", "medium"),
        ("mine", "base"),
        ("mine.en", "base"),
        ("distil-large-v3", "large-v3-turbo"),
    ],
)
def test_an_english_model_is_refused_for_another_language_with_what_to_use(name, instead):
    with pytest.raises(ConfigError, match=rf"'de'.*--model {re.escape(instead)},"):
        check_language(name, english_only=True, language="de")


@pytest.mark.parametrize(("english_only", "language"), [(True, "en"), (True, None), (False, "de")])
def test_other_pairs_are_fine(english_only, language):
    check_language("any", english_only=english_only, language=language)
