"""Which track a `--fallback` belongs to."""

import pytest

from transcriber.cli.run import make_tracks
from transcriber.errors import ConfigError


@pytest.mark.parametrize(
    ("sources", "fallbacks", "expected"),
    [
        (["loopback"], [], {"system": ()}),
        (["loopback"], ["loopback:b", "microphone:c"], {"system": ("loopback:b", "microphone:c")}),
        (["me=microphone", "them=loopback"], ["microphone:b"], {"me": ("microphone:b",), "them": ()}),
        (
            ["me=microphone", "them=loopback"],
            ["microphone:b", "loopback:c"],
            {"me": ("microphone:b",), "them": ("loopback:c",)},
        ),
        (
            ["me=microphone", "them=loopback"],
            ["them=loopback:b", "them=loopback:c=d"],
            {"me": (), "them": ("loopback:b", "loopback:c=d")},
        ),
    ],
)
def test_a_fallback_belongs_to_the_track_that_it_names_or_to_the_source_of_its_number(sources, fallbacks, expected):
    assert {track.name: track.fallbacks for track in make_tracks(sources, fallbacks)} == expected


@pytest.mark.parametrize(
    ("sources", "fallbacks"),
    [([], ["loopback:b"]), (["a=loopback", "b=microphone"], ["loopback:c"] * 3), (["loopback"], ["you=loopback:b"])],
)
def test_a_fallback_of_no_track_is_refused_in_words_that_help(sources, fallbacks):
    with pytest.raises(ConfigError, match="no such track; give one --source before each, or write NAME=SOURCE"):
        make_tracks(sources, fallbacks)


def test_a_fallback_of_an_unknown_kind_is_refused():
    with pytest.raises(ConfigError, match="telex"):
        make_tracks(["loopback"], ["telex:berlin"])
