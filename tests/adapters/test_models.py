"""Models in folders that only look like models: small files with the right names."""

import hashlib
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from transcriber.adapters import models, models_hub
from transcriber.adapters.models import LocalModel, Origin, cached, find, hub_cache, locate
from transcriber.cli import main
from transcriber.core import model_catalogue
from transcriber.core.model_catalogue import CATALOGUE, ModelEntry
from transcriber.errors import ConfigError, EngineError, NoModelError

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """An empty hub cache, and no extra."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(models, "OFFLINE_PACKAGE", "no_such_package")
    return tmp_path / "hub"


def model(folder: Path, weights: bytes = b"weights", vocabulary: int = 51_865) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.bin").write_bytes(weights)
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    (folder / "vocabulary.json").write_text(json.dumps(["token"] * vocabulary))
    return folder


@pytest.fixture
def small_base(monkeypatch) -> ModelEntry:
    """The catalogue's base, as if its weights were a few bytes."""
    entry = replace(CATALOGUE["base"], size=7, sha256=hashlib.sha256(b"weights").hexdigest())
    monkeypatch.setitem(CATALOGUE, "base", entry)
    return entry


def snapshot(cache: Path, entry: ModelEntry, revision: str | None = None) -> Path:
    name = f"models--{entry.repository.replace('/', '--')}"
    return model(cache / name / "snapshots" / (revision or entry.revision))


def test_a_folder_is_taken_as_it_is(tmp_path):
    folder = model(tmp_path / "mine")
    assert find(str(folder), "de") == LocalModel("mine", folder, Origin.FOLDER, english_only=False)


def test_a_folder_with_an_english_vocabulary_is_refused_for_german(tmp_path):
    folder = model(tmp_path / "mine", vocabulary=51_864)
    assert find(str(folder), None).english_only
    with pytest.raises(ConfigError, match="knows English only"):
        find(str(folder), "de")


def test_a_vocabulary_as_text_is_counted_too(tmp_path):
    folder = model(tmp_path / "mine")
    (folder / "vocabulary.json").unlink()
    (folder / "vocabulary.txt").write_text("token\n" * 51_864)
    assert find(str(folder), None).english_only


@pytest.mark.parametrize("lacking", ["model.bin", "config.json", "tokenizer.json"])
def test_a_folder_that_lacks_a_file_is_refused_by_name(tmp_path, lacking):
    folder = model(tmp_path / "mine")
    (folder / lacking).unlink()
    with pytest.raises(ConfigError, match=lacking):
        find(str(folder), None)


def test_a_name_finds_the_pinned_snapshot_or_that_of_main(cache, small_base):
    assert find("base", None) == small_base
    main = snapshot(cache, small_base, "another")
    refs = main.parents[1] / "refs"
    refs.mkdir()
    (refs / "main").write_text("another\n")
    assert find("base", None).path == main
    pinned = snapshot(cache, small_base)
    assert find("base", None).path == pinned


def test_a_download_that_was_interrupted_is_not_there(cache, small_base):
    path = snapshot(cache, small_base)
    (path / "model.bin").write_bytes(b"weig")
    assert cached(small_base) is None
    (path / "model.bin").unlink()
    assert cached(small_base) is None


def test_auto_takes_what_is_here_and_else_what_to_fetch(cache, small_base):
    assert find("auto", None) == small_base
    path = snapshot(cache, small_base)
    assert find("auto", None) == LocalModel("base", path, Origin.CACHE, english_only=False)
    assert find("auto", "en").name == "base"


class TestExtra:
    @pytest.fixture(autouse=True)
    def extra(self, tmp_path, monkeypatch) -> Path:
        package = tmp_path / "site" / "an_extra"
        model(package / "model", vocabulary=51_864)
        (package / "__init__.py").write_text("")
        monkeypatch.syspath_prepend(tmp_path / "site")
        monkeypatch.setattr(models, "OFFLINE_PACKAGE", "an_extra")
        sha256 = hashlib.sha256(b"weights").hexdigest()
        monkeypatch.setitem(CATALOGUE, "tiny.en", replace(CATALOGUE["tiny.en"], sha256=sha256))
        yield package / "model"
        sys.modules.pop("an_extra", None)

    def test_it_serves_auto_and_its_name(self, extra):
        for name in ("auto", "tiny.en"):
            assert find(name, None) == LocalModel("tiny.en", extra, Origin.EXTRA, english_only=True)

    def test_it_is_not_taken_for_another_language(self):
        assert find("auto", "es") == CATALOGUE["base"]

    def test_weights_that_differ_are_not_taken(self, extra):
        (extra / "model.bin").write_bytes(b"WEIGHTS")
        assert find("tiny.en", None) == CATALOGUE["tiny.en"]
        assert main(["models", "verify"]) == 1


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"HF_HUB_CACHE": "/a", "HF_HOME": "/b"}, "/a"),
        ({"HF_HOME": "/b", "XDG_CACHE_HOME": "/c"}, "/b/hub"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/huggingface/hub"),
    ],
)
def test_the_cache_is_where_the_hubs_library_has_it(monkeypatch, environment, folder):
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert hub_cache() == Path(folder)


