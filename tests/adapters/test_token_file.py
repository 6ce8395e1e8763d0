import os
import stat

import pytest

from transcriber.adapters.token_file import read_token
from transcriber.errors import ConfigError


def test_a_token_is_made_once_and_kept_to_its_owner(tmp_path):
    path = tmp_path / "state" / "token"
    token = read_token(path)
    assert len(token) == 43
    assert read_token(path) == token
    if os.name != "nt":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps no modes")
def test_a_file_that_others_may_read_is_refused(tmp_path):
    path = tmp_path / "token"
    path.write_text("x" * 43)
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_token(path)


def test_what_cannot_be_read_is_told_with_its_name(tmp_path):
    (tmp_path / "token").mkdir(mode=0o700)
    with pytest.raises(ConfigError, match=r"status\.token_file: .*token"):
        read_token(tmp_path / "token")
