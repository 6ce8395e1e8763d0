"""Sources are found by scheme among the entry points of what is installed."""

import sys

import pytest

from transcriber.core.source_spec import SourceSpec
from transcriber.errors import ConfigError
from transcriber.plugins import make_source, schemes
from transcriber.types import CaptureOptions, TrackName


def spec(scheme: str) -> SourceSpec:
    return SourceSpec(TrackName("me"), scheme, "target")


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution with entry points, and perhaps a module, for the time of a test."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(name, sources, module=""):
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = "\n".join(f"{scheme} = {target}" for scheme, target in sources.items())
        (info / "entry_points.txt").write_text(f"[transcriber.sources]\n{lines}\n")
        if module:
            (tmp_path / f"{name}.py").write_text(module)
        monkeypatch.delitem(sys.modules, name, raising=False)

    return install


def test_a_source_is_made_by_the_factory_of_its_scheme(install):
    install("plugged", {"radio": "plugged:make"}, "def make(spec, options): return (spec.target, options.pace)\n")
    assert make_source(spec("radio"), CaptureOptions(pace="fast")) == ("target", "fast")
    assert "radio" in schemes()


def test_nothing_is_imported_before_a_source_is_made(install):
    install("plugged", {"radio": "plugged:make"}, "raise AssertionError\n")
    assert "radio" in schemes()
    assert "plugged" not in sys.modules


def test_an_unknown_scheme_lists_what_there_is(install):
    install("plugged", {"radio": "plugged:make", "aether": "plugged:make"})
    with pytest.raises(ConfigError, match=r"^source telex:target: no such scheme 'telex'; there are aether, .*radio"):
        make_source(spec("telex"), CaptureOptions())


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("import nothing_like_it\n", "No module named 'nothing_like_it'"),
        ("1 / 0\n", "ZeroDivisionError"),
        ("", "No module named 'plugged'"),
        ("x = 1\n", "has no attribute 'make'"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_named_with_its_distribution(install, module, reason):
    install("plugged", {"radio": "plugged:make"}, module)
    with pytest.raises(ConfigError, match=f"plugged 1.0 registers it as plugged:make, .*{reason}"):
        make_source(spec("radio"), CaptureOptions())


def test_a_scheme_that_two_distributions_register_is_nobodys(install):
    install("plugged", {"radio": "plugged:make"}, "make = print\n")
    install("other", {"radio": "other:make"}, "make = print\n")
    with pytest.raises(ConfigError, match=r"registered by (plugged|other) 1\.0 and by (plugged|other) 1\.0; keep one"):
        make_source(spec("radio"), CaptureOptions())
