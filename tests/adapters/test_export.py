import os
import stat
import sys

import aiofiles.os
import pytest

from transcriber.adapters import export
from transcriber.errors import StorageError

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"  # aiofiles knows no other


async def test_the_file_holds_the_text_as_utf_8_with_plain_line_ends(tmp_path):
    path = await export.write(tmp_path / "new" / "folder", "standup.txt", "Grüße\n今日は\n", private=True)
    assert path == tmp_path / "new" / "folder" / "standup.txt"
    assert path.read_bytes() == "Grüße\n今日は\n".encode()


async def test_an_export_replaces_the_one_before_and_leaves_nothing_beside_it(tmp_path):
    await export.write(tmp_path, "standup.txt", "old, and longer", private=True)
    await export.write(tmp_path, "standup.txt", "new", private=True)
    assert [file.name for file in tmp_path.iterdir()] == ["standup.txt"]
    assert (tmp_path / "standup.txt").read_text() == "new"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has access lists instead of modes")
async def test_what_is_said_is_private_and_other_files_follow_the_umask(tmp_path):
    before = os.umask(0o022)
    try:
        private = await export.write(tmp_path / "private", "a.txt", "", private=True)
        public = await export.write(tmp_path / "public", "a.txt", "", private=False)
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (private, private.parent, public, public.parent)]
    assert modes == [0o600, 0o700, 0o644, 0o755]


async def test_what_fails_leaves_the_old_file_and_no_draft(tmp_path, monkeypatch):
    await export.write(tmp_path, "standup.txt", "old", private=True)

    async def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(aiofiles.os, "replace", full)
    with pytest.raises(StorageError, match=r"standup\.txt: No space left on device"):
        await export.write(tmp_path, "standup.txt", "new", private=True)
    assert [file.name for file in tmp_path.iterdir()] == ["standup.txt"]
    assert (tmp_path / "standup.txt").read_text() == "old"


async def test_a_folder_of_that_name_is_not_touched(tmp_path):
    (tmp_path / "standup.txt").mkdir()
    with pytest.raises(StorageError, match="choose another folder"):
        await export.write(tmp_path, "standup.txt", "new", private=True)
    assert [file.name for file in tmp_path.iterdir()] == ["standup.txt"]


async def test_a_file_in_the_place_of_the_folder_is_said_in_one_line(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        await export.write(tmp_path / "out", "standup.txt", "new", private=True)