async def test_without_a_network_the_ways_out_are_named_at_once(monkeypatch):
    # A port of this machine where nothing listens answers at once, as a machine without a network does.
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(NoModelError) as caught:
        await locate("base", "de")
    for way in ("--model PATH", "transcriber[offline]", "models fetch base"):
        assert way in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="groups of processes are POSIX's")
async def test_a_download_is_out_of_reach_of_ctrl_c_and_of_files_that_lie_around(monkeypatch, tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit('shadowed')")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "which_group.py").write_text("import json, os; print(os.getpgid(0))")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(models, "HUB", "which_group")
    assert (await locate("base", None)).path != Path(str(os.getpgid(0)))


async def test_what_is_here_needs_no_child(cache, small_base):
    path = snapshot(cache, small_base)
    assert (await locate("base", None)).path == path


def test_a_download_that_is_not_the_known_model_is_removed(cache, small_base, monkeypatch):
    hub = pytest.importorskip("huggingface_hub")
    path = snapshot(cache, small_base)
    (path / "model.bin").write_bytes(b"forged!")
    monkeypatch.setattr(models_hub, "_reach", lambda _: None)
    monkeypatch.setattr(hub, "snapshot_download", lambda *_, **__: str(path))
    with pytest.raises(EngineError, match="not the known model"):
        models_hub.fetch(small_base)
    assert not (path / "model.bin").exists()


def test_a_download_is_asked_for_by_its_pinned_revision(cache, small_base, monkeypatch):
    hub = pytest.importorskip("huggingface_hub")
    asked = {}

    def download(repository, **options):
        asked.update(options, repository=repository)
        return str(snapshot(cache, small_base))

    monkeypatch.setattr(models_hub, "_reach", lambda _: None)
    monkeypatch.setattr(hub, "snapshot_download", download)
    assert models_hub.fetch(small_base) == cached(small_base)
    assert (asked["repository"], asked["revision"]) == (small_base.repository, small_base.revision)
    assert "model.bin" in asked["allow_patterns"]


def test_list_says_where_and_whether_verified(cache, small_base, capsys):
    path = snapshot(cache, small_base)
    assert main(["models", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == set(model_catalogue.CATALOGUE)
    assert (rows["base"]["where"], rows["base"]["verified"]) == (str(path), True)
    assert (rows["small"]["where"], rows["small"]["verified"]) == (None, None)
    assert main(["models", "list"]) == 0
    assert f"{path} (verified)" in capsys.readouterr().out


def test_verify_tells_right_from_wrong_by_its_exit_code(cache, small_base, capsys):
    path = snapshot(cache, small_base)
    assert main(["models", "verify"]) == 0
    assert main(["models", "verify", "base"]) == 0
    (path / "model.bin").write_bytes(b"forged!")
    assert main(["models", "verify", "base"]) == 1
    assert main(["models", "verify"]) == 1
    assert "DIFFERS" in capsys.readouterr().out


def test_verify_of_a_model_that_is_not_here_is_no_model():
    assert main(["models", "verify", "small"]) == 4


def test_verify_of_an_unknown_folder_says_that_nothing_is_known(tmp_path, capsys):
    assert main(["models", "verify", str(model(tmp_path / "mine"))]) == 0
    assert "no checksum is known" in capsys.readouterr().out


def test_fetch_of_an_unknown_name_is_wrong_usage():
    assert main(["models", "fetch", "enormous"]) == 2


def test_fetch_without_a_network_is_no_model(monkeypatch, capsys):
    monkeypatch.setattr(models_hub, "_reach", _unreachable)
    assert main(["models", "fetch", "base"]) == 4
    assert "transcriber[offline]" in capsys.readouterr().err


def _unreachable(url: str) -> None:
    raise OSError(f"no way to {url}")
